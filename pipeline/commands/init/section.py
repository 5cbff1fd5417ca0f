"""The section `prepare:` that `init` writes, with comments on what the table holds."""

import glob
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path

from pipeline import screen
from pipeline.commands.init import column_advice, date_advice, hints
from pipeline.commands.init.inspect_table import InspectedTable
from pipeline.commands.yaml_text import as_dvc_writes, commented, to_yaml
from pipeline.errors import UserError, listed, quoted
from pipeline.params import descriptions
from pipeline.prepare import report
from pipeline.prepare.fit_encoder import MAX_LEVELS
from pipeline.prepare.params import MISSING_VALUES, PrepareParams, SplitParams
from pipeline.table import data_checks, grouping, header, remote, transcoding

# Beyond so many rows a split by content costs less than one that must know all labels first.
_LARGE = 1_000_000
_FEW_ROWS_OF_A_CLASS = 50

# More columns than this are not listed one by one: DVC takes time for each line.
_MANY_FEATURES = 1_000

_EXAMPLES = 3
_CLASSES = 10  # that a comment names

_MOST_CHARACTERS = 40
_WARNING = "warning: "  # begins a comment


def section(table: InspectedTable) -> str:
    """The section `prepare` for the table, as YAML with comments.

    Raises: UserError if no column is left to learn from.
    """
    left_out = _reasons_to_leave_out(table)
    doubts = _doubts(table, left_out)
    _require_features(table, left_out, doubts)
    others = {**left_out, **table.dated}
    features = [name for name in table.statistics.types if name != table.target and name not in others]
    data_checks.require_no_reserved_text(table.source, table.statistics, features)
    columns = column_advice.warnings(table.statistics, table.fingerprints, table.target, others)
    split = {**SplitParams().model_dump(), "method": "hash" if _is_split_by_hash(table) else "seed"}
    lines = [
        "prepare:",
        *chain.from_iterable(map(_warning, (*doubts, *columns))),
        *_param_lines(table, left_out),
        "  split:",
        *(f"    {name}: {to_yaml(value)}" for name, value in split.items()),
    ]
    return commented(as_dvc_writes("\n".join(lines) + "\n"), _meanings(table, left_out))


def _warning(doubt: str) -> list[str]:
    """Lines of comment that fit a screen, as ``init`` prints them."""
    lines = screen.wrapped(f"{_WARNING}{_comment(doubt)}", screen.WIDEST - len("  # ")).split("\n")
    return [f"  # {line}" for line in lines]


def warnings_of(text: str) -> list[str]:
    """The warnings in a section's text, a line each."""
    lines = map(str.strip, re.sub(r"\n *# {3}", " ", text).splitlines())
    return [line.removeprefix(f"# {_WARNING}") for line in lines if line.startswith(f"# {_WARNING}")]


def _reasons_to_leave_out(table: InspectedTable) -> dict[str, str]:
    left_out = column_advice.reasons_to_leave_out(table.statistics, table.fingerprints, table.target)
    left_out = {name: why for name, why in left_out.items() if name not in table.dated or "names" not in why}
    unclear = dict.fromkeys(table.undecided, "holds numbers whose decimal mark is not clear")
    for name in date_advice.ambiguous(table):
        unclear[name] = f"holds dates whose {date_advice.open_order(table, name)} could be exchanged"
    left_out |= {name: why for name, why in unclear.items() if name in left_out}
    for name, text in table.mixed.items():
        if "names the rows" in (why := left_out.get(name, "")):
            mixture = f"mixes numbers and texts such as {quoted(text)}"
            left_out[name] = f"{mixture}, {why.removeprefix('names the rows: ')}"
    return left_out


def _doubts(table: InspectedTable, left_out: Mapping[str, str]) -> list[str]:
    """Doubts about header, labels, spellings and values, in the order in which they stand in the section."""
    statistics, target = table.statistics, table.target
    # A header that comes again makes a mixture of a column of numbers, and is told of as such.
    texts = {name: levels for name, levels in statistics.levels.items() if name not in table.mixed}
    return [
        *report.header_doubts([*statistics.types, *table.crowded], target, texts),
        *_guessed_encoding(table),
        *report.spelling_doubts(statistics, table.undecided),
        *report.grouping_doubts(grouping.doubtful(table.source, statistics, MISSING_VALUES)),
        *report.label_doubts(target, statistics.levels[target]),
        *(f"{target}: {line.split(maxsplit=1)[1]}" for line in report.label_lines(target, table.classes)),
        *hints.marks(table.source, statistics, table.mixed, target),
        *hints.sums(table.source, statistics),
        *hints.numbers_in_texts(statistics, {target, *table.dates, *table.codes, *table.undecided}),
        *hints.lookalikes(statistics, target),
        *hints.sentinels(statistics, table.fingerprints, target),
        *hints.frequencies(statistics, table.fingerprints, left_out),
        *date_advice.doubts(table),
    ]


def _param_lines(table: InspectedTable, left_out: Mapping[str, str]) -> list[str]:
    """The params before `split`, a line each; columns on lines of their own, with what they hold."""
    source, pattern = source_and_files(table.source.address)
    first = table.source.files[0]
    values = {
        "source": source,
        "files": pattern,
        "separator": first.separator,
        "encoding": first.encoding,
        "decimal": "auto",
        "target": table.target,
        "features": "all",
        "leave_out": [],
        "keep": [],
        "keep_values": [],
        "categories": [name for name in (*table.codes, *table.mixed) if name not in left_out],
        "weights": None,
        "types": table.dated or None,
        "date_parts": list(date_advice.parts(table)),
        "max_levels": MAX_LEVELS,
        "missing_values": list(MISSING_VALUES),
        "missing_target": "drop" if table.statistics.missing[table.target] else "error",
        "dtype": "float32",
        "standardise": True,
    }
    lines = {name: [f"  {name}: {to_yaml(value)}"] for name, value in values.items()}
    return list(chain.from_iterable({**lines, **_column_lines(table, left_out)}.values()))


def _meanings(table: InspectedTable, left_out: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    """The comment of each param: its meaning, or what the table holds."""
    meanings = {("prepare", *place): meaning for place, meaning in descriptions(PrepareParams).items()}
    columns = len(table.statistics.types) + len(table.crowded)
    meanings["prepare", "source"] = f"{table.statistics.rows:,} rows, {columns} columns"
    meanings["prepare", "target"] = _classes(table)
    if (features := _feature_count(table, left_out)) > _MANY_FEATURES:
        meanings["prepare", "features"] = f"{features:,} columns: all but the target and those of leave_out"
    if missing := table.statistics.missing[table.target]:
        rows = "1 row" if missing == 1 else f"{missing:,} rows"
        meanings["prepare", "missing_target"] = f"leaves out {rows} without a label; error stops at them"
    return meanings


def _feature_count(table: InspectedTable, left_out: Mapping[str, str]) -> int:
    return len(table.statistics.types) - 1 - len(left_out)


def source_and_files(address: str) -> tuple[str, str]:
    """The params for an address; of a glob the folder, which DVC can watch, and the pattern of files in it."""
    folder, _, name = address.rpartition("/")
    if not glob.has_magic(address) or (not remote.is_remote(address) and Path(address).exists()):
        return address, "*"
    if glob.has_magic(folder):
        raise UserError(f"{address}: expected a pattern for files of one folder only, such as data/raw/mine/2024-*.csv")
    return folder or ".", name


def _guessed_encoding(table: InspectedTable) -> Iterator[str]:
    """Examples of the text in the encoding that was guessed, since a person sees whether it is the right one."""
    if table.source.files[0].encoding == transcoding.GUESSED:
        texts = [*table.statistics.types, *chain.from_iterable(table.statistics.levels.values())]
        not_ascii = (text for text in texts if not text.isascii())
        examples = ", ".join(quoted(text, _MOST_CHARACTERS) for text in islice(not_ascii, _EXAMPLES))
        read = f", in which it says {examples}" if examples else ""
        yield f"{table.source} is not UTF-8 and was read as {transcoding.GUESSED}{read}; if that is wrong, save UTF-8"


def _require_features(table: InspectedTable, left_out: Mapping[str, str], doubts: Sequence[str]) -> None:
    if {*table.statistics.types} <= {table.target, *left_out}:
        reasons = {**left_out, **table.crowded}
        named = [f"{name} {reason}" for name, reason in reasons.items()]
        why = f": {listed(named, 5, str, '; ')}" if named else ""
        hinted = "".join(f"\n  {doubt}" for doubt in doubts[:_EXAMPLES])
        raise UserError(f"{table.source}: expected a column to predict {table.target} from, found none{why}{hinted}")


def _column_lines(table: InspectedTable, left_out: Mapping[str, str]) -> dict[str, list[str]]:
    """The lines of ``features`` or ``leave_out``: what each column holds, or why it is left out, above the list.

    Behind the items of a list DVC would lose the comments.
    """
    # A column without a name is none of those that were looked at.
    nameless = [position for position, name in enumerate(header.column_names(table.source), 1) if not name]
    unused = {**left_out, **table.crowded}
    if _feature_count(table, left_out) > _MANY_FEATURES:
        reasons = [(name, _comment(why)) for name, why in unused.items()]
        if nameless:
            reasons.insert(0, ("", "have no name" if len(nameless) > 1 else "has no name"))
        comments = [f"    # {_shown(name)}: {why}" for name, why in reasons]
        items = [f"  - {to_yaml(name)}" for name, _ in reasons]
        return {"leave_out": ["  leave_out:", *comments, *items]} if reasons else {}
    used = [name for name in table.statistics.types if name != table.target and name not in left_out]
    described = {name: _described(table, name) for name in used}
    described |= {name: f"left out, {_comment(why)}" for name, why in unused.items()}
    in_order = [name for name in (*table.statistics.types, *table.crowded) if name in described]
    return {
        "features": [
            "  features:",
            *(f"    # {_shown(name)}: {described[name]}" for name in in_order),
            *(f"    # column {position}: left out, has no name" for position in nameless),
            *(f"  - {to_yaml(name)}" for name in used),
        ]
    }


def _shown(name: str) -> str:
    return _comment(to_yaml(name))


def _described(table: InspectedTable, name: str) -> str:
    statistics = table.statistics
    missing = statistics.missing[name]
    gaps = f", {missing / statistics.rows:.2%} missing" if missing else ""
    if name in table.dated:
        return f"{table.dated[name]}, {date_advice.range_of_dates(table, name)}{gaps}"
    if name in statistics.levels:
        mixture = f", codes with leading zeros such as {quoted(table.codes[name])}" if name in table.codes else ""
        mixture += f", mixes numbers and texts such as {quoted(table.mixed[name])}" if name in table.mixed else ""
        count = len(statistics.levels[name])
        return _comment(f"category, {count:,} level{'' if count == 1 else 's'}{mixture}{gaps}")
    moments = statistics.moments[name]
    return f"{statistics.types[name]}, {moments.minimum:g} to {moments.maximum:g}, mean {moments.mean():.6g}{gaps}"


def _classes(table: InspectedTable) -> str:
    rows: Counter[str] = Counter()
    for text, count in table.statistics.levels[table.target].items():
        rows[str(table.classes[text])] += count
    in_order = sorted(rows, key=lambda label: (-rows[label], label))
    counts = [f"{label if label.strip() else quoted(label)} ({rows[label]:,})" for label in in_order]
    return _comment(f"{len(rows)} classes: {listed(counts, _CLASSES, str)}")


def _is_split_by_hash(table: InspectedTable) -> bool:
    rows = table.statistics.levels[table.target].values()
    return table.statistics.rows > _LARGE and min(rows) >= _FEW_ROWS_OF_A_CLASS


def _comment(text: str) -> str:
    """Text for a comment: what would end the line, or what YAML allows nowhere, is a blank."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
