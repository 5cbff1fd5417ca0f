"""Scoring a CSV with a model made by hand: the tutorial's row, columns in any order, and what a person gets wrong."""

import csv
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import scipy.special
import scipy.stats

from pipeline import model
from pipeline.commands import predict
from pipeline.dataset.encoder import MISSING, UNSEEN, CategoryColumn, Encoder, NumberColumn
from pipeline.errors import UserError
from tests.terminal import unwrapped

# The tutorial's final W and b, as it prints them.
W = [[0.7005, 0.6048, -0.8661, 0.0389], [0.6576, 2.1999, 0.2597, -2.3961], [-1.5017, -2.7867, 0.5453, 2.8710]]
B = [0.2416, -0.7538, 0.4635]


def number(name: str, *, mean: float = 0.0, indicator: bool = False) -> NumberColumn:
    """A number column that is not standardised."""
    return NumberColumn(name, "number", mean=mean, shift=0.0, scale=1.0, indicator=indicator)


@pytest.fixture
def tutorial(tmp_path: Path) -> Path:
    """A folder with the tutorial's model: x1 to x4, classes 0, 1 and 2."""
    encoder = Encoder(tuple(number(f"x{i}") for i in range(1, 5)), (), "y", (0, 1, 2), ("",))
    model.save(tmp_path / "models", model.Model(np.array(W), np.array(B), encoder, {}, "", {"status": "converged"}))
    return tmp_path / "models"


@pytest.fixture
def penguins(tmp_path: Path) -> Path:
    """A folder with a model of a number that may be missing and two categories, one of them with missing values."""
    encoder = Encoder(
        numbers=(number("mass", mean=4.0, indicator=True),),
        categories=(
            CategoryColumn("island", ("Biscoe", "Dream", UNSEEN)),
            CategoryColumn("sex", ("female", "male", MISSING, UNSEEN)),
        ),
        target="species",
        classes=("Adelie", "Gentoo"),
        missing_values=("", "NA"),
    )
    # 2 + 3 + 4 columns; each weight of the second class is its own power of two, so that a sum tells what was added.
    weights = np.vstack([np.zeros(9), 2.0 ** np.arange(9)])
    model.save(tmp_path / "models", model.Model(weights, np.zeros(2), encoder, {}, "", {"status": "converged"}))
    return tmp_path / "models"


def score(folder: Path, text: str) -> list[dict[str, str]]:
    """Predict the CSV ``text`` into a file and read that."""
    source, out = folder.parent / "in.csv", folder.parent / "out" / "scored.csv"
    source.write_text(text, encoding="utf-8")
    predict.main(source=source, out=out, model=folder)
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def logit(row: dict[str, str]) -> float:
    """The second class's logit of the penguins model: a sum of powers of two."""
    return float(row["logit_Gentoo"])


def test_the_tutorials_row_has_the_tutorials_result(tutorial: Path) -> None:
    """Row 2,1,3,2 with W and b as printed, to the accuracy that their four digits leave."""
    (row,) = score(tutorial, "x1,x2,x3,x4\n2,1,3,2\n")
    # Each weight is off by at most 0.00005; the inputs and the 1 of the bias sum to 9.
    error = 9 * 0.00005
    logits = [float(row[f"logit_{k}"]) for k in range(3)]
    assert logits == pytest.approx([-0.2732, -1.2517, 2.0511], abs=error + 0.00005)
    # A probability moves by at most half of what its logits move against each other.
    probability = [float(row[f"probability_{k}"]) for k in range(3)]
    assert probability == pytest.approx([0.0862, 0.0324, 0.8813], abs=error + 0.00005)
    assert [row[f"rank_{k}"] for k in range(3)] == ["2", "3", "1"]
    assert (row["row"], row["predicted"]) == ("1", "2")


def test_columns_come_in_any_order_and_others_are_ignored(tutorial: Path) -> None:
    """Names decide, not places; an extra column may hold anything."""
    plain = score(tutorial, "x1,x2,x3,x4\n2,1,3,2\n9,6,3,3\n")
    shuffled = score(tutorial, 'x3,note,x1,x4,x2\n3,"any, thing",2,2,1\n3,,9,3,6\n')
    assert shuffled == plain


def test_many_rows_equal_scipy(tutorial: Path) -> None:
    """Logits, probabilities and ranks of every row, in the order of the file."""
    x = np.random.default_rng(0).normal(size=(5000, 4)).astype(np.float32)
    rows = score(tutorial, "x1,x2,x3,x4\n" + "\n".join(",".join(map(repr, line)) for line in x.tolist()) + "\n")
    logits = x.astype(np.float64) @ np.array(W).T + B
    read = {name: np.array([[float(row[f"{name}_{k}"]) for k in range(3)] for row in rows]) for name in NAMES}
    # Five additions of numbers below 20 in another order, then exp of their error.
    np.testing.assert_allclose(read["logit"], logits, rtol=0, atol=1e-13)
    np.testing.assert_allclose(read["probability"], scipy.special.softmax(logits, axis=1), rtol=1e-12)
    np.testing.assert_array_equal(read["rank"], scipy.stats.rankdata(-logits, axis=1))
    assert [int(row["row"]) for row in rows] == list(range(1, 5001))
    assert [int(row["predicted"]) for row in rows] == logits.argmax(axis=1).tolist()


NAMES = ("logit", "probability", "rank")


def test_missing_values_are_scored_as_training_scored_them(penguins: Path) -> None:
    """A missing number is its mean plus the indicator; a missing category is the level of its own."""
    known, missing = score(penguins, "mass,island,sex\n3,Dream,male\nNA,Biscoe,\n")
    assert logit(known) == 3 * 1 + 8 + 64
    assert logit(missing) == 4 * 1 + 2 + 4 + 128


def test_unseen_values_are_scored_and_named_in_one_warning(penguins: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Values unknown to training get the unseen level, as does a missing one where training had none."""
    rows = score(penguins, "mass,island,sex\n1,Torgersen,male\n1,,x1\n1,Dream,x2\n1,Dream,x1\n")
    assert [logit(row) for row in rows] == [1 + 16 + 64, 1 + 16 + 256, 1 + 8 + 256, 1 + 8 + 256]
    printed = capsys.readouterr()
    source, out = penguins.parent / "in.csv", penguins.parent / "out" / "scored.csv"
    assert unwrapped(printed.out) == f"4 rows of {source} scored, written to {out}"
    assert printed.err.splitlines() == [
        f"warning: {source}: values that training did not see, scored as <unseen>: "
        "column island: 'Torgersen'; column sex: 'x1', 'x2'"
    ]


def test_one_row_is_no_rows(tutorial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last sentence counts as a person would."""
    score(tutorial, "x1,x2,x3,x4\n2,1,3,2\n")
    assert unwrapped(capsys.readouterr().out).startswith("1 row of ")


def test_the_warning_names_a_few_of_many_unseen_values(penguins: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A column full of new values does not fill the screen."""
    score(penguins, "mass,island,sex\n" + "".join(f"1,new {i},male\n" for i in range(1000)))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("column island: 'new 0', 'new 1', 'new 2', 'new 3', 'new 4' and 995 more")


def test_known_values_do_not_warn(penguins: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Silence means that training saw everything."""
    score(penguins, "mass,island,sex\n1,Dream,\n")
    assert capsys.readouterr().err == ""


def test_without_a_file_a_table_is_printed(tutorial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a class, aligned, four digits; nothing is written."""
    source = tutorial.parent / "in.csv"
    source.write_text("x1,x2,x3,x4\n2,1,3,2\n", encoding="utf-8")
    predict.main(source=source, out=None, model=tutorial)
    head, rule, *lines = [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert head.split() == ["row", "predicted", "class", "logit", "probability", "rank"]
    assert set(rule.strip()) == {"─"}
    assert [line.split()[-1] for line in lines] == ["2", "3", "1"]
    assert len({len(line) for line in lines}) == 1
    assert sorted(path.name for path in tutorial.parent.iterdir()) == ["in.csv", "models"]


def test_a_long_table_is_printed_in_part_and_says_so(tutorial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first rows, and how to get the others."""
    source = tutorial.parent / "in.csv"
    source.write_text("x1,x2,x3,x4\n" + "2,1,3,2\n" * 500, encoding="utf-8")
    predict.main(source=source, out=None, model=tutorial)
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert unwrapped(printed).endswith(f"The first 20 rows of {source}; `-o OUT.csv` writes all of them.")
    assert sum("0.08" in line for line in lines) == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x1,x2,x4\n1,2,3\n", "in.csv: missing column x3"),
        ("x1,x2,x3,x4\n", "in.csv: expected rows to score, got only a header line"),
        ("", "in.csv: the file is empty"),
        ("x1,x2,x3,x4\n1,2,3,4\n1,2,three,4\n", "in.csv, line 3, column x3: expected a number, got 'three'"),
        ("x1,x2,x3,x4\n1,2,3\n", "in.csv, line 2: expected 4 cells as in the header, got 3"),
    ],
)
def test_a_bad_source_is_refused_and_the_earlier_result_stays(tutorial: Path, text: str, message: str) -> None:
    """One message that names the place; what was predicted before is still there."""
    score(tutorial, "x1,x2,x3,x4\n2,1,3,2\n")
    out = tutorial.parent / "out" / "scored.csv"
    earlier = out.read_bytes()
    with pytest.raises(UserError) as error:
        score(tutorial, text)
    assert message in str(error.value)
    assert out.read_bytes() == earlier
    assert [path.name for path in out.parent.iterdir()] == ["scored.csv"]


def test_a_missing_source_or_model_is_named(tutorial: Path) -> None:
    """No such file is a message, not a traceback."""
    with pytest.raises(UserError, match=r"nowhere\.csv: expected a CSV file: no such file"):
        predict.main(source=tutorial / "nowhere.csv", out=None, model=tutorial)
    with pytest.raises(UserError, match=r"softmax\.json: no such file"):
        predict.main(source=tutorial / "nowhere.csv", out=None, model=tutorial / "none")


@pytest.mark.parametrize("out", ["in.csv", "link.csv", "twin.csv", "models/../in.csv", "models/softmax.json", "models"])
def test_what_is_read_is_never_written(tutorial: Path, out: str) -> None:
    """Not the source by any name, nor the model, nor a folder."""
    source, place = tutorial.parent / "in.csv", tutorial.parent / out
    source.write_text("x1,x2,x3,x4\n2,1,3,2\n", encoding="utf-8")
    (tutorial.parent / "link.csv").symlink_to(source)
    (tutorial.parent / "twin.csv").hardlink_to(source)
    before = {path: path.read_bytes() for path in tutorial.parent.rglob("*") if path.is_file()}
    for address in (str(source), source.as_uri(), str(tutorial.parent / "*n.csv")):
        with pytest.raises(UserError, match="one of the files that are read"):
            predict.main(source=address, out=place, model=tutorial)
    assert {path: path.read_bytes() for path in tutorial.parent.rglob("*") if path.is_file()} == before


def test_a_pipe_is_read_and_standard_output_written(tutorial: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A table that another program writes gives the bytes that its file gives."""
    text = "x1,x2,x3,x4\n2,1,3,2\n9,6,3,3\n"
    score(tutorial, text)
    capfd.readouterr()
    pipe = tutorial.parent / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(text,))
    writer.start()
    predict.main(source=pipe, out=Path("-"), model=tutorial)
    writer.join()
    assert capfd.readouterr().out == (tutorial.parent / "out" / "scored.csv").read_text(encoding="utf-8")
    assert not Path("-").exists()


def test_a_device_is_no_table(tutorial: Path) -> None:
    """Some of them never end."""
    with pytest.raises(UserError, match="/dev/zero: expected a file or a folder, got a pipe or a device"):
        predict.main(source="/dev/zero", out=None, model=tutorial)


@pytest.mark.parametrize("label", ["[red]x[/red]", "[/]", "\x1b[31mred\x1b[0m", "=cmd|' /C calc'!A0", "a,b"])
def test_a_class_may_be_called_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str], label: str) -> None:
    """Printed it reads as it is, without moving the cursor; in the file it is the same bytes, and formulas are told."""
    encoder = Encoder((number("x"),), (), "y", (label, "other"), ("",))
    model.save(
        tmp_path / "models",
        model.Model(np.array([[1.0], [0.0]]), np.zeros(2), encoder, {}, "", {"status": "converged"}),
    )
    (row,) = score(tmp_path / "models", "x\n1\n")
    assert row["predicted"] == label
    assert capsys.readouterr().err.count("is a formula to spreadsheet programs") == label.startswith("=")
    predict.main(source=tmp_path / "in.csv", out=None, model=tmp_path / "models")
    assert f" {label} ".replace("\x1b", r"\x1b") in capsys.readouterr().out
