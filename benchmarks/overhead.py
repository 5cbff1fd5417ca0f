"""What the pipeline costs on top of the tools it stands on: `python -m benchmarks.overhead`.

Everything is timed in turn in one run, so that a machine that slows down slows both sides. The floor of the first
table is what nobody who uses these tools can avoid: importing torch and mlflow once, and DVC running three stages that
do nothing. The second table splits a training of 1,001 epochs into the training itself and what logging it adds once
MLflow has started.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from tests.project import Project

ROUNDS = 5
_EMPTY_STAGES = "stages:\n" + "".join(
    f"  {name}:\n    cmd: 'true'\n    deps: [params.yaml]\n" for name in ("one", "two", "three")
)


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _empty_project(folder: Path) -> Project:
    project = Project(folder)
    (folder / "dvc.yaml").write_text(_EMPTY_STAGES, encoding="utf-8")
    return project


def main() -> None:
    """Time the three commands in turn, and print medians and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        tutorial, empty = Project(Path(folder) / "tutorial"), _empty_project(Path(folder) / "empty")
        commands: dict[str, Callable[[], object]] = {
            'python -c "import torch, mlflow"': lambda: tutorial.run("python", "-c", "import torch, mlflow"),
            "dvc repro -f, three empty stages": lambda: empty.dvc("repro", "-f"),
            "dvc repro -f, the tutorial": lambda: tutorial.dvc("repro", "-f"),
        }
        for command in commands.values():  # once to warm caches and to make the store
            command()
        samples = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                samples[name].append(seconds(command))
        _print(samples)
        logged = {rows: _logging(Path(folder), rows) for rows in (8, 1_000, 30_000, 300_000)}
        _print_logging(logged)


def _logging(folder: Path, rows: int, rounds: int = 3) -> tuple[float, float]:
    """Median seconds of training on a made table, and of logging it after MLflow's start."""
    project = Project(folder / f"rows-{rows}")
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(rows, 4)).round(4), columns=list("abcd"))
    table["y"] = (table["a"] + random.normal(size=rows) > 0).astype(int)
    table.to_csv(project.folder / "data/raw/made.csv", index=False)
    project.pipeline("prepare", "--source", "data/raw/made.csv", "--out", "data/prepared")
    measured = [
        json.loads(project.run("python", "-c", _TIMED_TRAINING).stdout.splitlines()[-1]) for _ in range(rounds + 1)
    ]
    training, logging = zip(*measured[1:], strict=True)
    return statistics.median(training), statistics.median(logging)


_TIMED_TRAINING = """
import json, time
from pathlib import Path
from pipeline import mirror, params, train
file = Path("params.yaml")
chosen = params.load(file, "train", train.Params)
paths = {"prepared": Path("data/prepared"), "models": Path("models")}
with mirror.started("train", mirror.Params(), params.read_params(file), paths) as mirrored:
    mirrored.wait_until_ready()
    begin = time.perf_counter()
    train.main(params=chosen, prepared=paths["prepared"], out=paths["models"], watch=mirrored.watch)
    trained = time.perf_counter()
print(json.dumps([trained - begin, time.perf_counter() - trained]))
"""


def _print(samples: dict[str, list[float]]) -> None:
    imports, floor, pipeline = samples.values()
    ratios = [c / (a + b) for a, b, c in zip(imports, floor, pipeline, strict=True)]
    table = Table("command", "median s", "min s", "max s", title=f"Overhead, {ROUNDS} rounds, python {sys.version[:6]}")
    for name, values in samples.items():
        table.add_row(name, *(f"{f(values):.2f}" for f in (statistics.median, min, max)))
    table.add_row("tutorial / (imports + empty stages)", *(f"{f(ratios):.2f}" for f in (statistics.median, min, max)))
    Console().print(table)


def _print_logging(logged: dict[int, tuple[float, float]]) -> None:
    table = Table("rows", "training s", "logging s", "logging / training", title="Logging 1,001 epochs, 4 columns")
    for rows, (training, logging) in logged.items():
        table.add_row(f"{rows:,}", f"{training:.2f}", f"{logging:.2f}", f"{logging / training:.0%}")
    Console().print(table)


if __name__ == "__main__":
    main()
