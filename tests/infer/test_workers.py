"""Every file of the stage is the same from any number of processes and threads, under real torchrun.

`torchrun ... -m tests.infer.test_workers FOLDER` infers of each table in the folder: one process for all of them,
because starting it takes longer than the fits.
"""

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.dataset.shard import BLOCK_ROWS, SHARD_ROWS
from pipeline.infer import stage
from pipeline.infer.params import InferParams
from pipeline.parallel import workers
from tests.infer.problems import Table, drawn, infer
from tests.project import SOURCE, UNTRACKED

pytestmark = pytest.mark.slow

ROWS = 40_000  # three blocks, of which the last one has 7,232 rows
FILES = (
    "coefficients.csv", "covariance.safetensors", "effects.csv", "estimates.csv", "inference.json", "influence.csv",
)  # fmt: skip
THREADS = (1, 3)
LAST = 3  # the level of c0 that only rows at the end of the table have


def with_late_level(rows: int, late: int) -> Table:
    """Two numbers, c0 of four levels and c1 of two; of the last ``late`` rows a part has the level LAST of c0."""
    table, random = drawn(1, rows, levels=(3, 2)), np.random.default_rng(2)
    codes = table.codes.copy()
    codes[rows - late :, 0] = np.where(random.random(late) < 0.3, LAST, codes[rows - late :, 0])
    return replace(table, codes=codes, levels=(4, 2), kept=random.integers(0, 50, rows))


def weighted(table: Table) -> Table:
    """Rows that count 0 to 3 times; the second block has none that counts."""
    weights = np.random.default_rng(3).integers(0, 4, len(table.labels)).astype(float)
    weights[BLOCK_ROWS : 2 * BLOCK_ROWS] = 0
    return replace(table, weights=weights)


def apart(table: Table, until: int) -> Table:
    """No row of class k1 before ``until`` has the level l1 of c1."""
    codes = table.codes.copy()
    codes[:until, 1] *= table.labels[:until] != 1
    return replace(table, codes=codes)


@dataclass(frozen=True)
class Case:
    """A table, and what is asked of it."""

    table: Table
    params: dict[str, Any]
    train: dict[str, Any] = field(default_factory=dict)


def cases() -> dict[str, Case]:
    """By name, which is that of its folder."""
    long, few = with_late_level(ROWS, 4_000), with_late_level(300, 90)
    two_files = with_late_level(SHARD_ROWS + 500, 500)  # so that workers differ in the files that they read
    return {
        "robust": Case(long, {"covariance": "robust", "effects_by": "c0"}),
        "cluster": Case(long, {"covariance": "cluster", "cluster": "g", "correction": "stata", "effects_by": "c1"}),
        "weights": Case(weighted(long), {"effects_by": "c0"}),
        "overlap in the last file": Case(apart(two_files, SHARD_ROWS), {"effects_by": "c0"}),
        "one block": Case(few, {"effects_by": "c0", "covariance": "robust"}),
        "firth": Case(few, {"effects_by": "c1", "firth": True}),
        "penalised": Case(few, {"effects_by": "c0", "refit": False}, {"l2": 0.1}),
        "told apart": Case(apart(two_files, len(two_files.labels)), {"effects_by": "c0"}),
    }


def main(folder: Path) -> None:
    """Infer of each case with each number of threads, into folders that are named after both numbers."""
    with workers.process_group():
        for case in sorted(path for path in folder.iterdir() if path.is_dir()):
            params = InferParams.model_validate_json((case / "infer.json").read_text(encoding="utf-8"))
            for threads in THREADS:
                os.environ["OMP_NUM_THREADS"] = str(threads)
                out = case / out_name(workers.count(), threads)
                stage.main(params=params, prepared=case / "prepared", model=case / "models", out=out)


def out_name(processes: int, threads: int) -> str:
    return f"of {processes} workers with {threads} threads"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cases, each with what one process of one thread makes of it, in `reports`."""
    folder = tmp_path_factory.mktemp("cases")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OMP_NUM_THREADS", "1")
        for name, case in cases().items():
            infer(folder / name, case.table, train_params=case.train, **case.params)
            (folder / name / "infer.json").write_text(json.dumps(case.params), encoding="utf-8")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def effects_of(case: Path) -> list[dict[str, str]]:
    with (case / "reports" / "effects.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def run(*command: str, folder: Path = SOURCE, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these words."""
    variables = os.environ | environment
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=240
    )


def test_the_cases_are_what_they_are_called(folder: Path) -> None:
    """Tables of all but one; a level that has rows at the end alone has its effects, but of the level's own column."""
    for name, case in cases().items():
        document = json.loads((folder / name / "reports" / "inference.json").read_text(encoding="utf-8"))
        assert ("refused" in document) == (name == "told apart")
        assert sorted(contents(folder / name / "reports")) == sorted(FILES)
        by = case.params["effects_by"]
        expected = {"", *(f"{by}=l{level}" for level in range(4 if by == "c0" else 2))}
        lines = effects_of(folder / name)
        assert {line["by"] for line in lines} == (set() if "refused" in document else expected)
        assert not any(line["column"] == by for line in lines if line["by"])
        blocks = np.unique(np.flatnonzero(case.table.codes[:, 0] == LAST) // BLOCK_ROWS)
        assert blocks.tolist() == [(len(case.table.labels) - 1) // BLOCK_ROWS]


def different(folder: Path, processes: int) -> list[tuple[str, int, str]]:
    """Case, threads and file where the bytes are not those of one process of one thread."""
    return [
        (case.name, threads, name)
        for case in sorted(folder.iterdir())
        for threads in THREADS
        for name in FILES
        if contents(case / out_name(processes, threads)).get(name) != contents(case / "reports")[name]
    ]


def test_no_byte_tells_how_many_threads_there_were(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Effects by level, clusters, weights, refusals."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    main(folder)
    assert different(folder, 1) == []


@pytest.mark.parametrize("processes", [2, 3])
def test_no_byte_tells_how_many_workers_there_were(folder: Path, processes: int) -> None:
    """Also where some worker has no block, no file or no row of a level; one of them says why there is no table."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    done = run(*launcher, "-m", "tests.infer.test_workers", str(folder))
    assert done.returncode == 0, done.stderr
    assert different(folder, processes) == []
    assert done.stdout.count("no table of coefficients: told apart without error: class k1 by c1=l1") == len(THREADS)


def infer_with_two(folder: Path, case: Path, **params: Any) -> subprocess.CompletedProcess[str]:
    """`python -m pipeline infer` in two workers, in a folder that has no more than params.yaml."""
    (folder / "params.yaml").write_text(json.dumps({"infer": params, "tracking": {}}), encoding="utf-8")
    words = [f"--prepared={case}/prepared", f"--model={case}/models", "--out=out"]
    environment = {"PIPELINE_WORKERS": "2", "PYTHONPATH": str(SOURCE)} | UNTRACKED
    return run("-m", "pipeline", "infer", *words, folder=folder, **environment)


def test_a_refusal_is_one_sentence_of_two_workers(folder: Path, tmp_path: Path) -> None:
    """Rows of both files tell classes apart; the stage ends well, and leaves what one process leaves."""
    done = infer_with_two(tmp_path, folder / "told apart", effects_by="c0")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert " ".join(done.stdout.split()) == (
        "infer: no table of coefficients: told apart without error: class k1 by c1=l1; an estimate without penalty is "
        "infinite, so there is no standard error: set infer.firth to true, or leave the column out by infer.columns"
    )
    assert contents(tmp_path / "out") == contents(folder / "told apart" / "reports")


def test_a_wrong_param_is_one_sentence_of_two_workers(folder: Path, tmp_path: Path) -> None:
    """Both find it before torch is loaded for the fit."""
    done = infer_with_two(tmp_path, folder / "told apart", effects_by="x0")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "params.yaml: infer.effects_by: expected a category of the model (c0, c1), got 'x0'"
    ]
    assert not (tmp_path / "out").exists()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
