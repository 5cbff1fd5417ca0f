"""`check`: every param of params.yaml, before DVC takes a stage's outputs away to run it with one that is wrong."""

from collections.abc import Iterator
from pathlib import Path

from pipeline import params
from pipeline.commands import launch
from pipeline.decide.params import DecideParams
from pipeline.errors import UserError, listed, quoted
from pipeline.evaluate.params import EvaluateParams
from pipeline.infer.params import InferParams
from pipeline.infer.terms import unknown_cluster
from pipeline.params import PARAMS_FILE, Section
from pipeline.prepare.column_roles import Roles, roles_of
from pipeline.prepare.params import PrepareParams
from pipeline.table import find_source, remote
from pipeline.tracking.client.params import TrackingParams
from pipeline.train.params import CheckpointParams, TrainParams

_SECTIONS: dict[str, type[Section]] = {
    "prepare": PrepareParams,
    "train": TrainParams,
    "decide": DecideParams,
    "evaluate": EvaluateParams,
    "infer": InferParams,
    "checkpoint": CheckpointParams,
    "tracking": TrackingParams,
}


def main() -> None:
    """Check each section of params.yaml, what two of them mean together, and the columns that they name.

    Raises: UserError with a line for each section that is wrong.
    """
    wrong = dict.fromkeys(str(error) for error in _errors(PARAMS_FILE))  # what is no YAML is so in every section
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
            roles, infer = roles_of(prepare, source), sections.get("infer")
            if isinstance(infer, InferParams) and infer.enabled:
                _require_features(infer, roles)
    except UserError as error:
        yield error


def _require_features(infer: InferParams, roles: Roles) -> None:
    """Check that the table has the columns that infer names; which of them are categories, prepare finds out."""
    named: dict[str, list[str]] = {
        "columns": [] if infer.columns == "all" else infer.columns,
        "base_levels": list(infer.base_levels or {}),
        "effects_by": [] if infer.effects_by is None else [infer.effects_by],
    }
    for param, columns in named.items():
        for column in columns:
            if column not in roles.features:
                known = listed(roles.features, 5)
                raise UserError(f"params.yaml: infer.{param}: expected a feature ({known}), got {quoted(column)}")
    if infer.cluster is not None and infer.cluster not in {*roles.features, roles.key, *roles.kept}:
        raise unknown_cluster(roles.features, infer.cluster)


def _require_rows_to_watch(prepare: PrepareParams, train: TrainParams) -> None:
    if train.early_stopping.patience and prepare.split.method == "none":
        raise UserError(
            f"params.yaml: train.early_stopping.patience: expected 0 with prepare.split.method none, which leaves no "
            f"validation rows to watch, got {train.early_stopping.patience}; add -S prepare.split.method=seed"
        )
