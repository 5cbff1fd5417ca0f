"""Edits of YAML change what they are for, and nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.commands.yaml_text import commented, to_yaml, with_section
from pipeline.documents import yaml_documents

TEXT = """# head

a:   # old
                                 # and more
  b: "x # y"   # old
  # of a person
  c: {d: 1, e: 2}
f:
  - 1  # one
"""


def test_comments_take_the_place_of_earlier_ones() -> None:
    """Only those of the keys that are named, with all their lines; a value with a # in it stays."""
    comments = {("a",): "first\nsecond", ("a", "b"): "word " * 20, ("a", "c"): "flow"}
    edited = commented(TEXT, comments)
    assert edited.splitlines() == [
        "# head",
        "",
        "a:                               # first",
        "                                 # second",
        '  b: "x # y"                     # ' + " ".join(["word"] * 17),
        "                                 # word word word",
        "  # of a person",
        "  c: {d: 1, e: 2}                # flow",
        "f:",
        "  - 1  # one",
    ]
    assert commented(edited, comments) == edited
    assert yaml_documents.parse(edited) == yaml_documents.parse(TEXT)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", "# one\na: 9\n\n# two\nb:\n  d: 1\n# end\n"),
        ("b", "# one\na:\n  # in a\n  c: 1\n\n# two\nb: 9\n# end\n"),
        ("z", "# one\nz: 9\na:\n  # in a\n  c: 1\n\n# two\nb:\n  d: 1\n# end\n"),
    ],
)
def test_a_section_takes_the_place_of_the_one_of_its_name(name: str, expected: str) -> None:
    """The comments before the next section stay with it; a section that is not there comes first."""
    text = "# one\na:\n  # in a\n  c: 1\n\n# two\nb:\n  d: 1\n# end\n"
    assert with_section(text, name, f"{name}: 9\n") == expected


def test_sections_on_one_line_are_refused() -> None:
    """Where one ends and the next begins no line tells."""
    with pytest.raises(ValueError, match="lines of their own"):
        with_section("{a: 1, b: 2}\n", "a", "a: 9\n")


_TEXTS = st.text() | st.text(alphabet=":#-,{}[]? a0'\"&*!|>%@`\\\n")


@given(_TEXTS | st.lists(_TEXTS) | st.dictionaries(_TEXTS, _TEXTS) | st.none() | st.booleans() | st.integers())
def test_a_value_on_one_line_is_read_again(value: Any) -> None:
    """As a value of a key and as an item of a list, each before a comment."""
    line = to_yaml(value)
    assert line.isprintable()
    assert yaml_documents.parse(f"k: {line}  # c") == {"k": value}
    assert yaml_documents.parse(f"k:\n  - {line}  # c\n  # - x\nj: 1\n") == {"k": [value], "j": 1}
