"""The promise as a whole: every output of the three stages has the same bytes, whatever surrounds the process.

One process a case prepares a table of several blocks, then trains and evaluates with every solver. The reference is
the process with one thread.
"""

import csv
import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.project import SOURCE

pytestmark = pytest.mark.slow

ROWS = 18_000  # training rows lie in two blocks, which two threads can share

_STEPS: dict[str, Any] = {"seed": 1, "epochs": 2, "snapshot_every": 1, "lr": 0.1}
_OPTIMUM: dict[str, Any] = {"seed": 1, "epochs": 50, "snapshot_every": 50, "lr": None, "l2": 1e-3, "tolerance": 1e-6}
SOLVERS: dict[str, dict[str, Any]] = {
    "sgd": {"solver": "sgd", **_STEPS},
    "mini-batch": {"solver": "sgd", "batch_size": 4_000, "momentum": 0.9, **_STEPS},
    "adam": {"solver": "adam", "batch_size": 4_000, **_STEPS},
    "newton": {"solver": "newton", **_OPTIMUM},
    "lbfgs": {"solver": "lbfgs", **_OPTIMUM},
    "auto": {"solver": "auto", **_OPTIMUM},
}

# argv: umask, source, folder for the outputs, train params by name.
STAGES = """
import json, os, sys
from pathlib import Path
os.umask(int(sys.argv[1], 8))
from pipeline.evaluate import stage as evaluate
from pipeline.evaluate.params import EvaluateParams
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.train import stage as train
from pipeline.train.params import TrainParams
source, out = sys.argv[2], Path(sys.argv[3])
chosen = {"source": source, "target": "y", "standardise": True, "split": {"method": "seed", "test": 0.05}}
prepare.main(params=PrepareParams.model_validate(chosen), source=source, out=out / "prepared")
for name, params in json.loads(sys.argv[4]).items():
    train.main(params=TrainParams.model_validate(params), prepared=out / "prepared", out=out / name)
    ten = EvaluateParams(calibration_bins=10)
    evaluate.main(params=ten, prepared=out / "prepared", model=out / name, out=out / name / "reports")
exact = PrepareParams.model_validate(chosen | {"dtype": "float64"})
prepare.main(params=exact, source=source, out=out / "float64" / "prepared")
for name in ("sgd", "newton", "lbfgs"):
    params = TrainParams.model_validate(json.loads(sys.argv[4])[name])
    train.main(params=params, prepared=out / "float64" / "prepared", out=out / "float64" / name)
"""

# Each differs from the reference in all that it can: if one fails, take its parts apart.
CASES: dict[str, dict[str, Any]] = {
    "2 threads, Turkish, another hash seed": {
        "threads": 2,
        "environment": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "4321"},
    },
    "3 threads, German, far time zone, umask": {
        "threads": 3,
        "environment": {"LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8", "TZ": "Pacific/Kiritimati"},
        "umask": "077",
    },
    "4 threads, locale C, through a symlink": {"threads": 4, "environment": {"LC_ALL": "C"}, "symlink": True},
    "8 threads, locale C without UTF-8": {
        "threads": 8,
        "environment": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    },
}


def _write_table(path: Path) -> None:
    """Numbers of several magnitudes, some missing, and a category whose letters every locale lowers in its own way."""
    draw = random.Random(5)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["small", "LARGE", "Iı city", "y"])
        for row in range(ROWS):
            small, large, city = draw.gauss(0, 1), draw.gauss(3e4, 1e4), draw.choice(["İzmir", "I", "ß", "Ölüdeniz"])
            label = "hoch" if small + large / 3e4 + draw.gauss(0, 1) > 1 else draw.choice(["tief", "İ"])
            writer.writerow(["" if row % 97 == 0 else f"{small:.6f}", f"{large:.3f}", city, label])


def _digests(
    table: Path,
    folder: Path,
    *,
    threads: int = 1,
    environment: dict[str, str] | None = None,
    umask: str = "022",
    symlink: bool = False,
) -> dict[str, str]:
    """SHA-256 of every output, by path, of all stages run in a folder of their own; paths in it are relative."""
    folder.mkdir()
    (folder / "data").mkdir()
    (folder / "data" / "table.csv").write_bytes(table.read_bytes())
    entered = folder
    if symlink:
        entered = folder.with_name("a link with spaces")
        entered.symlink_to(folder, target_is_directory=True)
    inherited = {name: value for name, value in os.environ.items() if name not in ("LC_ALL", "LANG", "TZ")}
    variables = inherited | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": str(threads), "PWD": str(entered)}
    command = [sys.executable, "-c", STAGES, umask, "data/table.csv", "out", json.dumps(SOLVERS)]
    done = subprocess.run(
        command, cwd=entered, env=variables | (environment or {}), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    paths = sorted(path for path in (folder / "out").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table that every case learns from."""
    path = tmp_path_factory.mktemp("table") / "table.csv"
    _write_table(path)
    return path


@pytest.fixture(scope="module")
def reference(table: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The digests with one thread and a plain environment."""
    return _digests(table, tmp_path_factory.mktemp("reference") / "project")


def test_every_stage_and_solver_is_in_the_reference(reference: dict[str, str]) -> None:
    """The cases compare prepared data, and each solver's weights, history, snapshots, metrics and predictions."""
    expected = {"out/prepared/train-00000.safetensors"}
    for solver in SOLVERS:
        files = ("softmax.safetensors", "history.csv", "snapshots.safetensors", "reports/metrics.json")
        expected |= {f"out/{solver}/{name}" for name in (*files, "reports/predictions.csv")}
    assert expected <= reference.keys()
    weights = {reference[f"out/{solver}/softmax.safetensors"] for solver in SOLVERS}
    assert len(weights) >= len(SOLVERS) - 1  # auto takes newton or lbfgs, and may then end in the same bytes


@pytest.mark.parametrize("case", CASES)
def test_bytes_do_not_depend_on(case: str, table: Path, reference: dict[str, str], tmp_path: Path) -> None:
    """Every file of every stage and solver is the same to the byte."""
    assert _digests(table, tmp_path / "project", **CASES[case]) == reference
