"""The computation of a row as it is printed: against torch and its gradients, for rows and tables of every kind."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import model
from pipeline.commands import explain
from pipeline.dataset.encoder import MISSING, UNSEEN, CategoryColumn, Encoder, NumberColumn
from pipeline.errors import UserError

DIGITS = 8
ROUNDING = 0.5 * 10**-DIGITS
HALF_OF_THE_LAST = ROUNDING * (1 + 1e-6)  # a printed digit is off by half at most, and float64 by far less


def number(name: str, kind: str = "number", shift: float = 0.0, scale: float = 1.0, mean: float = 0.0) -> NumberColumn:
    """A number column, with an indicator where it has a mean."""
    return NumberColumn(name, kind, mean=mean, shift=shift, scale=scale, indicator=bool(mean))


def saved(folder: Path, encoder: Encoder) -> model.Model:
    """A model with drawn W and b, in the folder ``models``."""
    random = np.random.default_rng(0)
    shape = (len(encoder.classes), len(encoder.features))
    trained = model.Model(random.normal(size=shape), random.normal(size=shape[0]), encoder, {}, "", {"status": "x"})
    model.save(folder / "models", trained)
    return trained


@pytest.fixture
def plain(tmp_path: Path) -> model.Model:
    """Numbers as they are; classes 0, 1 and 2."""
    return saved(tmp_path, Encoder((number("u"), number("v")), (), "y", (0, 1, 2), ("", "NA")))


@pytest.fixture
def mixed(tmp_path: Path) -> model.Model:
    """A standardised number that may be missing, a boolean, and a category with missing values."""
    numbers = (number("mass", shift=4.0, scale=2.0, mean=4.0), number("wild", "boolean"))
    island = CategoryColumn("island", ("Biscoe", "Dream", MISSING, UNSEEN))
    return saved(tmp_path, Encoder(numbers, (island,), "species", ("Adelie", "Gentoo"), ("", "NA")))


def explained(folder: Path, table: str, capsys: pytest.CaptureFixture[str], row: int = 1, digits: int = DIGITS) -> str:
    """The output for a row of the CSV ``table``."""
    (folder / "in.csv").write_text(table, encoding="utf-8")
    explain.main(row=row, source=str(folder / "in.csv"), model=folder / "models", digits=digits)
    return capsys.readouterr().out


def block(output: str, title: str) -> list[list[str]]:
    """The lines of the table below the line that begins with ``title``, header and rules left out."""
    _, _, rest = output.partition(f"\n{title}")
    lines = rest.partition("\n\n")[0].splitlines()[1:]
    return [line.split() for line in lines[1:] if line.strip() and not line.startswith("─")]


def numbers(lines: list[list[str]], count: int) -> np.ndarray:
    """The cells of a line a class, without its name."""
    return np.array([[float(cell) for cell in line[1:]] for line in lines[:count]])


def test_every_step_equals_torch(tmp_path: Path, plain: model.Model, capsys: pytest.CaptureFixture[str]) -> None:
    """Products, logits, softmax, cross_entropy and autograd's gradient, to the last printed digit."""
    output = explained(tmp_path, "u,v,y\n3,-1.5,0\n0.25,2,2\n", capsys, row=2)
    assert output.startswith(f"Row 2 of {tmp_path / 'in.csv'}: y is 2\n")
    x = torch.tensor([0.25, 2.0], dtype=torch.float64)
    w, b = (torch.tensor(array, requires_grad=True) for array in (plain.weights, plain.bias))
    logits = w @ x + b
    cost = torch.nn.functional.cross_entropy(logits, torch.tensor(2))
    cost.backward()
    expected = {
        "W x + b": torch.cat([w * x, b[:, None], logits[:, None]], dim=1),
        "The cost's gradient": torch.cat([w.grad, b.grad[:, None]], dim=1),
    }
    for title, values in expected.items():
        np.testing.assert_allclose(numbers(block(output, title), 3), values.detach(), rtol=0, atol=HALF_OF_THE_LAST)
    probability = torch.softmax(logits, 0).detach()
    shifted = (logits - logits.max()).detach()
    softmax = block(output, "softmax")
    columns = [logits.detach(), shifted, shifted.exp(), probability, (-logits).argsort().argsort() + 1.0]
    np.testing.assert_allclose(numbers(softmax, 3), torch.stack(columns, dim=1), rtol=0, atol=HALF_OF_THE_LAST)
    assert softmax[3] == ["sum", f"{shifted.exp().sum():.8f}", "1.00000000"]
    lines = block(output, "Cost")
    assert [line[1] for line in lines[:3]] == ["0", "0", "1"]
    np.testing.assert_allclose(numbers(lines, 3)[:, 1], torch.log(probability), rtol=0, atol=HALF_OF_THE_LAST)
    assert lines[3] == ["sum", f"{-cost.item():.8f}"]
    assert f"\ncost {cost.item():.8f} nats, " in output


@pytest.mark.usefixtures("mixed")
def test_inputs_stand_beside_what_the_table_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Standardised numbers, booleans, missing values and levels; of a category the row's own level only."""
    table = "mass,wild,island,species\n7,true,Dream,Gentoo\nNA,false,,Gentoo\n7,true,Elba,Gentoo\n"
    full = explained(tmp_path, table, capsys, digits=4)
    assert "x: of numbers (value - mean) / deviation" in full
    assert block(full, "x") == [
        ["mass", "7", "1.5000"],
        ["wild", "true", "1"],
        ["mass", "missing", "0"],
        ["island=Dream", "Dream", "1"],
    ]
    assert full.endswith("Not shown: 3 levels that the row does not have; their x is 0.\n")
    assert block(explained(tmp_path, table, capsys, row=2), "x") == [
        ["mass", "missing", "0"],
        ["wild", "false", "0"],
        ["mass", "missing", "1"],
        ["island=<missing>", "missing", "1"],
    ]
    assert block(explained(tmp_path, table, capsys, row=3), "x")[-1] == ["island=<unseen>", "Elba", "1"]


def test_the_logit_is_that_of_the_encoded_row(
    tmp_path: Path, mixed: model.Model, capsys: pytest.CaptureFixture[str]
) -> None:
    """mass, wild, mass missing, and the levels Biscoe, Dream, missing, unseen."""
    x = np.array([1.5, 1, 0, 0, 1, 0, 0])
    lines = block(explained(tmp_path, "species,island,wild,mass\nGentoo,Dream,true,7\n", capsys), "W x + b")
    np.testing.assert_allclose(numbers(lines, 2)[:, -1], mixed.weights @ x + mixed.bias, rtol=0, atol=HALF_OF_THE_LAST)


def test_what_does_not_fit_is_added_up_as_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Shown or not, products and b add up to the logit."""
    names = [f"column {i}" for i in range(60)]
    saved(tmp_path, Encoder(tuple(map(number, names)), (), "y", ("no", "yes"), ("",)))
    output = explained(tmp_path, ",".join(names) + "\n" + ",".join("1" * 60) + "\n", capsys)
    lines = [line[-2:] for line in block(output, "W x + b")]
    sums = np.array(lines[:-1], dtype=float).sum(axis=0)
    np.testing.assert_allclose(sums, np.array(lines[-1], dtype=float), rtol=0, atol=len(lines) * HALF_OF_THE_LAST)
    assert output.splitlines()[-1] == "Shown: 20 of 60 columns, the largest W x."


def test_of_many_classes_the_rows_own_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the most probable; the sums are of all."""
    encoder = Encoder((number("x"),), (), "y", tuple(f"class {i:03}" for i in range(200)), ("",))
    trained = saved(tmp_path, encoder)
    least = f"class {np.argmin(trained.weights[:, 0] + trained.bias):03}"
    output = explained(tmp_path, f"x,y\n1,{least}\n", capsys)
    lines = block(output, "softmax")
    assert any(line[1] == least[-3:] and line[-1] == "200" for line in lines)
    assert lines[-1][:4] == ["sum", "of", "all", "200"]
    assert lines[-1][-1] == "1.00000000"


def test_digits_that_do_not_add_up_to_1_are_explained(
    tmp_path: Path, plain: model.Model, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three times a third is 0.3333 three times; equal logits rank in the order of the classes."""
    even = model.Model(np.zeros((3, 2)), np.zeros(3), plain.encoder, {}, "", {"status": "x"})
    model.save(tmp_path / "models", even)
    output = explained(tmp_path, "u,v\n1,1\n", capsys, digits=4)
    assert [line[-2:] for line in block(output, "softmax")[:3]] == [["0.3333", "1"], ["0.3333", "2"], ["0.3333", "3"]]
    assert "As printed the p add up to 0.9999, since each is rounded by itself; unrounded, to 1.\n" in output


@pytest.mark.parametrize(
    ("table", "head"),
    [("u,v\n1,2\n", "no y there"), ("u,v,y\n1,2,\n", "no y there"), ("u,v,y\n1,2,NA\n", "no y there")],
)
@pytest.mark.usefixtures("plain")
def test_without_a_label_there_is_no_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str, head: str
) -> None:
    """Neither a column nor a cell: the probabilities are the end."""
    output = explained(tmp_path, table, capsys)
    assert output.splitlines()[0].endswith(f": {head}")
    assert "softmax" in output
    assert "cost" not in output.lower()


@pytest.mark.parametrize(
    ("classes", "label", "place"),
    [
        ((0, 1, 2), " 2.0", 2),
        ((0, 1, 2), "2e0", 2),
        ((1, 2**63 - 1), str(2**63 - 1), 1),
        ((False, True), "TRUE", 1),
        (("no", "yes"), "yes", 1),
        ((0, 1), "2", None),
        ((0, 1), "0.5", None),
        ((0, 1), "1e999999999999", None),
        ((0, 1), "yes", None),
        (("no", "yes"), "YES", None),
    ],
)
def test_a_label_is_read_as_training_reads_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], classes: tuple[int | str, ...], label: str, place: int | None
) -> None:
    """Whole numbers and booleans in any spelling, texts as they are; any other has no cost, which is said."""
    saved(tmp_path, Encoder((number("u"),), (), "y", classes, ("",)))
    output = explained(tmp_path, f"u,y\n1,{label}\n", capsys)
    one_hot = [line[1] for line in block(output, "Cost")[: len(classes)]]
    assert one_hot == ([] if place is None else ["1" if i == place else "0" for i in range(len(classes))])
    assert ("The model has no such class, so the row has no cost and no gradient." in output) == (place is None)


@pytest.mark.parametrize(
    ("table", "row", "message"),
    [
        ("u,v\n1,2\n3,4\n", 3, r"in\.csv: expected a row from 1 to 2, got row 3"),
        ("u,v\n", 1, r"in\.csv: expected a table with rows, got only a header line"),
        ("u,w\n1,2\n", 1, r"in\.csv: missing column v"),
        ("u,v\n1,big\n", 1, r"in\.csv, line 2, column v: expected a number, got 'big'"),
    ],
)
@pytest.mark.usefixtures("plain")
def test_a_mistake_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str, row: int, message: str
) -> None:
    """The place, what was expected and what came; nothing is printed."""
    with pytest.raises(UserError, match=message):
        explained(tmp_path, table, capsys, row=row)
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("plain")
def test_a_row_of_the_training_table_needs_no_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """prepare.source of params.yaml, read with its separator; without params.yaml a sentence."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"params\.yaml: no such file"):
        explain.main(row=1, source=None, model=Path("models"), digits=4)
    Path("params.yaml").write_text("prepare: {source: t.csv, target: y, separator: ;}\n", encoding="utf-8")
    Path("t.csv").write_text("u;v;y\n1;2;1\n", encoding="utf-8")
    explain.main(row=1, source=None, model=Path("models"), digits=4)
    assert capsys.readouterr().out.startswith("Row 1 of t.csv: y is 1\n")


@pytest.mark.usefixtures("plain")
def test_a_late_row_of_a_long_table_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a later piece than the first, by its number."""
    lines = "".join(f"{i}.00000000000000000000,{i},0\n" for i in range(1, 200_001))
    output = explained(tmp_path, f"u,v,y\n{lines}", capsys, row=199_999)
    assert [line[1] for line in block(output, "x")] == ["199999", "199999"]
