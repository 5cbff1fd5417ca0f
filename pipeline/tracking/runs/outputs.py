"""The files of the stages, read as they are: the same files give the same run, now or years later.

k is the number of classes, d the number of features, s the number of snapshots.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import credentials
from pipeline import model as models
from pipeline.dataset import reader
from pipeline.dataset.shard import SPLITS
from pipeline.documents import json_documents
from pipeline.files import md5_file
from pipeline.output_files import (
    DECISION_FILE,
    HISTORY_FILE,
    METRICS_FILE,
    PLOTS_FOLDER,
    SCHEMA_FILE,
    SLICES_FILE,
    SNAPSHOTS_FILE,
    SWEEP_FILE,
    WEIGHTS_FILE,
)
from pipeline.predictor.ranges import Ranges, ranges_of
from pipeline.results.reports import parse_metrics, parse_sweep
from pipeline.results.training import parse_history, parse_snapshots
from pipeline.tracking.client import experiment
from pipeline.tracking.client.outbox import NEEDED

_MISSING = "run `dvc repro`"

# MLflow's names of the types of columns; all others are doubles.
_TYPES = {"boolean": "boolean"}


@dataclass(frozen=True)
class PreparedData:
    """The prepared data in short: ``digest`` of its content, rows of each split, and of columns.

    ``columns`` are MLflow's types of them, ``ranges`` the least and largest number of each.
    """

    source: str
    digest: str
    rows: dict[str, int]
    columns: dict[str, str]
    ranges: Ranges = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The source's name, which is that of its experiment too, unless another one is set."""
        return experiment.data_name(self.source)

    @property
    def short_digest(self) -> str:
        """The digest of MLflow's data set: of more than eight characters its table has no room."""
        return self.digest[:8]


@dataclass(frozen=True)
class Training:
    """The files of train, read. ``updates`` (s,) int64 says after how many updates each snapshot was taken.

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

    @property
    def l2(self) -> float | None:
        """The l2 in force: the one that ``train.l2: auto`` chose, else that of the params; None if there is none."""
        value = self.model.result.get("l2", self.model.params.get("l2"))
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def files(self) -> list[Path]:
        """The files that go into the run as they are."""
        return [self.folder / name for name in NEEDED["models"]]


def read_data(prepared: Path, params: dict[str, Any]) -> PreparedData:
    """Read the facts about the prepared data; ``params`` is the whole params document, which names the source.

    Raises: UserError if the data is not there or not what prepare writes.
    """
    contents = reader.contents(prepared)
    section = params.get("prepare")
    source = section.get("source", prepared) if isinstance(section, dict) else prepared
    return PreparedData(
        source=credentials.masked(str(source)),
        digest=contents.digest,
        rows={name: contents.rows[name] for name in SPLITS if name in contents.rows},
        columns={column.name: _TYPES.get(column.kind, "double") for column in contents.encoder.numbers}
        | {column.name: "string" for column in contents.encoder.categories},
        ranges=_ranges(prepared / SCHEMA_FILE),
    )


def _ranges(schema: Path) -> Ranges:
    """None in an outbox that an earlier version left, which has no schema."""
    return ranges_of(json_documents.read(schema, _MISSING, _MISSING)) if schema.exists() else {}


def read_training(folder: Path) -> Training:
    """Read the folder that train wrote.

    Raises: UserError if a file is missing, damaged or not what train writes.
    """
    model = models.load(folder)
    paths = folder / HISTORY_FILE, folder / SNAPSHOTS_FILE
    history, snapshots = (json_documents.read_bytes(path, _MISSING) for path in paths)
    taken = parse_snapshots(snapshots, paths[1], model.weights.shape)
    return Training(
        folder=folder,
        model=model,
        model_md5=md5_file(folder / WEIGHTS_FILE),
        history=parse_history(history, paths[0]),
        updates=taken["epoch"] + 1,
        values=np.concatenate([taken["W"], taken["b"][:, :, np.newaxis]], axis=2),
    )


def read_metrics(reports: Path) -> dict[str, Any]:
    """Read metrics.json of the folder that evaluate wrote.

    Raises: UserError if it is missing or not what evaluate writes.
    """
    path = reports / METRICS_FILE
    return parse_metrics(json_documents.read_bytes(path, _MISSING), path)


def read_sweep(reports: Path) -> dict[str, Any]:
    """Read sweep.json of the folder that sweep wrote.

    Raises: UserError if it is missing or not what sweep writes.
    """
    path = reports / SWEEP_FILE
    return parse_sweep(json_documents.read_bytes(path, "run `python -m pipeline sweep`"), path)


def report_files(models: Path, reports: Path) -> list[Path]:
    """What goes into the run as it is; predictions.csv has a line a row and stays with DVC.

    Evaluations of earlier versions have neither slices nor a decision.
    """
    optional = [models / DECISION_FILE, reports / SLICES_FILE]
    tables = sorted((reports / PLOTS_FOLDER).glob("*.csv"))
    return [reports / METRICS_FILE, *(path for path in optional if path.is_file()), *tables]
