"""What the stages left in their folders, read as it is: the same files give the same run, now or years later.

k is the number of classes, d the number of features, s the number of snapshots.
"""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from pipeline import credentials, provenance
from pipeline import model as models
from pipeline.errors import UserError

SPLITS = ("train", "validation", "test")

# MLflow's names of the types of columns; all others are doubles.
_TYPES = {"boolean": "boolean"}


@dataclass(frozen=True)
class Data:
    """The prepared data in short: ``digest`` of its content, rows of each split, MLflow's type of each column."""

    source: str
    digest: str
    rows: dict[str, int]
    columns: dict[str, str]

    @property
    def name(self) -> str:
        """What people call it: the source's file name without its ending."""
        return Path(self.source).stem or "data"


@dataclass(frozen=True)
class Training:
    """What train left. ``updates`` (s,) int64 says after how many updates each snapshot was taken.

    Cost at epoch e is the cost before that epoch's update, so it belongs to the weights after e updates. Counting
    snapshots in updates gives costs and weights one axis: 0 before the first step, e + 1 after the update of epoch e.
    ``values`` (s, k, d + 1) float64 are W with b as the last column; ``history`` has one list a column of history.csv.
    """

    folder: Path
    model: models.Model
    model_md5: str
    history: dict[str, list[float]]
    updates: NDArray[np.int64]
    values: NDArray[np.float64]

    def files(self) -> list[Path]:
        """The files that go into the run as they are."""
        names = (models.METADATA_FILE, models.WEIGHTS_FILE, "history.csv", "snapshots.safetensors")
        return [self.folder / name for name in names]

    def md5s(self) -> dict[Path, str]:
        """The md5 of each file, as it stands in dvc.lock."""
        return {path: provenance.md5_file(path) for path in self.files()}


def read_data(prepared: Path, params: dict[str, Any]) -> Data:
    """Read the facts about the prepared data; ``params`` is the whole params document, which names the source.

    Raises: UserError if the data is not there or not what prepare writes.
    """
    document = _read_json(prepared / "prepared.json")
    encoder = _read_json(prepared / "encoder.json")
    try:
        splits = document["splits"]
        return Data(
            source=credentials.masked(str(params.get("prepare", {}).get("source", prepared))),
            digest=document["digest"],
            rows={name: splits[name]["rows"] for name in SPLITS if name in splits},
            columns={column["name"]: _TYPES.get(column["kind"], "double") for column in encoder["numbers"]}
            | {column["name"]: "string" for column in encoder["categories"]},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{prepared}: expected what prepare writes, got no {error}; run `dvc repro`") from None


def read_training(folder: Path) -> Training:
    """Read the folder that train wrote.

    Raises: UserError if a file is missing or damaged.
    """
    model = models.load(folder)
    snapshots = _read_tensors(folder / "snapshots.safetensors")
    return Training(
        folder=folder,
        model=model,
        model_md5=provenance.md5_file(folder / models.WEIGHTS_FILE),
        history=_read_columns(folder / "history.csv"),
        updates=snapshots["epoch"] + 1,
        values=np.concatenate([snapshots["W"], snapshots["b"][:, :, np.newaxis]], axis=2),
    )


def read_metrics(reports: Path) -> dict[str, Any]:
    """Read metrics.json of the folder that evaluate wrote.

    Raises: UserError if it is missing or no JSON.
    """
    return _read_json(reports / "metrics.json")


def read_sweep(reports: Path) -> dict[str, Any]:
    """Read sweep.json of the folder that sweep wrote.

    Raises: UserError if it is missing or no JSON.
    """
    return _read_json(reports / "sweep.json")


def main_split(metrics: dict[str, Any]) -> str:
    """The split that says most about new rows: test, else validation, else train."""
    return [split for split in SPLITS if split in metrics][-1]


def report_files(reports: Path) -> list[Path]:
    """The reports that go into the run as they are; predictions.csv has a line a row and stays with DVC."""
    return [reports / "metrics.json", *sorted((reports / "plots").glob("*.csv"))]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro`") from None
    except ValueError:
        raise UserError(f"{path}: expected JSON, got something else; run `dvc repro`") from None
    if not isinstance(document, dict):
        raise UserError(f"{path}: expected a JSON object, got {type(document).__name__}; run `dvc repro`")
    return document


def _read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    try:
        tensors: dict[str, NDArray[Any]] = safetensors.numpy.load_file(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro`") from None
    return tensors


def _read_columns(path: Path) -> dict[str, list[float]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            names, *rows = csv.reader(file)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro`") from None
    columns = zip(*rows, strict=True)
    return {name: [float(cell) for cell in column] for name, column in zip(names, columns, strict=True)}
