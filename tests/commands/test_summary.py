"""What `make run` prints last."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline import model
from pipeline.commands import summary
from pipeline.dataset.encoder import CategoryColumn, Encoder, NumberColumn
from pipeline.errors import UserError


def _write(folder: Path, epochs: int, params: dict[str, object] | None = None, **ended: object) -> None:
    lines = [f"{epoch},{1 / (epoch + 1)}" for epoch in range(epochs)]
    (folder / "history.csv").write_text("\n".join(["epoch,cost", *lines]) + "\n", encoding="utf-8")
    metrics = {"train": {"rows": 8, "log_loss": 0.25, "roc_auc_ovr": None}, "format": 1}
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    numbers = tuple(NumberColumn(name, "number", 0.0, 0.0, 1.0, False) for name in ("u", "[red]v"))
    encoder = Encoder(numbers, (CategoryColumn("c", ("p", "q", "<unseen>")),), "y", ("a", "b"), ("",))
    weights = np.array([[0.5, 2.0, 1.0, -1.0, 9.0], [-0.5, -2.0, -1.0, 1.0, -9.0]])
    result = {"status": "epochs_done", "method": "sgd", "epochs": epochs}
    model.save(
        folder, model.Model(weights, np.zeros(2), encoder, {"lr": 0.1} | (params or {}), "0" * 64, result | ended)
    )


@pytest.mark.parametrize(
    ("epochs", "printed_epochs"),
    [
        (1001, [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]),
        (3, [0, 1, 2]),
        (1, [0]),
        (25, [*range(0, 25, 2)]),
    ],
)
def test_the_cost_table_shows_the_first_and_the_last_epoch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], epochs: int, printed_epochs: list[int]
) -> None:
    """About eleven evenly spaced lines, however long the history."""
    _write(tmp_path, epochs)
    summary.main(model=tmp_path, reports=tmp_path, prepared=tmp_path)
    printed = capsys.readouterr().out
    cells = [line.split("│")[1].strip() for line in printed.splitlines() if line.startswith("│")]
    assert [int(cell) for cell in cells if cell.isdigit()] == printed_epochs
    assert "not defined" in printed
    assert "0.2500" in printed


def test_a_split_of_one_class_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Metrics of 1.0 on its rows say nothing of the other classes; a split of two classes has no such line."""
    _write(tmp_path, 3)
    rows = [("train", "a", 5), ("train", "b", 3), ("test", "a", 4), ("test", "b", 0)]
    per_class = [{"split": split, "class": label, "support": count} for split, label, count in rows]
    splits = {split: {"rows": 8, "accuracy": 1.0} for split in ("train", "test")}
    (tmp_path / "metrics.json").write_text(json.dumps(splits | {"per_class": per_class}), encoding="utf-8")
    summary.main(model=tmp_path, reports=tmp_path, prepared=tmp_path)
    printed = capsys.readouterr().out
    assert "test: all rows are of class a; its accuracy and F1 say nothing of the other classes" in printed
    assert "train: all" not in printed


def test_intervals_are_those_of_the_most_held_out_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside its metrics, within 100 columns; not those of other splits or of a class; older files have none."""
    _write(tmp_path, 3)
    splits = {split: {"rows": 800_000, "accuracy": 0.5, "log_loss": 1.5} for split in ("train", "validation", "test")}
    bounds = [("test", "accuracy", 0.4), ("train", "accuracy", 0.3), ("test", "log_loss", 1.4)]
    records = [{"split": split, "metric": name, "low": low, "high": 1.6} for split, name, low in bounds]
    records.append({"split": "test", "class": "a", "metric": "accuracy", "low": 0.1, "high": 0.2})
    (tmp_path / "metrics.json").write_text(json.dumps(splits | {"intervals": records}), encoding="utf-8")
    summary.main(model=tmp_path, reports=tmp_path, prepared=tmp_path)
    printed = capsys.readouterr().out
    assert "95 % interval" in printed
    assert [word for word in ("0.4000 to 1.6000", "1.4000 to 1.6000", "0.3000 to", "0.1000") if word in printed] == [
        "0.4000 to 1.6000",
        "1.4000 to 1.6000",
    ]
    assert max(map(len, printed.splitlines())) <= 100


def test_before_the_first_run_it_says_what_to_do(tmp_path: Path) -> None:
    """Without a history there is one sentence."""
    with pytest.raises(UserError, match="run `dvc repro` first"):
        summary.main(model=tmp_path, reports=tmp_path, prepared=tmp_path)


def test_the_key_of_the_model_is_shown_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Search in MLflow and train.start.key take it as it is printed."""
    _write(tmp_path, 3)
    summary.main(model=tmp_path, reports=tmp_path, prepared=tmp_path)
    key = json.loads((tmp_path / "softmax.json").read_text(encoding="utf-8"))["digest"]
    assert f"model.key {key}\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["history.csv", "metrics.json", "softmax.json"])
@pytest.mark.parametrize(
    "content",
    [
        *(
            b"",
            b"[]",
            b"{",
            b"5",
            b"null",
            b"\xff",
            b"[" * 100_000,
            b"epoch,cost\n",
            b"epoch\n1\n",
            b"epoch,cost\n1,x\n",
        ),
        *(b'{"train": 1}', b'{"train": null}', b'{"train": {"rows": "[/]"}}', b'{"train": {"log_loss": []}}'),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    """Whatever it holds, it is named with what to do, and no half of the summary is printed."""
    _write(tmp_path, 3)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name}.*: expected .*, got .*; run `dvc repro`"):
        summary.main(model=tmp_path, reports=tmp_path, prepared=tmp_path)


def test_a_folder_in_place_of_a_file_is_one_sentence(tmp_path: Path) -> None:
    """It says which of the two was found."""
    _write(tmp_path, 3)
    (tmp_path / "metrics.json").unlink()
    (tmp_path / "metrics.json").mkdir()
    with pytest.raises(UserError, match=r"metrics\.json: expected a regular file, got a folder"):
        summary.main(model=tmp_path, reports=tmp_path, prepared=tmp_path)


def test_an_optimum_is_told_with_its_proof_and_no_epochs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In place of costs by epoch stand steps, l2 and how it was chosen; the next run changes a param that it has."""
    search = {"reason": "l2 0.01 has the lowest log loss of 13 values"}
    proof = {"bound": 1e-9, "relative_bound": 1e-8, "probability_bound": 1e-5, "l2": 0.01, "l2_search": search}
    _write(tmp_path, 3, {"lr": None, "l2": "auto"}, method="newton", status="converged", **proof)
    shares = {"split": "train", "log_loss": 0.5, "accuracy": 0.6}
    (tmp_path / "metrics.json").write_text(
        json.dumps({"train": {"rows": 8, "log_loss": 0.25, "accuracy": 0.75}, "baseline": [shares]})
    )
    summary.main(model=tmp_path, reports=tmp_path, prepared=tmp_path)
    printed = capsys.readouterr().out
    assert "epoch" not in printed
    assert "Training: newton, 3 steps, l2 0.01\nl2 auto: l2 0.01 has the lowest" in printed
    assert "at most 1.0e-08 of itself above its optimum" in printed
    assert "50% of the uncertainty is gone; the class shares alone give 0.5000 and 0.6000" in " ".join(printed.split())
    assert "dvc exp run -S train.l2=0.1 " in printed
    assert max(map(len, printed.splitlines())) <= 100


def test_the_columns_stand_with_what_they_speak_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The largest effect first, levels that no row has left out, and names as they are, whatever rich makes of them."""
    _write(tmp_path, 3)
    summary.main(model=tmp_path, reports=tmp_path, prepared=tmp_path)
    rows = [line.split("│")[1:-1] for line in capsys.readouterr().out.splitlines() if line.count("│") == 5]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert cells[-3:] == [["[red]v", "2.000", "a", "more"], ["c", "2.000", "a", "p"], ["u", "0.500", "a", "more"]]
