"""A trained model by the name that a person gives: its folder, a revision of git or DVC, a run or alias of MLflow."""

import os
import re
from pathlib import Path

from pipeline.errors import UserError, shortened
from pipeline.output_files import DECISION_FILE, METADATA_FILE, WEIGHTS_FILE
from pipeline.predictor import scorer
from pipeline.predictor.predictor import Predictor
from pipeline.predictor.scorer import Scorer

_FILES = (METADATA_FILE, WEIGHTS_FILE, DECISION_FILE)

# As MLflow writes the address of a registered model.
_ALIAS = re.compile(r"models:/(?P<name>[^/@]+)@(?P<alias>[^/@]+)")


def load(address: str | Path = "models") -> Predictor:
    """The model at ``address``, with what `decide` left beside it.

    A folder that `train` wrote; else, of the project around the present folder, a revision of git, a DVC experiment,
    the id of an MLflow run or its beginning, or ``models:/NAME@ALIAS`` of MLflow's registry. A folder is read without
    torch, MLflow, DVC or git.
    Raises: UserError if there is none, or if it is damaged or forged.
    """
    text, folder = str(address), Path(address)
    if text.startswith("models:"):
        return Predictor(_registered(text))
    is_folder = os.path.isdir(folder)  # noqa: PTH112  (Path.is_dir raises where a name is too long)
    if isinstance(address, Path) or is_folder or text == "models":
        return Predictor(scorer.load(folder))
    return Predictor(_recorded(text))


def _registered(text: str) -> Scorer:
    """The model that an alias of the registry names now."""
    from pipeline.repository import project
    from pipeline.tracking.store.registered_models import Registry

    parts = _ALIAS.fullmatch(text)
    if parts is None:
        raise UserError(f"{shortened(text)}: expected models:/NAME@ALIAS, as MLflow's registry has it")
    root = project.project_root()
    with Registry(root, _experiment(root)) as registry:
        version = registry.by_alias(parts["name"], parts["alias"])
        return scorer.parse(registry.files(version), Path(version.artifacts))


def _recorded(text: str) -> Scorer:
    """The model of a revision, else of a run."""
    from pipeline.repository import project, revisions
    from pipeline.tracking.client import query

    root = project.project_root()
    revision = revisions.find(root, text)
    if revision is not None:
        paths = {name: path for name in _FILES if (path := revision.lock.out_ending(name))}
        contents = {name: content for name, path in paths.items() if (content := revision.out(path)) is not None}
        lost = [path for name, path in paths.items() if name not in contents]
        if lost:
            raise UserError(
                f"{shortened(text)}: {lost[0]}: neither DVC's cache nor a remote has it; `dvc fetch --all-commits` "
                "brings it from a remote, or `dvc repro` of the commit makes it again"
            )
        return scorer.parse(contents, Path(text))
    if query.RUN_ID.fullmatch(text):
        return _of_run(root, text)
    raise UserError(
        f"{shortened(text)}: expected the folder of a model, a revision of git, a DVC experiment, the id of an MLflow "
        "run, or models:/NAME@ALIAS, got none of these"
    )


def _of_run(root: Path, text: str) -> Scorer:
    from pipeline.tracking.store import lookup

    runs = lookup.opened(root, _experiment(root))
    matches = runs.starting_with(text)
    if len(matches) != 1:
        raise UserError(f"{text}: expected a revision, a DVC experiment or one MLflow run, got {len(matches)} runs")
    return scorer.parse(runs.files(matches[0], _FILES), Path(f"run {matches[0].run_id[:8]}"))


def _experiment(root: Path) -> str:
    from pipeline.params import PARAMS_FILE
    from pipeline.tracking.client import experiment

    return experiment.of_project(root / PARAMS_FILE)
