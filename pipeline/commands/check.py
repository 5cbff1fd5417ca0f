"""`check`: every param of params.yaml, before DVC takes a stage's outputs away to run it with one that is wrong."""

from collections.abc import Iterator
from pathlib import Path

from pipeline import params
from pipeline.commands import launch
from pipeline.errors import UserError
from pipeline.evaluate.params import EvaluateParams
from pipeline.infer.params import InferParams
from pipeline.params import PARAMS_FILE, Section
from pipeline.prepare.column_roles import roles_of
from pipeline.prepare.params import PrepareParams
from pipeline.table import find_source, remote
from pipeline.tracking.client.params import TrackingParams
from pipeline.train.params import CheckpointParams, TrainParams

_SECTIONS: dict[str, type[Section]] = {
    "prepare": PrepareParams,
    "train": TrainParams,
    "evaluate": EvaluateParams,
    "infer": InferParams,
    "checkpoint": CheckpointParams,
    "tracking": TrackingParams,
}


def main() -> None:
    """Check each section of params.yaml, what two of them mean together, and the columns that they name.

    Raises: UserError with a line for each section that is wrong.
    """
    wrong = [str(error) for error in _errors(PARAMS_FILE)]
    if wrong:
        raise UserError("\n".join(wrong))


def _errors(path: Path) -> Iterator[UserError]:
    sections: dict[str, Section] = {}
    for name, section in _SECTIONS.items():
        try:
            sections[name] = params.load(path, name, section)
        except UserError as error:
            yield error
    try:
        launch.worker_count(path)
        prepare, train = sections.get("prepare"), sections.get("train")
        if isinstance(prepare, PrepareParams) and isinstance(train, TrainParams):
            _require_rows_to_watch(prepare, train)
        if isinstance(prepare, PrepareParams) and not remote.is_remote(prepare.source):
            source = find_source.find(prepare.source, prepare.files, prepare.separator, prepare.encoding)
            roles_of(prepare, source)
    except UserError as error:
        yield error


def _require_rows_to_watch(prepare: PrepareParams, train: TrainParams) -> None:
    if train.early_stopping.patience and prepare.split.method == "none":
        raise UserError(
            f"params.yaml: train.early_stopping.patience: expected 0 with prepare.split.method none, which leaves no "
            f"validation rows to watch, got {train.early_stopping.patience}; add -S prepare.split.method=seed"
        )
