"""Edits of YAML change what they are for, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from pipeline.commands.yaml_text import as_dvc_writes, commented, to_yaml, with_section
from pipeline.documents import yaml_documents
from pipeline.documents.yaml_documents import InvalidYamlError
from tests.project import SOURCE

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
        '  b: "x # y"                     # ' + " ".join(["word"] * 13),
        "                                 # word word word word word word word",
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


@pytest.mark.parametrize(
    "text",
    [
        "{a: 1, b: 2}\n",
        "{b: 2}\n",
        "? a\n: {c: 1}\nb: 2\n",
        "? b\n: 2\n",
        "  a: 1\n  b: 2\n",
        "a: &x {c: 1}\nb: *x\n",
        "a: &x {c: 1}\nb:\n  <<: *x\n",
        "a:\n  c: &x 1\nb: [*x]\n",
        "&x a: 1\nb: *x\n",
        "? a\n: 1\n? [c]\n: 2\n",
    ],
)
def test_sections_whose_lines_cannot_be_exchanged_are_refused(text: str) -> None:
    """In braces, below a complex key, indented, or with an anchor that another section uses."""
    yaml_documents.parse(text)
    with pytest.raises(ValueError, match=r"sections on lines of their own .* write them so"):
        with_section(text, "a", "a:\n  d: 9\n")


@pytest.mark.filterwarnings("ignore::ruamel.yaml.error.ReusedAnchorWarning")
@pytest.mark.parametrize(("first", "second"), [("true", "1"), ("1", "1.0"), ("2", "3"), ("{c: .nan}", "{c: .inf}")])
def test_an_anchor_that_is_defined_twice_is_refused(first: str, second: str) -> None:
    """Without the nearer definition the text still parses, and another section has another value."""
    text = f"z: &x {first}\na: &x {second}\nb: *x\n"
    with pytest.raises(ValueError, match="share no anchor"):
        with_section(text, "a", "a: 9\n")
    assert with_section(text.replace("b: *x", "b: .nan"), "a", "a: 9\n") == f"z: &x {first}\na: 9\nb: .nan\n"


# Ways to write the section of a key, or what stands between sections.
_PARTS = [
    ["a: 1\n", "a: *x\n", "a: &x\n  c: 1\n", "? a\n: 2\n", "&w a: 1\n", "!!str a: []\n", "'a': >\n  1\n\n"],
    ["b: &x {c: .nan}\n", "b: *x\n"],
    ["c:\n  <<: *x\n", "<<: *x\n", "? [1, 2]\n: 3\n"],
    ["d: *x\n", "e: |+\n  # a\n\n\n", "# a\n"],
]
_SECTIONS = st.permutations([st.sampled_from(["", *part]) for part in _PARTS]).flatmap(lambda parts: st.tuples(*parts))
_TEXT = st.tuples(
    st.sampled_from(["", "---\n"]),
    st.sampled_from(["", "z: &x 1\n", "z: &x {c: 1}\n"]),
    _SECTIONS.map("".join),
    st.sampled_from(["", "...\n"]),
).map("".join)


@pytest.mark.filterwarnings("ignore::ruamel.yaml.error.ReusedAnchorWarning")
@settings(max_examples=40)
@given(_TEXT)
def test_an_edited_text_holds_the_section_and_the_others_as_they_were(text: str) -> None:
    """Whatever a text of sections is made of, it is edited so or refused."""
    try:
        before = yaml_documents.parse(text)
    except ValueError:
        reject()
    assume(isinstance(before, dict))
    try:
        after = yaml_documents.parse(with_section(text, "a", "a:\n  d: 9\n"))
    except InvalidYamlError:
        raise
    except ValueError:
        return
    assert {key: repr(value) for key, value in after.items()} == {
        key: repr(value) for key, value in {**before, "a": {"d": 9}}.items()
    }


_TEXTS = st.text() | st.text(alphabet=":#-,{}[]? a0'\"&*!|>%@`\\\n")


@given(_TEXTS | st.lists(_TEXTS) | st.dictionaries(_TEXTS, _TEXTS) | st.none() | st.booleans() | st.integers())
def test_a_value_on_one_line_is_read_again(value: Any) -> None:
    """As a value of a key and as an item of a list, each before a comment."""
    line = to_yaml(value)
    assert line.isprintable()
    assert yaml_documents.parse(f"k: {line}  # c") == {"k": value}
    assert yaml_documents.parse(f"k:\n  - {line}  # c\n  # - x\nj: 1\n") == {"k": [value], "j": 1}


_DVC_STYLE = """# head
a:                               # of a
  b: [x, 'no', ": odd"]          # of b
  empty: null
  # d holds what c is not
  c:                             # of c
    # what its items are
  - 1
  - 2
  d: {e: 1.5}
  number: 1e-8
"""


def test_what_dvc_writes_stays_when_it_changes_a_param(tmp_path: Path) -> None:
    """`dvc exp run -S` changes the line of the param, in the shipped params.yaml as in a text laid out here."""
    texts = {"a.number=2": as_dvc_writes(_DVC_STYLE), "train.lr=0.5": (SOURCE / "params.yaml").read_text("utf-8")}
    for change, text in texts.items():
        path = tmp_path / "params.yaml"
        path.write_text(text, encoding="utf-8")
        apply_overrides(path, [change])
        lines = zip(text.splitlines(), path.read_text(encoding="utf-8").splitlines(), strict=True)
        assert sum(before != after for before, after in lines) == 1


def test_the_layout_of_dvc_keeps_values_and_comments_above_lists() -> None:
    """What DVC's writer would make unreadable stays as it was."""
    written = as_dvc_writes(_DVC_STYLE)
    assert yaml_documents.parse(written) == yaml_documents.parse(_DVC_STYLE)
    assert "    # what its items are\n" in written
    assert as_dvc_writes(written) == written
