"""The tutorial that the project began with, digit for digit, through real `dvc repro`."""

import csv
import io
from pathlib import Path

import pytest
import safetensors.numpy

from tests.project import UNTRACKED, Project

pytestmark = pytest.mark.slow

COSTS = [
    "1.601916",
    "0.342889",
    "0.290131",
    "0.259507",
    "0.237403",
    "0.219854",
    "0.205167",
    "0.192478",
    "0.181289",
    "0.171291",
    "0.162271",
]

# The tutorial's printed W, b by the epoch they follow; -1 is before the first step. It prints W only for some.
WEIGHTS = {
    -1: [[0.2576, -0.2207, -0.0969, 0.2347], [-0.4707, 0.2999, -0.1029, 0.2544], [0.0695, -0.0612, 0.1387, 0.0247]],
    0: [[0.1440, -0.2355, -0.1538, 0.2182], [-0.3652, 0.3329, -0.0504, 0.2137], [0.0776, -0.0794, 0.1430, 0.0818]],
    200: [[0.1968, 0.0290, -0.7259, 0.5713], [0.1475, 1.1862, 0.3116, -1.3098], [-0.4880, -1.1973, 0.3531, 1.2522]],
    1000: [[0.7005, 0.6048, -0.8661, 0.0389], [0.6576, 2.1999, 0.2597, -2.3961], [-1.5017, -2.7867, 0.5453, 2.8710]],
}
BIASES = {
    -1: [0.1826, -0.1949, -0.0365],
    0: [0.1652, -0.1869, -0.0270],
    200: [0.2071, -0.4364, 0.1806],
    400: [0.2352, -0.5509, 0.2670],
    600: [0.2444, -0.6319, 0.3388],
    800: [0.2451, -0.6975, 0.4037],
    1000: [0.2416, -0.7538, 0.4635],
}


@pytest.fixture(scope="module")
def tutorial(repro: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project as shipped, after one `dvc repro`."""
    return Project.after_repro(tmp_path_factory.mktemp("tutorial"), repro)


def test_the_costs_are_the_tutorials(tutorial: Project) -> None:
    """Every hundredth cost, to six digits; 1,001 lines in all."""
    rows = list(csv.DictReader(io.StringIO(tutorial.read("models/history.csv"))))
    assert [f"{float(row['cost']):.6f}" for row in rows[::100]] == COSTS
    assert len(rows) == 1001


def test_the_snapshots_are_the_tutorials(tutorial: Project) -> None:
    """W and b before the first step and after the updates of epochs 0, 200, ..., 1000, to four digits."""
    snapshots = safetensors.numpy.load_file(tutorial.folder / "models/snapshots.safetensors")
    by_epoch = {int(epoch): index for index, epoch in enumerate(snapshots["epoch"])}
    assert list(by_epoch) == list(BIASES)
    for epoch, bias in BIASES.items():
        assert [f"{value:.4f}" for value in snapshots["b"][by_epoch[epoch]]] == [f"{value:.4f}" for value in bias]
    for epoch, weights in WEIGHTS.items():
        printed = [[f"{value:.4f}" for value in row] for row in snapshots["W"][by_epoch[epoch]]]
        assert printed == [[f"{value:.4f}" for value in row] for row in weights]


def test_the_query_row_is_the_tutorials(tutorial: Project, tmp_path: Path) -> None:
    """Row 2,1,3,2: logits, probabilities, ranks and label."""
    scored = tmp_path / "scored.csv"
    tutorial.pipeline("predict", "data/raw/tutorial-query.csv", "-o", str(scored))
    (row,) = csv.DictReader(io.StringIO(scored.read_text(encoding="utf-8")))
    assert [f"{float(row[f'logit_{k}']):.4f}" for k in range(3)] == ["-0.2732", "-1.2517", "2.0511"]
    assert [f"{float(row[f'probability_{k}']):.4f}" for k in range(3)] == ["0.0862", "0.0324", "0.8813"]
    assert [row[f"rank_{k}"] for k in range(3)] == ["2", "3", "1"]
    assert row["predicted"] == "2"


def test_a_fresh_clone_stays_clean(tutorial: Project) -> None:
    """What `dvc repro` writes is, to the byte, what the committed dvc.lock and metrics.json say."""
    assert tutorial.run("git", "status", "--porcelain").stdout == ""


def test_a_second_repro_does_nothing(tutorial: Project) -> None:
    """Nothing changed, so nothing runs."""
    assert "up to date" in tutorial.dvc("repro").stdout


def test_a_forced_repro_leaves_the_lock_as_it_was(tutorial: Project) -> None:
    """The same bytes in every output: dvc.lock does not change by a byte."""
    before = tutorial.read("dvc.lock")
    tutorial.dvc("repro", "-f", **UNTRACKED)
    assert tutorial.read("dvc.lock") == before
