"""One MLflow run: made, filled from what the stages left, and closed. Times are in ms since 1970."""

import itertools
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from mlflow.entities import Dataset, DatasetInput, InputTag, Param, Run, RunStatus, RunTag
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from PIL import Image

from pipeline import credentials, files
from pipeline.dataset.columns import class_text
from pipeline.dataset.shard import most_held_out
from pipeline.tracking.client.run_context import RunContext
from pipeline.tracking.client.run_files import ALL_PARAMS_FILE, CHANGES_FILE, COEFFICIENTS_FILE, MD5_FILE
from pipeline.tracking.client.tags import (
    COLOUR_TAG,
    COPIED_TAG,
    DATA_TAG,
    KEY_TAG,
    NOTE_TAG,
    SOURCE_NAME_TAG,
    SOURCE_TYPE_TAG,
    SPLIT_TAG,
    STATUS_TAG,
    WEIGHTS_TAG,
)
from pipeline.tracking.runs import colours, curves, description, logged_model, names, settings
from pipeline.tracking.runs.heat_map import HeatMap
from pipeline.tracking.runs.logged_model import LoggedAs
from pipeline.tracking.runs.outputs import PreparedData, Training
from pipeline.tracking.store.store import Store

# Each picture costs 20 ms, and a slider with more steps than these is no easier to read.
_PICTURES = 12

# MLflow refuses a schema of more than 1,048,575 characters, of which JSON takes up to six for one of a name.
_SCHEMA_COLUMNS = 1000
_SCHEMA_NAME = 150

# Pixels of a picture in a tile: two stand side by side on a usual screen.
_THUMBNAIL = 480

# MLflow shows the first step of a picture until its slider is moved: the weights of the model, which no snapshot need
# have, are a picture of their own.
_MODEL, _HEAT_MAP = "weights/final", "weights/heat map"

# Sections that say something about a training; the rest is about its evaluation, or about MLflow.
_SECTIONS = ("prepare", "train")


@dataclass(frozen=True)
class Origin:
    """The origin of a run: the whole params document, the prepared data, and the context of its stage."""

    params: dict[str, Any]
    data: PreparedData
    context: RunContext

    @property
    def way_back(self) -> str | None:
        """The command that brings code, params and outputs of the run back."""
        return description.way_back(self.context.commit, self.context.experiment)

    @property
    def telling(self) -> dict[str, str]:
        """The params that tell the run from others, as MLflow keeps them."""
        return names.params({key: _brief(value) for key, value in settings.telling(self.params).items()})


def create(store: Store, origin: Origin, started: int, tags: dict[str, str], name: str | None = None) -> str:
    """Make a running run with its origin, named by its params unless ``name`` is given; returns its id."""
    # The run, under its name, with where it comes from.
    name = name or description.run_name(origin.params, origin.context.experiment)
    origin_tags = origin.context.tags() | {
        SOURCE_NAME_TAG: "pipeline/train/stage.py",
        SOURCE_TYPE_TAG: "LOCAL",
        NOTE_TAG: description.description(origin.data, None, origin.way_back, None),
        DATA_TAG: origin.data.digest,
        COLOUR_TAG: colours.fresh(store, name),
    }
    run = store.client.create_run(store.experiment_id, started, origin_tags | tags, name)
    run_id = str(run.info.run_id)
    # Params, data, and the changes that no commit has.
    store.client.log_batch(run_id, params=[Param(key, value) for key, value in origin.telling.items()])
    sections = {section: origin.params[section] for section in _SECTIONS if section in origin.params}
    add_text(store, run_id, ALL_PARAMS_FILE, json.dumps(_masked(sections), ensure_ascii=False, indent=2))
    store.client.log_inputs(run_id, [_dataset(origin.data)])
    if origin.context.changes:
        add_text(store, run_id, CHANGES_FILE, origin.context.changes)
    return run_id


def fill(
    store: Store, run_id: str, origin: Origin, training: Training, ended: int, known: Iterable[int]
) -> LoggedAs | None:
    """Add what a finished training left; epochs in ``known`` have their costs in the run already.

    Returns: the model that the run has now; None on a server that knows no models.
    """
    # Files first: the model takes some of them.
    add_files(store, run_id, training.files())
    add_text(store, run_id, COEFFICIENTS_FILE, _coefficients(training))
    add_text(store, run_id, MD5_FILE, _md5_table(origin.context.inputs, training))
    run = store.client.get_run(run_id)
    logged = _log_model(store, run, origin, training, None)
    # Curves, numbers and tags.
    final = curves.final(training, ended)
    metrics = (logged.hang(final, origin.data) if logged else final) + curves.costs(training.history, ended, known)
    metrics += curves.weights(training, ended)
    tags = {
        WEIGHTS_TAG: training.model_md5,
        STATUS_TAG: str(training.model.result["status"]),
        NOTE_TAG: description.with_page(
            description.description(origin.data, training, origin.way_back, None), logged.page(run) if logged else None
        ),
    }
    store.client.log_batch(run_id, metrics=metrics, tags=[RunTag(key, value) for key, value in tags.items()])
    _name_by_choice(store, run, origin, training)
    _add_pictures(store, run, training, ended)
    # The key, at last: a run that has it is complete.
    store.client.set_tag(run_id, KEY_TAG, training.model.key)
    return logged


def _log_model(
    store: Store, run: Run, origin: Origin, training: Training, metrics: dict[str, Any] | None
) -> LoggedAs | None:
    note = description.description(origin.data, training, None, metrics)
    return logged_model.log(store, run, training, logged_model.Facts(origin.data, origin.telling, note))


def _name_by_choice(store: Store, run: Run, origin: Origin, training: Training) -> None:
    """Say the l2 that ``train.l2: auto`` chose in the name, unless a person has given the run another one."""
    experiment = origin.context.experiment
    before, after = (description.run_name(origin.params, experiment, l2) for l2 in (None, training.l2))
    if before != after and run.info.run_name == before:
        store.client.update_run(run.info.run_id, name=after)


def is_complete(run: Run) -> bool:
    """Whether everything that a training leaves is in the run."""
    return run.info.status == "FINISHED" and KEY_TAG in run.data.tags


def is_evaluated(run: Run) -> bool:
    """Whether an evaluation of its own was added."""
    return SPLIT_TAG in run.data.tags


def add_evaluation(
    store: Store, run: Run, origin: Origin, training: Training, metrics: dict[str, Any], time: int
) -> None:
    """Add metrics to a run, finished or not, and to its model; what they show already is not written twice."""
    logged = _log_model(store, run, origin, training, metrics)
    bars = curves.evaluation(metrics, time)
    if logged is None or not logged.is_new:
        bars = [bar for bar in bars if run.data.metrics.get(bar.key) != bar.value]
    if logged is not None:
        bars = logged.hang(bars, origin.data)
    # The params of a run never change: those that it has with another value become tags.
    params = names.params({"evaluate": origin.params.get("evaluate", {})})
    held = run.data.params | run.data.tags
    tags = {key: value for key, value in params.items() if held.get(key, value) != value}
    tags[SPLIT_TAG] = most_held_out(metrics)
    way_back = description.recorded_way_back(run.data.tags)
    note = description.description(origin.data, training, way_back, metrics)
    tags[NOTE_TAG] = description.with_page(note, logged.page(run) if logged else None)
    store.client.log_batch(
        run.info.run_id,
        metrics=bars,
        params=[Param(key, value) for key, value in params.items() if key not in run.data.params],
        tags=[RunTag(key, value) for key, value in tags.items()],
    )
    if COPIED_TAG in run.data.tags:
        store.client.delete_tag(run.info.run_id, COPIED_TAG)


def add_files(store: Store, run_id: str, paths: Iterable[Path]) -> None:
    """Copy files to the root of the run's artifacts, where MLflow's compare page shows them side by side."""
    for path in paths:
        store.client.log_artifact(run_id, str(path))


def close(store: Store, run_id: str, status: str, ended: int) -> None:
    """End a run as FINISHED, FAILED or KILLED."""
    store.client.set_terminated(run_id, RunStatus.to_string(RunStatus.from_string(status)), ended)


def _dataset(data: PreparedData) -> DatasetInput:
    """The prepared data as MLflow's data set."""
    first = itertools.islice(data.columns.items(), _SCHEMA_COLUMNS)
    columns = [{"name": name[:_SCHEMA_NAME], "type": column_type} for name, column_type in first]
    dataset = Dataset(
        name=data.name,
        digest=data.short_digest,
        source_type="local",
        source=json.dumps({"uri": data.source}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({"num_rows": sum(data.rows.values()), **data.rows}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])


def _brief(value: Any) -> Any:
    return settings.short(value) if isinstance(value, list) else value


def _masked(value: Any) -> Any:
    """A document without secrets."""
    if isinstance(value, dict):
        return {key: _masked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    return credentials.masked(value) if isinstance(value, str) else value


def add_text(store: Store, run_id: str, name: str, text: str) -> None:
    """Write a file at the root of the run's artifacts."""
    with tempfile.TemporaryDirectory() as folder:
        files.write_text(Path(folder) / name, text)
        add_files(store, run_id, [Path(folder) / name])


def _md5_table(inputs: dict[str, str], training: Training) -> str:
    """The files of the training and their md5s in dvc.lock, a line each."""
    inward = [["dep", path, md5] for path, md5 in sorted(inputs.items())]
    outward = [["out", path.name, files.md5_file(path)] for path in sorted(training.files())]
    return files.csv_text([["role", "file", "md5"], *inward, *outward])


def _coefficients(training: Training) -> str:
    """W and b as a table: a line a feature, the bias last, a column a class."""
    model = training.model
    lines = zip(model.features, model.weights.T.tolist(), strict=True)
    header, bias = ["feature", *map(class_text, model.classes)], ["bias", *model.bias.tolist()]
    return files.csv_text([header, *([feature, *line] for feature, line in lines), bias])


def _add_pictures(store: Store, run: Run, training: Training, time: int) -> None:
    model, run_id = training.model, run.info.run_id
    last = np.column_stack([model.weights, model.bias])
    heat_map = HeatMap([*map(class_text, model.classes)], model.features, np.stack([*training.values, last]))
    for position in curves.thinned(len(training.updates), _PICTURES).tolist():
        updates = int(training.updates[position])
        picture = heat_map.draw(f"W and b after {updates:,} updates", training.values[position])
        store.client.log_image(run_id, picture, key=_HEAT_MAP, step=updates, timestamp=time, synchronous=True)
    picture = heat_map.draw("W and b of the model", last)
    store.client.log_image(run_id, picture, key=_MODEL, step=0, timestamp=time, synchronous=True)
    _enlarge_thumbnail(store, run, picture)


def _enlarge_thumbnail(store: Store, run: Run, picture: Image.Image) -> None:
    """Replace the copy of the model's picture that tiles show: MLflow's own, of 256 pixels, has labels of 5."""
    prefix = f"images/{_MODEL.replace('/', '~')}+"
    # Not the client's list, which asks for a model named "images", too: of those an older server knows nothing.
    for entry in get_artifact_repository(run.info.artifact_uri, store.uri).list_artifacts("images"):
        if entry.path.startswith(prefix) and entry.path.endswith(".webp"):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / PurePosixPath(entry.path).name
                small = picture.copy()
                small.thumbnail((_THUMBNAIL, _THUMBNAIL))
                small.save(path, lossless=True)
                store.client.log_artifact(run.info.run_id, str(path), "images")
