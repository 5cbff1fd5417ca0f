"""The project's root folder, and the DVC experiment that a process runs in."""

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.params import PARAMS_FILE
from pipeline.repository.lockfile import STAGES_FILE


@dataclass(frozen=True)
class Experiment:
    """The DVC experiment that a stage runs in: its name, and the commit that it started from."""

    name: str
    baseline: str | None


def project_root() -> Path:
    """The project's main folder, absolute, also inside the temporary workspace of a DVC experiment.

    DVC sets DVC_ROOT to the main workspace for every stage, and DVC_STAGE with it: one that a shell has for itself
    must not send a command to another project. Elsewhere it is the nearest folder, from the current one
    upwards, that holds params.yaml or .dvc; the current one if there is none.
    """
    given = os.environ.get("DVC_ROOT")
    if given and "DVC_STAGE" in os.environ:
        return Path(given).absolute()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / PARAMS_FILE).is_file() or (folder / ".dvc").is_dir():
            return folder
    return here


def enclosing(folder: Path) -> Path | None:
    """The nearest folder, from this one upwards, with the stages of a project and its params or DVC's folder."""
    for each in (folder, *folder.parents):
        if (each / STAGES_FILE).is_file() and ((each / PARAMS_FILE).is_file() or (each / ".dvc").is_dir()):
            return each
    return None


def experiment() -> Experiment | None:
    """The DVC experiment that this process runs in; None under plain `dvc repro` and outside DVC."""
    name = os.environ.get("DVC_EXP_NAME")
    return Experiment(name, os.environ.get("DVC_EXP_BASELINE_REV")) if name else None
