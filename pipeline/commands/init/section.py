"""The section `prepare:` that `init` writes, with comments on what the table holds."""

import glob
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path

from pipeline.commands.init import column_advice, hints
from pipeline.commands.init.inspect_table import InspectedTable, hides_a_part
from pipeline.dataset.columns import DATE_PARTS, DatePart, part_name
from pipeline.errors import UserError, listed, quoted
from pipeline.prepare import report
from pipeline.prepare.fit_encoder import MAX_LEVELS
from pipeline.prepare.params import MISSING_VALUES
from pipeline.table import data_checks, dates, grouping, sources, stream, transcoding

# Beyond so many rows a split by content costs less than one that must know all labels first.
_LARGE = 1_000_000
_FEW_ROWS_OF_A_CLASS = 50

# More columns than this are not listed one by one: DVC takes time for each line.
_MANY_FEATURES = 1_000

_EXAMPLES = 3
_CLASSES = 10  # that a comment names

# A column is nearly one of dates if so many of its values are; texts of the others are shown up to so many characters.
_NEARLY_ALL = 0.8
_SHOWN_CHARACTERS = 40

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = {"null", "true", "false", "y", "n", "yes", "no", "on", "off"}


def section(found: InspectedTable) -> str:
    """The section `prepare` for the table, as YAML with comments.

    Raises: UserError if no column is left to learn from.
    """
    left_out = column_advice.reasons_to_leave_out(found.survey, found.sight, found.target)
    left_out = {name: why for name, why in left_out.items() if name not in found.dated or "names" not in why}
    unclear = dict.fromkeys(found.undecided, "holds numbers whose decimal mark is not clear")
    unclear |= {name: f"holds dates whose {_open_order(found, name)} could be exchanged" for name in _ambiguous(found)}
    left_out |= {name: why for name, why in unclear.items() if name in left_out}
    left_out |= {
        name: f"mixes numbers and texts such as {quoted(text)}, {why.removeprefix('names the rows: ')}"
        for name, text in found.mixed.items()
        if "names the rows" in (why := left_out.get(name, ""))
    }
    about_dates = list(_about_dates(found))
    hinted = [
        *hints.marks(found.source, found.survey, found.mixed, found.target),
        *hints.sums(found.source, found.survey),
        *hints.numbers_in_texts(found.survey, {found.target, *found.dates, *found.codes, *found.undecided}),
        *hints.lookalikes(found.survey, found.target),
        *hints.sentinels(found.survey, found.sight, found.target),
        *hints.frequencies(found.survey, found.sight, left_out),
    ]
    grouped = grouping.doubtful(found.source, found.survey, MISSING_VALUES)
    # A header that comes again makes a mixture of a column of numbers, and is told of as such.
    texts = {name: levels for name, levels in found.survey.levels.items() if name not in found.mixed}
    first_doubts = [
        *report.header_doubts([*found.survey.kinds, *found.crowded], found.target, texts),
        *_guessed_encoding(found),
        *report.spelling_doubts(found.survey, found.undecided),
        *report.grouping_doubts(grouped),
        *report.label_doubts(found.target, found.survey.levels[found.target]),
        *(f"{found.target}: {line.split(maxsplit=1)[1]}" for line in report.label_lines(found.target, found.classes)),
    ]
    _require_features(found, left_out, [*first_doubts, *about_dates, *hinted])
    others = {found.target, *left_out, *found.dated}
    features = [name for name in found.survey.kinds if name not in others]
    data_checks.require_no_reserved_text(found.source, found.survey, features)
    doubts = column_advice.warnings(found.survey, found.sight, found.target, {**left_out, **found.dated})
    categories = [name for name in (*found.codes, *found.mixed) if name not in left_out]
    source, pattern = source_and_files(found.source.address)
    first, columns = found.source.files[0], len(found.survey.kinds) + len(found.crowded)
    lines = [
        "prepare:",
        *(f"  # warning: {_one_line(doubt)}" for doubt in (*first_doubts, *hinted, *doubts, *about_dates)),
        f"  source: {_text(source)}  # {found.survey.rows:,} rows, {columns} columns",
        f'  files: {json.dumps(pattern):<28}# of a source that is a folder: which, such as "2024-*.csv"',
        f"  separator: {json.dumps(first.separator)}                 # one character between cells, or auto",
        f"  encoding: {first.encoding}                # of the text",
        '  decimal: auto                  # the decimal mark of numbers: "." | "," | auto',
        f"  target: {_text(found.target)}  # {_classes(found)}",
        *_features(found, left_out),
        f"  categories: [{', '.join(map(_text, categories))}]  # number columns to read as categories (codes, years)",
        "  weights: null                  # column of numbers >= 0: how many times a row counts; no feature",
        f'  types: {_types(found)}  # of columns: number, category, boolean, date or "date %d/%m/%Y"',
        f"  date_parts: [{', '.join(_date_parts(found))}]  # numbers that a date becomes; hour and minute too",
        f"  max_levels: {MAX_LEVELS}              # levels of a category; rarer ones share the level <other>",
        f"  missing_values: {json.dumps(list(MISSING_VALUES))}  # texts that mean: no value",
        _missing_target(found),
        "  standardise: true              # numbers to mean 0 and standard deviation 1 of the training rows",
        *_split(found),
    ]
    return "\n".join(lines) + "\n"


def _missing_target(found: InspectedTable) -> str:
    missing = found.survey.missing[found.target]
    rows = "1 row" if missing == 1 else f"{missing:,} rows"
    if missing:
        return f"  missing_target: drop           # leaves out {rows} without a label; error stops at them"
    return "  missing_target: error          # rows without a label: error | drop, which leaves them out"


def source_and_files(address: str) -> tuple[str, str]:
    """The params for an address; of a glob the folder, which DVC can watch, and the pattern of files in it."""
    folder, _, name = address.rpartition("/")
    if not _is_glob(address):
        return address, "*"
    if glob.has_magic(folder):
        raise UserError(f"{address}: expected a pattern for files of one folder only, such as data/raw/mine/2024-*.csv")
    return folder or ".", name


def _is_glob(address: str) -> bool:
    return glob.has_magic(address) and (sources.is_remote(address) or not Path(address).exists())


def _guessed_encoding(found: InspectedTable) -> Iterator[str]:
    """What the text says in the encoding that was guessed, since a person sees whether it is the right one."""
    if found.source.files[0].encoding == transcoding.GUESSED:
        texts = [*found.survey.kinds, *chain.from_iterable(found.survey.levels.values())]
        shown = ", ".join(quoted(text, _SHOWN_CHARACTERS) for text in islice(_not_ascii(texts), _EXAMPLES))
        read = f", in which it says {shown}" if shown else ""
        yield (f"{found.source} is not UTF-8 and was read as {transcoding.GUESSED}{read}; if that is wrong, save UTF-8")


def _not_ascii(texts: Iterable[str]) -> Iterator[str]:
    return (text for text in texts if not text.isascii())


def _require_features(found: InspectedTable, left_out: Mapping[str, str], doubts: Sequence[str]) -> None:
    if {*found.survey.kinds} <= {found.target, *left_out}:
        reasons = {**left_out, **found.crowded}
        named = [f"{name} {reason}" for name, reason in reasons.items()]
        why = f": {listed(named, 5, str, '; ')}" if named else ""
        hinted = "".join(f"\n  {doubt}" for doubt in doubts[:_EXAMPLES])
        raise UserError(f"{found.source}: expected a column to predict {found.target} from, found none{why}{hinted}")


def _features(found: InspectedTable, left_out: Mapping[str, str]) -> Iterator[str]:
    features = len(found.survey.kinds) - 1 - len(left_out)
    # A column without a name is none of those that were looked at.
    nameless = [position for position, name in enumerate(stream.header(found.source), 1) if not name]
    if features > _MANY_FEATURES:
        yield f"  features: all                  # {features:,} columns: all but the target and those of leave_out"
        if not (nameless or left_out or found.crowded):
            yield "  leave_out: []                  # where features is all: columns that are none"
            return
        yield "  leave_out:"
        yield from (
            '    - ""  # have no name' if len(nameless) > 1 else '    - ""  # has no name' for _ in nameless[:1]
        )
        yield from (f"    - {_text(name)}  # {_one_line(reason)}" for name, reason in left_out.items())
        yield from (f"    - {_text(name)}  # {why}" for name, why in found.crowded.items())
        return
    yield "  features:"
    for name in found.survey.kinds:
        if name in left_out:
            yield f"    # - {_text(name)}  # left out: {_one_line(left_out[name])}"
        elif name != found.target:
            yield f"    - {_text(name)}  # {_described(found, name)}"
    for name, why in found.crowded.items():
        yield f"    # - {_text(name)}  # left out: {why}"
    for position in nameless:
        yield f"    # column {position}  # left out: has no name"
    yield "  leave_out: []                  # where features is all: columns that are none"


def _described(found: InspectedTable, name: str) -> str:
    survey = found.survey
    missing = survey.missing[name]
    gaps = f", {missing / survey.rows:.2%} missing" if missing else ""
    if name in found.dated:
        return f"{found.dated[name]}, {_range_of_dates(found, name)}{gaps}"
    if name in survey.levels:
        mixture = f", codes with leading zeros such as {quoted(found.codes[name])}" if name in found.codes else ""
        mixture += f", mixes numbers and texts such as {quoted(found.mixed[name])}" if name in found.mixed else ""
        count = len(survey.levels[name])
        return _one_line(f"category, {count:,} level{'' if count == 1 else 's'}{mixture}{gaps}")
    moments = survey.moments[name]
    return f"{survey.kinds[name]}, {moments.minimum:g} to {moments.maximum:g}, mean {moments.mean():.6g}{gaps}"


def _classes(found: InspectedTable) -> str:
    rows: Counter[str] = Counter()
    for text, count in found.survey.levels[found.target].items():
        rows[str(found.classes[text])] += count
    in_order = sorted(rows, key=lambda label: (-rows[label], label))
    counts = [f"{label if label.strip() else quoted(label)} ({rows[label]:,})" for label in in_order]
    return _one_line(f"{len(rows)} classes: {listed(counts, _CLASSES, str)}")


def _range_of_dates(found: InspectedTable, name: str) -> str:
    kind, levels = found.dated[name], found.survey.levels.get(name)
    if levels is None:
        years = found.survey.moments[part_name(name, "year")]
        return f"{years.minimum:.0f} to {years.maximum:.0f}"
    in_order = sorted(levels, key=lambda level: dates.moment_of(level, kind) or ())
    return f"{in_order[0]} to {in_order[-1]}"


def _about_dates(found: InspectedTable) -> Iterator[str]:
    yield from _undecided(found)
    yield from _short_years(found)
    yield from _nearly_dates(found)


def _ambiguous(found: InspectedTable) -> list[str]:
    return [name for name, possible in found.dates.items() if len(possible) > 1]


def _open_order(found: InspectedTable, name: str) -> str:
    return "day, month and year" if any(map(dates.has_short_years, found.dates[name])) else "day and month"


def _undecided(found: InspectedTable) -> Iterator[str]:
    for name in _ambiguous(found):
        ways = " or ".join(f"{_text(name)}: {_text(kind)}" for kind in found.dates[name])
        yield f"{name} holds dates whose {_open_order(found, name)} could be exchanged; say which in types: {ways}"


def _short_years(found: InspectedTable) -> Iterator[str]:
    """The centuries of years of two digits, with the first cells: a birthday of 1963 would be read as of 2063."""
    for name, kind in found.dated.items():
        if dates.has_short_years(kind):
            cells = list(found.survey.levels.get(name, ()))[:3]
            moments = [(cell, dates.moment_of(cell, kind)) for cell in cells]
            example = "".join(f", {cell} as of {moment[0]}" for cell, moment in moments if moment is not None)
            yield (
                f"{name} has years of two digits: 69 to 99 are read as 1969 to 1999, 00 to 68 as 2000 to 2068{example}"
                "; write four digits if that is wrong"
            )


def _nearly_dates(found: InspectedTable) -> Iterator[str]:
    """Columns that were dates if it were not for a few texts."""
    for name, levels in found.survey.levels.items():
        if name == found.target or name in found.dates or hides_a_part(name, found.survey.kinds):
            continue
        forms, others = dates.forms(levels)
        rows = sum(levels.values())
        if sum(forms.values()) < _NEARLY_ALL * rows or len(levels) - len(others) < 2:  # two dates at least
            continue
        first = next(iter(forms))
        rest = f"the rest, such as {', '.join(quoted(text, _SHOWN_CHARACTERS) for text in others[:_EXAMPLES])}"
        if len(forms) > 1:
            shares = ", ".join(f"{kind} in {count / rows:.0%}" for kind, count in forms.items())
            also = f"; {rest}, is none" if others else ""
            yield (
                f"{name} holds dates of several forms ({shares} of its values){also}: write them in one, and set "
                f"types: {{{_text(name)}: {_text(first)}}}"
            )
        elif others:
            yield (
                f"{name} holds dates ({first}) in {forms[first] / rows:.0%} of its values; {rest}, keeps it from being "
                f"one: correct them or add them to missing_values, and set types: {{{_text(name)}: {_text(first)}}}"
            )


def _types(found: InspectedTable) -> str:
    if not found.dated:
        return "null"
    return "{" + ", ".join(f"{_text(name)}: {_text(kind)}" for name, kind in found.dated.items()) + "}"


def _date_parts(found: InspectedTable) -> Iterator[DatePart]:
    """The parts that dates of the table differ in; an hour that is 0 in all of them is one column too many."""
    yield from ("year", "month", "day", "weekday")
    for name, kind in found.dated.items():
        if dates.is_time_of_day(kind):
            continue  # it becomes hour and minute in any case
        if "hour" not in dates.parts_of(kind):
            continue
        levels = found.survey.levels.get(name)
        moments = () if levels is None else (dates.moment_of(level, kind) for level in levels)
        if levels is None or any(moment is not None and moment[DATE_PARTS.index("hour")] for moment in moments):
            yield "hour"
            return


def _split(found: InspectedTable) -> Iterator[str]:
    levels = found.survey.levels[found.target]
    by_hash = found.survey.rows > _LARGE and min(levels.values()) >= _FEW_ROWS_OF_A_CLASS
    yield "  split:"
    yield f"    method: {'hash' if by_hash else 'seed'}                 # none | seed | hash | column"
    yield "    seed: 0                      # of the draw or the hash; integer >= 0"
    yield "    validation: 0.2              # share of the rows; 0 <= share < 1"
    yield "    test: 0.2                    # share of the rows; 0 <= share < 1"
    yield "    column: null                 # name of the column that says train, validation or test"
    yield "    key: null                    # hash: name of a column whose equal values stay together"


def _text(text: str) -> str:
    """A YAML scalar; JSON's quoting is YAML's too, but for what YAML takes in no other form than escaped."""
    if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else _escaped(char) for char in quoted)


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 2**16 else f"\\U{ord(char):08x}"


def _one_line(text: str) -> str:
    """Text for a comment: what would end the line, or what YAML allows nowhere, is a blank."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
