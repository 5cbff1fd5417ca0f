"""A comparison as a person reads it: tables for a terminal, or Markdown for a pull request."""

import json
import sys
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline import screen
from pipeline.errors import listed, printable
from pipeline.markdown import text

_ERROR_AND_TESTS = ("standard_error", "z", "p", "p_holm")

# Of lines in a file or a pipe, where a cell broken in two can no longer be searched for.
_FILE_WIDTH = 200

# What stands below the table of coefficients that moved.
_INDEPENDENT = (
    "The standard error is sqrt(se_a^2 + se_b^2), which holds for fits of different rows; of the same rows it is too "
    "large, so that fewer coefficients stand here. p after Holm is below 0.05."
)


class Section(NamedTuple):
    """A part that differs: its table, and what stands below, or in the place of a table without lines."""

    title: str
    header: list[str]
    lines: list[list[str]]
    note: str = ""


def sections(record: dict[str, Any]) -> list[Section]:
    """The parts that differ."""
    pairs = {
        part: [[line["name"], _cell(line["a"]), _cell(line["b"])] for line in record[part]]
        for part in ("params", "schema", "versions")
    }
    data = [[name.replace("_", " "), _cell(value)] for name, value in record["data"].items()]
    code = [[line["name"], _change(line)] for line in record["code"]]
    metrics = [[line["split"], line["metric"], *_measured(line)] for line in record["metrics"]]
    moved = [[line["class"], line["feature"], *_measured(line)[:3]] for line in record["coefficients"]]
    parts = [
        Section("Params", ["", "a", "b"], pairs["params"]),
        Section("Data", ["", ""], data),
        Section("Columns", ["", "a", "b"], pairs["schema"]),
        Section("Code", ["file", ""], code),
        Section("Versions", ["", "a", "b"], pairs["versions"]),
        Section("Metrics", ["split", "metric", "a", "b", "b - a", "95 % interval"], metrics),
        Section("Coefficients that moved most", ["class", "feature", "a", "b", "b - a"], moved),
        _estimates(record["estimates"]),
    ]
    return [part for part in parts if part.lines or part.note]


def _estimates(moved: dict[str, Any]) -> Section:
    header = ["feature", "class", "a", "b", "b - a", "standard error", "z", "p", "p (Holm)"]
    lines = [
        [line["feature"], line["class"], *_measured(line)[:3], *(f"{line[name]:.3g}" for name in _ERROR_AND_TESTS)]
        for line in moved.get("moved", [])
    ]
    if not moved:
        note = ""
    else:
        compared = f"{moved['compared']} compared, against class {moved['reference']}"
        if moved["other_bases"]:
            compared += f", without levels of {listed(moved['other_bases'], 5, str)}, whose base level is another"
        more = f"and {moved['more']} more; " if moved["more"] else ""
        unmoved = f"no coefficient moved by more than its error ({compared})"
        note = f"{more}{compared}. {_INDEPENDENT}" if lines else unmoved
    return Section("Coefficients that moved", header, lines, note)


def _change(line: dict[str, Any]) -> str:
    return "added" if not line["a"] else "gone" if not line["b"] else "changed"


def _measured(line: dict[str, Any]) -> list[str]:
    difference = "" if line["difference"] is None else f"{line['difference']:+.6g}"
    low, high = line.get("interval") or (None, None)
    span = "" if low is None else f"{low:+.6g} to {high:+.6g}"
    return [_cell(line["a"]), _cell(line["b"]), difference, span]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def print_text(record: dict[str, Any]) -> None:
    """Print tables to standard output."""
    width = None if sys.stdout.isatty() else _FILE_WIDTH
    console = Console(highlight=False, emoji=False, soft_wrap=True, width=width)
    screen.say(f"a: {record['a']}\nb: {record['b']}")
    parts = sections(record)
    for part in parts:
        table = Table(*part.header, title=part.title, title_justify="left")
        for line in part.lines:
            table.add_row(*(Text(printable(cell)) for cell in line))
        if part.lines:
            console.print(table)
        if part.note:
            screen.say(part.note)
    if not parts:
        console.print("nothing differs")


def markdown(record: dict[str, Any]) -> str:
    """The comparison as Markdown."""
    lines = [f"**a**: {text(record['a'])}  ", f"**b**: {text(record['b'])}"]
    parts = sections(record)
    for part in parts:
        lines += ["", f"#### {part.title}"]
        if part.lines:
            lines += ["", _line(part.header), _line(["---"] * len(part.header))]
            lines += [_line([*map(text, row)]) for row in part.lines]
        if part.note:
            lines += ["", text(part.note)]
    return "\n".join([*lines, *([] if parts else ["", "Nothing differs."])])


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
