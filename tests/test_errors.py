"""Messages stay short, whatever a person or a file supplied."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import errors, model, params
from pipeline.commands import predict
from pipeline.dataset.encoder import Encoder, NumberColumn
from pipeline.errors import MOST_CHARACTERS, UserError, listed, quoted, shortened
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.train.params import TrainParams

LONG = "x" * (1 << 20)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\n" * 500),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.slow
@given(ANYTHING, st.integers(100, 300))
def test_a_quoted_value_is_one_short_line(value: Any, most: int) -> None:
    """Of any type, however deep."""
    text = quoted(value, most)
    assert len(text) <= most
    assert "\n" not in text


@given(st.text(), st.integers(100, 300))
def test_a_short_text_is_quoted_as_python_writes_it(text: str, most: int) -> None:
    """Nothing is lost where there is room."""
    if len(repr(text)) <= most:
        assert quoted(text, most) == repr(text)
    if len(text) <= most and text.isprintable():
        assert shortened(text, most) == text
    assert len(shortened(text, most)) <= most
    assert shortened(text, most).isprintable()


def test_of_a_long_text_the_ends_and_the_length_remain() -> None:
    """So that it can be found in the file."""
    text = "begin" + LONG + "end"
    for short in (quoted(text), shortened(text)):
        assert len(short) <= MOST_CHARACTERS
        assert "begin" in short
        assert "xend" in short
        assert short.endswith("(1,048,584 characters)")


def test_a_list_that_holds_itself_is_quoted() -> None:
    """As YAML's anchors can make one."""
    knot: list[Any] = []
    knot.append([knot] * 1_000)
    assert len(quoted(knot)) <= MOST_CHARACTERS
    assert quoted([10**5_000]) == "[an integer of 16,610 bits]"


def test_of_many_names_the_first_are_listed() -> None:
    """And how many there are beside them."""
    assert listed(["a", "b"]) == "a, b"
    assert listed(range(1_007)) == "0, 1, 2, 3, 4 and 1,002 more"
    assert len(listed([LONG] * 1_000)) < 400


SOURCES: dict[str, tuple[str, dict[str, Any]]] = {
    "a cell that is no number": (f"a,y\n1,p\n2,q\n{LONG},q\n", {"types": {"a": "number"}}),
    "a cell of a split column": (f"a,y,s\n1,p,train\n2,q,{LONG}\n", {"split": {"method": "column", "column": "s"}}),
    "a weight": (f"a,y,w\n1,p,1\n2,q,-{'0' * (1 << 20)}1\n", {"weights": "w"}),
    "a label alone": (f"a,y\n1,{LONG}\n", {}),
    "a label that is a quantity": (f"a,y\n1,0.5{'0' * (1 << 20)}1\n2,2.5\n", {}),
    "a name twice": (f"{LONG},{LONG},y\n1,2,p\n2,3,q\n", {}),
    "a name that is missing": (f"{LONG},z\n1,p\n", {}),
    "many names": ("".join(f"column {i}," for i in range(20_000)) + "z\n", {}),
    "a cell with bytes 0": (f"a,y\n\0{LONG},p\n2,q\n", {}),
    "a cell in a ragged row": (f"a,y\n1,p\n2,q,{LONG}\n", {}),
    "a name of a weightless column": (f"{LONG},y\n,p\n,q\n", {}),
    "a target": ("a,y\n1,p\n", {"target": LONG}),
    "features": ("a,y\n1,p\n2,q\n", {"features": [LONG] * 100}),
    "a type": ("a,y\n1,p\n2,q\n", {"types": {LONG: "number"}}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
def test_no_message_about_a_table_grows_with_its_cells(tmp_path: Path, name: str) -> None:
    """A mebibyte in a cell, a name or a label, and 20,000 names."""
    text, changes = SOURCES[name]
    source = tmp_path / "t.csv"
    source.write_text(text, encoding="utf-8")
    template = params.read_params(Path("params.yaml"))["prepare"]
    section = template | {"source": str(source), "target": "y", "features": "all", "categories": []} | changes
    with pytest.raises(UserError) as caught:
        prepare.main(params=PrepareParams.model_validate(section), source=source, out=tmp_path / "out")
    assert len(str(caught.value)) < 2_000


def test_no_message_about_a_row_to_score_grows_with_its_cells(tmp_path: Path) -> None:
    """Neither with the cell nor with the column's name."""
    import numpy as np

    number = NumberColumn(LONG, "number", mean=0.0, shift=0.0, scale=1e-30, indicator=False)
    encoder = Encoder((number,), (), "y", ("p", "q"), ("",))
    trained = model.Model(np.zeros((2, 1)), np.zeros(2), encoder, {}, "", {"status": "converged"})
    model.save(tmp_path / "models", trained)
    for cell in ("1e38", LONG):
        (tmp_path / "t.csv").write_text(f"{LONG}\n{cell}\n", encoding="utf-8")
        with pytest.raises(UserError) as caught:
            predict.main(source=tmp_path / "t.csv", out=tmp_path / "out.csv", model=tmp_path / "models")
        assert len(str(caught.value)) < 2_000


PARAMS: dict[str, Callable[[], str]] = {
    "a value": lambda: f"lr: {LONG}",
    "a key": lambda: f"{LONG}: 1",
    "many keys": lambda: "".join(f"k{i}: 1\n  " for i in range(20_000)),
    "a choice": lambda: f"solver: {LONG}",
    "a class": lambda: f"class_weight: {{{LONG}: -1}}",
    "an integer": lambda: f"seed: -{'9' * 4_000}",
    "a list": lambda: "lr: [" + "1, " * 20_000 + "1]",
    "anchors": lambda: (
        "lr: [&a [x, x], " + ", ".join(f"&{c} [*{p}, *{p}]" for p, c in zip("abcdefgh", "bcdefghi", strict=True)) + "]"
    ),
    "no YAML": lambda: f"lr: [{LONG}",
    "a text that is no section": lambda: "",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PARAMS)
def test_no_message_about_params_grows_with_them(tmp_path: Path, name: str) -> None:
    """Keys and values of a mebibyte, and thousands of them."""
    path = tmp_path / "params.yaml"
    content = PARAMS[name]()
    path.write_text(f"train:\n  {content}\n" if content else f"train: {LONG}\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        params.load(path, "train", TrainParams)
    assert len(str(caught.value)) < 4_000


def test_text_on_one_line_moves_no_cursor() -> None:
    """Line ends and escape sequences are written out, however long the text is."""
    assert errors.on_one_line("a\n\x1b[2K\r\ud800é") == "a\\n\\x1b[2K\\r\\ud800é"
