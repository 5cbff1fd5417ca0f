"""Names of people's tables within Markdown: shown as they read, never markup, HTML or the end of a cell."""

import html
import re

from pipeline.errors import printable

_MARKUP = re.compile(r"([\\`*\[\]|~])")


def text(name: str) -> str:
    """Text for a line or a cell of a table."""
    return html.escape(_MARKUP.sub(r"\\\1", _on_one_line(name)), quote=False)


def code(name: str) -> str:
    """Text in backticks: one more of them than it holds in a row, as CommonMark has it."""
    line = _on_one_line(name)
    runs = re.findall("`+", line)
    if not runs:
        return f"`{line}`"
    fence = "`" * (max(map(len, runs)) + 1)
    return f"{fence} {line} {fence}"


def _on_one_line(name: str) -> str:
    return printable(" ".join(name.split("\n")))
