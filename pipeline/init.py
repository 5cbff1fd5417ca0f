"""`init`: look at a table and write a params.yaml for it, with what was found as comments."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from pipeline import advice, files
from pipeline.errors import UserError
from pipeline.fitting import MAX_LEVELS
from pipeline.table import faults, kinds, labels, parsing, sources, stream
from pipeline.table.columns import Kind
from pipeline.table.sources import Source
from pipeline.table.survey import Survey

MISSING_VALUES = ("", "NA", "N/A", "NaN", "nan", "null")

# Beyond so many rows a split by content costs less than one that must know all labels first.
_LARGE = 1_000_000
_FEW_ROWS_OF_A_CLASS = 50

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = {"null", "true", "false", "y", "n", "yes", "no", "on", "off"}
_SECTION = re.compile(r"^prepare:.*?(?=^\S|\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Found:
    """The table as found. ``mixed``: per column of numbers and texts, the first text; ``dates``: columns of dates."""

    source: Source
    target: str
    survey: Survey
    sight: advice.Sight
    mixed: Mapping[str, str]
    dates: list[str]


def look(source: Source, target: str) -> Found:
    """Read the whole table; columns that mix numbers and texts are taken for categories.

    Raises: UserError if there is no such column, or the target cannot be one.
    """
    names = [name for name in stream.header(source) if name]
    if target not in names:
        raise UserError(f"{source}: expected a column for --target, got {target!r}{faults.closest(target, names)}")
    mixed: dict[str, str] = {}
    sights: list[advice.Sight] = []

    def watch(_: Mapping[str, Kind]) -> kinds.Watcher:
        sights[:] = [advice.Sight(target)]
        return sights[0]

    while True:
        try:
            survey = kinds.learn(source, kinds.Columns(names, [target, *mixed]), MISSING_VALUES, watch)
            break
        except faults.MisfitError as misfit:
            if misfit.column in mixed:
                raise
            mixed[misfit.column] = misfit.text
    if survey.rows == 0:
        raise UserError(f"{source}: expected rows below the header line, got none")
    labels.classes_of(source, target, survey.levels[target], as_text=False)
    return Found(source, target, survey, sights[0], mixed, [name for name in names if _is_date(survey, name, target)])


def _is_date(survey: Survey, name: str, target: str) -> bool:
    levels = survey.levels.get(name, {})
    return name != target and len(levels) > 1 and all(parsing.moment_of(level) for level in levels)


def section(found: Found) -> str:
    """The section `prepare` for the table, as YAML with comments."""
    left_out = advice.reasons_to_leave_out(found.survey, found.sight, found.target)
    left_out = {name: why for name, why in left_out.items() if name not in found.dates or "names" not in why}
    doubts = advice.warnings(found.survey, found.sight, found.target, {**left_out, **dict.fromkeys(found.dates, "")})
    first = found.source.files[0]
    lines = [
        "prepare:",
        *(f"  # warning: {doubt}" for doubt in doubts),
        f"  source: {_text(found.source.address)}  # {found.survey.rows:,} rows, {len(found.survey.kinds)} columns",
        '  files: "*"                     # of a source that is a folder: which, such as "2024-*.csv"',
        f"  separator: {json.dumps(first.separator)}                 # one character between cells, or auto",
        f"  encoding: {first.encoding}                # of the text",
        f"  target: {_text(found.target)}  # {_classes(found.survey, found.target)}",
        *_features(found, left_out),
        f"  categories: [{', '.join(map(_text, found.mixed))}]  # number columns to read as categories (codes, years)",
        "  weights: null                  # column of numbers >= 0: how many times a row counts; no feature",
        f"  types: {_dates(found)}  # of columns: number, category, boolean or date",
        "  date_parts: [year, month, day, weekday, hour]  # numbers that a date becomes; minute too",
        f"  max_levels: {MAX_LEVELS}              # levels of a category; rarer ones share the level <other>",
        f"  missing_values: {json.dumps(list(MISSING_VALUES))}  # texts that mean: no value",
        "  standardise: true              # numbers to mean 0 and standard deviation 1 of the training rows",
        *_split(found),
    ]
    return "\n".join(lines) + "\n"


def _features(found: Found, left_out: Mapping[str, str]) -> Iterator[str]:
    yield "  features:"
    for name in found.survey.kinds:
        if name in left_out:
            yield f"    # - {_text(name)}  # left out: {left_out[name]}"
        elif name != found.target:
            yield f"    - {_text(name)}  # {_described(found, name)}"


def _described(found: Found, name: str) -> str:
    survey = found.survey
    missing = survey.missing[name]
    gaps = f", {missing / survey.rows:.2%} missing" if missing else ""
    if name in found.dates:
        return f"date, {min(survey.levels[name])} to {max(survey.levels[name])}{gaps}"
    if name in survey.levels:
        mixture = f", mixes numbers and texts such as {found.mixed[name]!r}" if name in found.mixed else ""
        count = len(survey.levels[name])
        return _one_line(f"category, {count:,} level{'' if count == 1 else 's'}{mixture}{gaps}")
    moments = survey.moments[name]
    return f"{survey.kinds[name]}, {moments.minimum:g} to {moments.maximum:g}, mean {moments.mean():.6g}{gaps}"


def _classes(survey: Survey, target: str, shown: int = 10) -> str:
    levels = survey.levels[target]
    listed = sorted(levels, key=lambda level: (-levels[level], level))
    counts = ", ".join(f"{level} ({levels[level]:,})" for level in listed[:shown])
    return _one_line(f"{len(levels)} classes: {counts}{', ...' if len(listed) > shown else ''}")


def _dates(found: Found) -> str:
    if not found.dates:
        return "null"
    return "{" + ", ".join(f"{_text(name)}: date" for name in found.dates) + "}"


def _split(found: Found) -> Iterator[str]:
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
    """A YAML scalar; JSON's quoting is YAML's too."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _RESERVED
    return text if plain else json.dumps(text, ensure_ascii=False)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def main(*, address: str, target: str, out: Path, template: Path, force: bool) -> None:
    """Write ``out``: the section for the table at ``address``, and the other sections of ``template``.

    Raises: UserError if ``out`` is there and not to be replaced, or the table cannot be read.
    """
    if out.exists() and not force:
        raise UserError(f"{out}: is there already; --force replaces its section 'prepare:', -o FILE writes elsewhere")
    if not template.exists():
        raise UserError(f"{template}: no such file; run the command from the project's root")
    written = section(look(sources.find(address, encoding="auto"), target))
    others = _SECTION.sub("", template.read_text(encoding="utf-8"))
    comments = re.match(r"(?:#.*\n)*", others)
    head = comments[0] if comments else ""
    files.write_text(out, head + written + others[len(head) :])
    click.echo(written, nl=False)
    click.echo(f"written to {out}; next: dvc repro")
