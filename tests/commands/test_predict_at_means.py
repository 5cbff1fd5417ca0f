"""`predict --at-means`: against statsmodels by numeric delta method, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pipeline.commands import predict_at_means
from pipeline.commands.cli import cli
from pipeline.errors import UserError
from tests.commands.test_predict_interval import by_numeric_delta_method
from tests.infer.problems import drawn, infer


def printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The cells of each class's line."""
    predict_at_means.main(model=folder / "models", reports=folder / "reports")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    return [cells for cells in lines if len(cells) == 5 and cells[0].startswith("k")]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("classes", "levels"), [(2, ()), (3, (3,)), (4, (2, 4))])
def test_means_have_the_intervals_of_statsmodels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], classes: int, levels: tuple[int, ...], weighted: bool
) -> None:
    """A standardised column, shares of levels, weights as rows; to the digits that are printed."""
    table = drawn(11, 400, classes=classes, levels=levels)
    table.numbers[:, 0] = table.numbers[:, 0].astype(np.float16)  # few digits: exact when shifted
    table = replace(table, shift=1.0, scale=2.0)
    counted = np.random.default_rng(3).integers(0, 3, 400) if weighted else np.ones(400, int)
    infer(tmp_path, replace(table, weights=counted.astype(float)) if weighted else table)
    rows = table.take(np.repeat(np.arange(400), counted))
    expected = by_numeric_delta_method(rows, 0.95, rows.frame.mean().to_numpy()[None])
    lines = printed(tmp_path, capsys)
    assert [cells[0] for cells in lines] == [f"k{label}" for label in range(classes)]
    assert [cells[1] for cells in lines] == [f"{1 / classes:.4f}"] * classes  # the model is of zeros
    for place, name in enumerate(("fitted", "low", "high"), 2):
        values = [float(cells[place]) for cells in lines]
        np.testing.assert_allclose(values, expected[name][0], rtol=0, atol=5.001e-5, err_msg=name)


def test_a_refused_inference_has_no_means(tmp_path: Path) -> None:
    """The sentence is the one of the stage."""
    infer(tmp_path, drawn(11, 100), enabled=False)
    with pytest.raises(UserError, match=r"no covariance, so no intervals: infer\.enabled is false"):
        predict_at_means.main(model=tmp_path / "models", reports=tmp_path / "reports")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["predict"], "expected a table to score"),
        (["predict", "new.csv", "--at-means"], "expected --at-means without FILE.csv"),
        (["predict", "--at-means", "-o", "out.csv"], "expected --at-means without FILE.csv"),
    ],
)
def test_one_of_file_and_means(words: list[str], sentence: str) -> None:
    """Misuse of the command line, exit 2."""
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 2
    assert sentence in result.output
