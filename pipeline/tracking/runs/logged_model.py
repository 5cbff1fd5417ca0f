"""The LoggedModel of a run: what MLflow's page of models shows, and `mlflow models serve` and the registry take.

A run has one. Its files of `train` are those of the run: on a local disk they are the same files under two names (hard
links), so weights lie there once; elsewhere, or on a file system without links, they are copied. A second name, and not
the only one: whoever deletes the model keeps a whole run, and the other way round.

A model that a person may have registered never changes its predictions: where a later `decide` decides otherwise, the
run gets another model, and the earlier one is deleted unless a version of it is registered.
"""

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ENDPOINT_NOT_FOUND, NOT_IMPLEMENTED, ErrorCode
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri

from pipeline import files
from pipeline.errors import UserError
from pipeline.output_files import DECISION_FILE, METADATA_FILE, WEIGHTS_FILE
from pipeline.scoring import decision as decisions
from pipeline.tracking.client.tags import DATA_TAG, DECISION_TAG, KEY_TAG, NOTE_TAG, VERSIONS_TAG
from pipeline.tracking.runs import model_folder
from pipeline.tracking.runs.outputs import PreparedData, Training
from pipeline.tracking.store.store import Store

TYPE = "softmax regression"

# What a server of before MLflow 3 answers to questions about models.
_UNKNOWN = tuple(ErrorCode.Name(code) for code in (ENDPOINT_NOT_FOUND, NOT_IMPLEMENTED))

# MLflow refuses most of these in the name of a model.
_REFUSED = re.compile(r"[/:.%\"'\s]+")
_NAME_LENGTH = 100
_OWN_FOLDER = "images"


@dataclass(frozen=True)
class Facts:
    """What MLflow shows of a model beside its files and metrics: data set, params, description."""

    data: PreparedData
    params: dict[str, str]
    note: str


@dataclass(frozen=True)
class LoggedAs:
    """The model of a run: its id, and whether it was made just now, so that no metric hangs on it yet."""

    model_id: str
    is_new: bool

    def page(self, run: Run) -> str:
        """A link to its page, in Markdown; it counts from the address of whatever server shows it."""
        return f"[model](#/experiments/{run.info.experiment_id}/models/{self.model_id})"

    def hang(self, metrics: list[Metric], data: PreparedData) -> list[Metric]:
        """The metrics on the model and the data set, too, as MLflow's page of models shows them."""
        return [
            Metric(each.key, each.value, each.timestamp, each.step, self.model_id, data.name, data.short_digest)
            for each in metrics
        ]


def log(store: Store, run: Run, training: Training, facts: Facts) -> LoggedAs | None:
    """Give a run, which has the files of `train`, its model, with what is decided about it if that is known.

    One that it has already is kept if it decides the same. None on a server that knows no models: the run is whole
    without.
    """
    models = _of_run(store, run)
    if models is None:
        return None
    decision = _decision(training)
    digest = "" if decision is None else files.md5_bytes(decision)
    current = next((model for model in models if model.status == LoggedModelStatus.READY), None)
    if current is not None and current.tags.get(KEY_TAG) == training.model.key:
        decided = current.tags.get(DECISION_TAG, "")
        if decision is not None and not decided and VERSIONS_TAG not in current.tags:
            _decide(store, run, current, training, decision)
            decided = digest
        if decided == digest or decision is None:
            store.client.set_logged_model_tags(current.model_id, {NOTE_TAG: facts.note})
            return LoggedAs(current.model_id, is_new=False)
    model_id = _make(store, run, training, facts, decision)
    for model in models:
        if VERSIONS_TAG not in model.tags:
            store.client.delete_logged_model(model.model_id)
    return LoggedAs(model_id, is_new=True)


def delete(store: Store, run: Run) -> None:
    """Delete the models of a run that is about to be deleted, but for registered ones."""
    for model in _of_run(store, run) or ():
        if VERSIONS_TAG not in model.tags:
            store.client.delete_logged_model(model.model_id)


def name(experiment: str) -> str:
    """The name of the models of an experiment, in letters that MLflow takes.

    MLflow finds a model at ``runs:/<run>/<name>`` and lists its files there, so it must be no folder of the run's own.
    """
    text = _REFUSED.sub(" ", experiment).strip()[:_NAME_LENGTH].strip()
    return f"softmax {text}" if text == _OWN_FOLDER else text or "softmax"


def _make(store: Store, run: Run, training: Training, facts: Facts, decision: bytes | None) -> str:
    tags = {KEY_TAG: training.model.key, DATA_TAG: facts.data.digest, NOTE_TAG: facts.note}
    tags |= {} if decision is None else {DECISION_TAG: files.md5_bytes(decision)}
    run_id = run.info.run_id
    model = store.client.create_logged_model(
        run.info.experiment_id, name(store.experiment), run_id, tags, facts.params, TYPE
    )
    with tempfile.TemporaryDirectory() as folder:
        model_folder.write(Path(folder), model.model_id, run_id, facts.data, training, decision)
        store.client.log_model_artifacts(model.model_id, folder)
    for file in (METADATA_FILE, WEIGHTS_FILE):
        if not _linked(run.info.artifact_uri, model.artifact_location, file):
            path = str(training.folder / file)
            store.client.log_model_artifact(model.model_id, path, model_folder.FILES_FOLDER)
    store.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    store.client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    return str(model.model_id)


def _decide(store: Store, run: Run, model: LoggedModel, training: Training, decision: bytes) -> None:
    """Add what `decide` left to a model that was logged before it ran."""
    with tempfile.TemporaryDirectory() as folder:
        model_folder.write_decided(Path(folder), model.model_id, run.info.run_id, training, decision)
        store.client.log_model_artifacts(model.model_id, folder)
    store.client.set_logged_model_tags(model.model_id, {DECISION_TAG: files.md5_bytes(decision)})


def _linked(run_place: str, model_place: str, file: str) -> bool:
    """Give a file of the run a second name in the model, on a disk where it can have one; whether it has."""
    source, target = _folder(run_place), _folder(model_place)
    if source is None or target is None:
        return False
    try:
        (target / model_folder.FILES_FOLDER).mkdir(parents=True, exist_ok=True)
        os.link(source / file, target / model_folder.FILES_FOLDER / file)
    except OSError:
        return False
    return True


def _folder(place: str) -> Path | None:
    """The folder of artifacts on this machine, None for those elsewhere."""
    is_local: Any = is_local_uri  # MLflow's functions have no types
    path_of: Any = local_file_uri_to_path
    return Path(path_of(place)) if is_local(place, is_tracking_or_registry_uri=False) else None


def _of_run(store: Store, run: Run) -> list[LoggedModel] | None:
    """The models of a run, the newest first; None where there is no such thing."""
    condition = f"source_run_id = '{run.info.run_id}'"
    try:
        models = store.client.search_logged_models([run.info.experiment_id], condition)
    except NotImplementedError:
        return None
    except MlflowException as error:
        if error.error_code in _UNKNOWN:
            return None
        raise
    return sorted(models, key=lambda model: int(model.creation_timestamp), reverse=True)


def _decision(training: Training) -> bytes | None:
    """decision.json beside the model, if it is of this model: one of an earlier training may still lie there."""
    path = training.folder / DECISION_FILE
    try:
        content = path.read_bytes()
        decisions.parse(content, training.model, path)
    except (OSError, UserError):
        return None
    return content
