"""Names within Markdown."""

import pytest
from markdown_it import MarkdownIt

from pipeline import markdown

NAMES = (
    "<b>x</b>",
    "a|b",
    "a\\|b",
    "`x`",
    "``",
    "[x](http://host)",
    "**x**",
    "~~x~~",
    "a\\",
    "&lt;",
    "\x1b[31mred",
    "a\nb",
    "=1+1",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_as_it_reads(name: str) -> None:
    """CommonMark with GitHub's tables shows the name in one cell, and as code; control signs as escapes."""
    table = f"| a | b |\n| --- | --- |\n| {markdown.text(name)} | {markdown.code(name) if '|' not in name else 1} |"
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(table)
    cells = [token for token in tokens if token.type == "inline"][2:]
    read = name.replace("\n", " ").replace("\x1b", "\\x1b")
    assert len(cells) == 2
    assert "".join(part.content for part in cells[0].children or ()) == read
    assert {part.type for part in cells[0].children or ()} <= {"text", "text_special"}
    if "|" not in name:
        (code,) = cells[1].children or []
        assert (code.type, code.content) == ("code_inline", read)
