"""A comparison as a person reads it: tables for a terminal, or Markdown for a pull request."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline import screen
from pipeline.errors import printable
from pipeline.markdown import text

# Of lines in a file or a pipe, where a cell broken in two can no longer be searched for.
_FILE_WIDTH = 200

Section = tuple[str, list[str], list[list[str]]]


def sections(record: dict[str, Any]) -> list[Section]:
    """Title, header and rows of each part that differs."""
    pairs = {
        part: [[line["name"], _cell(line["a"]), _cell(line["b"])] for line in record[part]]
        for part in ("params", "schema", "versions")
    }
    data = [[name.replace("_", " "), _cell(value)] for name, value in record["data"].items()]
    code = [[line["name"], _change(line)] for line in record["code"]]
    metrics = [[line["split"], line["metric"], *_measured(line)] for line in record["metrics"]]
    moved = [[line["class"], line["feature"], *_measured(line)[:3]] for line in record["coefficients"]]
    parts = [
        ("Params", ["", "a", "b"], pairs["params"]),
        ("Data", ["", ""], data),
        ("Columns", ["", "a", "b"], pairs["schema"]),
        ("Code", ["file", ""], code),
        ("Versions", ["", "a", "b"], pairs["versions"]),
        ("Metrics", ["split", "metric", "a", "b", "b - a", "95 % interval"], metrics),
        ("Coefficients that moved most", ["class", "feature", "a", "b", "b - a"], moved),
    ]
    return [part for part in parts if part[2]]


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
    for title, header, lines in parts:
        table = Table(*header, title=title, title_justify="left")
        for line in lines:
            table.add_row(*(Text(printable(cell)) for cell in line))
        console.print(table)
    if not parts:
        console.print("nothing differs")


def markdown(record: dict[str, Any]) -> str:
    """The comparison as Markdown."""
    lines = [f"**a**: {text(record['a'])}  ", f"**b**: {text(record['b'])}"]
    parts = sections(record)
    for title, header, rows in parts:
        lines += ["", f"#### {title}", "", _line(header), _line(["---"] * len(header))]
        lines += [_line([*map(text, row)]) for row in rows]
    return "\n".join([*lines, *([] if parts else ["", "Nothing differs."])])


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
