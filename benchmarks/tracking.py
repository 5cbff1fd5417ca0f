"""What tracking costs once MLflow has started: `python -m benchmarks.tracking`.

The first table sets logging beside the training that it tells of: 1,001 epochs or 100,000, and 16 curves, the cost and
the 15 weights. The second opens a store that is not there yet beside one that is. The third sets logging beside a plain
loop of `MlflowClient.log_metric`, once a value; where that would take minutes, LOOP_CALLS of its calls are timed and
scaled up. The fourth asks a store with RUNS runs. Sides are timed in turn in one run, so that a machine that slows down
slows both.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow.entities import Metric, Param, Run
from rich.console import Console
from rich.table import Table

from benchmarks.overhead import seconds
from pipeline.tracking.client.tags import COLOUR_TAG, KEY_TAG
from pipeline.tracking.runs import curves
from pipeline.tracking.runs.colours import PALETTE
from pipeline.tracking.store.store import Store, open_store
from tests.project import Project

ROUNDS = 3
LOOP_CALLS = 500
SHAPES = ((1_001, 16), (100_000, 1), (100_000, 16))
RUNS = 1_000
TRAININGS = ((1_001, 1_000), (1_001, 100_000), (100_000, 1_000))  # epochs, rows

_TIMED_TRAINING = """
import json, time
from pathlib import Path
from pipeline import params
from pipeline.tracking.client import mirror
from pipeline.train import stage as train
from pipeline.train.params import TrainParams
file = Path("params.yaml")
chosen = params.load(file, "train", TrainParams)
paths = {"prepared": Path("data/prepared"), "models": Path("models")}
with mirror.started("train", mirror.TrackingParams(), params.read_params(file), paths) as mirrored:
    mirrored.wait_until_ready()
    begin = time.perf_counter()
    train.main(params=chosen, prepared=paths["prepared"], out=paths["models"], watch=mirrored.watch)
    trained = time.perf_counter()
print(json.dumps([trained - begin, time.perf_counter() - trained]))
"""

_TIMED_OPENING = """
import sys, time
from pathlib import Path
from pipeline.tracking.store.store import open_store
begin = time.perf_counter()
open_store(Path(sys.argv[1]), "softmax")
print(time.perf_counter() - begin)
"""


def project_with_run(folder: Path, epochs: int, rows: int) -> Project:
    """A project with a prepared table of four number columns and three classes, to be trained for these epochs."""
    project = Project(folder)
    params = project.read("params.yaml").replace("  epochs: 1001 ", f"  epochs: {epochs} ")
    (project.folder / "params.yaml").write_text(params, encoding="utf-8")
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(rows, 4)).round(4), columns=list("abcd"))
    table["y"] = (table["a"] + random.normal(size=rows)).round().clip(-1, 1).astype(int)
    table.to_csv(project.folder / "data/raw/made.csv", index=False)
    project.pipeline("prepare", "--source", "data/raw/made.csv", "--out", "data/prepared")
    return project


def share_table(folder: Path) -> Table:
    """Seconds of training, and those that logging adds after it, in the stage's own process."""
    table = Table("epochs", "rows", "training s", "logging s", "share", title="16 curves, beyond MLflow's start")
    for epochs, rows in TRAININGS:
        project = project_with_run(folder / f"{epochs}-{rows}", epochs, rows)
        measured = [
            json.loads(project.run("python", "-c", _TIMED_TRAINING).stdout.splitlines()[-1]) for _ in range(ROUNDS + 1)
        ]
        training, logging = (statistics.median(values) for values in zip(*measured[1:], strict=True))
        table.add_row(f"{epochs:,}", f"{rows:,}", f"{training:.2f}", f"{logging:.2f}", f"{logging / training:.1%}")
    return table


def opening_table(folder: Path) -> Table:
    """Seconds of opening the store, in a process that has loaded what it needs: made at first use, or there before."""
    samples: dict[str, list[float]] = {"first use": [], "opened again": []}
    for number in range(ROUNDS + 1):
        root = folder / f"store-{number}"
        for measured in samples.values():
            printed = subprocess.run(
                [sys.executable, "-c", _TIMED_OPENING, str(root)], capture_output=True, text=True, check=True
            )
            measured.append(float(printed.stdout.split()[-1]))
    samples["first use, beyond opening"] = [a - b for a, b in zip(*samples.values(), strict=True)]
    table = Table("store", "median s", "min s", "max s", title="First use of the store")
    for name, measured in samples.items():
        table.add_row(name, *(f"{f(measured[1:]):.2f}" for f in (statistics.median, min, max)))
    return table


def history(epochs: int, count: int) -> dict[str, list[float]]:
    """A history.csv in memory: the cost and further curves, which all change."""
    random = np.random.default_rng(0)
    names = ["cost", *(f"curve {number}" for number in range(1, count))]
    return {"epoch": [*range(epochs)]} | {name: random.random(epochs).tolist() for name in names}


def mirrored(store: Store, columns: dict[str, list[float]]) -> int:
    """Log the curves as the pipeline does, into a new run; returns how many points were written."""
    run = store.client.create_run(store.experiment_id)
    metrics = curves.costs(columns, time.time_ns() // 1_000_000)
    store.client.log_batch(run.info.run_id, metrics=metrics)
    return len(metrics)


def looped(store: Store, columns: dict[str, list[float]]) -> float:
    """Seconds that a loop over every value would take, from LOOP_CALLS of its calls."""
    run_id = store.client.create_run(store.experiment_id).info.run_id
    names = [name for name in columns if name != "epoch"]
    values = len(names) * len(columns["epoch"])
    calls = min(LOOP_CALLS, values)
    start = time.perf_counter()
    for call in range(calls):
        epoch, name = divmod(call, len(names))
        store.client.log_metric(run_id, names[name], columns[names[name]][epoch], step=epoch)
    return (time.perf_counter() - start) / calls * values


def logging_table(store: Store) -> Table:
    """Seconds of logging the curves of one training, thinned and in batches, beside the plain loop."""
    table = Table("epochs", "curves", "points", "tracking s", "plain loop s", "times", title="Curves into SQLite")
    for epochs, count in SHAPES:
        columns = history(epochs, count)
        points = mirrored(store, columns)
        ours, loops = [], []
        for _ in range(ROUNDS):
            ours.append(seconds(lambda: mirrored(store, columns)))  # noqa: B023  (called at once)
            loops.append(looped(store, columns))
        fast, slow = statistics.median(ours), statistics.median(loops)
        row = (f"{epochs:,}", str(count), f"{points:,}", f"{fast:.2f}", f"{slow:.1f}", f"{slow / fast:.0f}")
        table.add_row(*row)
    return table


def repeat(store: Store, run: Run, time: int) -> None:
    """Make a run that has as much to show as this one, of a model of its own."""
    colour = {COLOUR_TAG: PALETTE[time % len(PALETTE)]}
    copy = store.client.create_run(store.experiment_id, time, run.data.tags | colour | {KEY_TAG: f"{time:064x}"})
    store.client.log_batch(
        copy.info.run_id,
        metrics=[Metric(name, value, time, 0) for name, value in run.data.metrics.items()],
        params=[Param(name, value) for name, value in run.data.params.items()],
    )
    store.client.set_terminated(copy.info.run_id, end_time=time + 1)


def commands_table(project: Project) -> Table:
    """Seconds of the commands that read the store, with RUNS runs in it: two real ones, the others like them."""
    project.dvc("repro")
    project.dvc("exp", "run", "-n", "brisk", "-S", "train.lr=0.2")
    store = open_store(project.folder, "softmax")
    real = store.client.search_runs([store.experiment_id])
    for number in range(RUNS - len(real)):
        repeat(store, real[0], number + 1)
    commands = {
        "runs": ("runs",),
        "runs EXP": ("runs", "brisk"),
        "compare": ("compare",),
        "compare EXP workspace": ("compare", "brisk", "workspace"),
        "compare RUN RUN": ("compare", *(run.info.run_id for run in real)),
    }
    samples: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS + 1):
        for name, words in commands.items():
            samples[name].append(seconds(lambda: project.pipeline(*words)))  # noqa: B023  (called at once)
    table = Table("python -m pipeline", "median s", "min s", "max s", title=f"Commands with {RUNS:,} runs")
    for name, measured in samples.items():
        table.add_row(name, *(f"{f(measured[1:]):.2f}" for f in (statistics.median, min, max)))
    return table


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        Console().print(share_table(Path(folder)))
        Console().print(opening_table(Path(folder)))
        Console().print(logging_table(open_store(Path(folder), "curves")))
        Console().print(commands_table(Project(Path(folder) / "project")))


if __name__ == "__main__":
    main()
