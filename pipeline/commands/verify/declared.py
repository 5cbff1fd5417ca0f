"""The stages that a commit's dvc.yaml declares, as DVC reads them: none has run."""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.commands.verify import paths, stage_files
from pipeline.errors import UserError, shortened
from pipeline.repository.lockfile import STAGES_FILE

# Errors of DVC for values that its makers did not foresee, such as a date in params.yaml.
_UNFORESEEN = (TypeError, ValueError, LookupError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Stage:
    """A stage, values of params.yaml filled in: ``params`` are those of each file, as dvc.lock nests them."""

    command: str | list[str]
    inputs: frozenset[str]
    outputs: frozenset[str]
    params: dict[str, Any]


@contextmanager
def repository(folder: Path, commit: str) -> Iterator[Any]:
    """DVC's view of the checkout of a commit.

    Raises: UserError if DVC cannot read it, or if a stage or a .dvc file would write outside the project.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    stage_files.refuse_unsafe(folder, commit)
    with ExitStack() as opening:
        try:
            opened = opening.enter_context(Repo(str(folder)))
            _refuse_outside(opened, folder, commit)
        except (DvcException, *_UNFORESEEN) as error:
            raise _unreadable(error, folder, commit) from None
        try:
            yield opened
        except DvcException as error:
            raise _unreadable(error, folder, commit) from None


def _unreadable(error: Exception, folder: Path, commit: str) -> UserError:
    text = " ".join(str(error).split()).replace(os.path.relpath(folder) + os.sep, "")
    return UserError(f"commit {commit[:12]}: expected a project that DVC can read, got: {shortened(text)}")


def stages(opened: Any) -> dict[str, Stage]:
    """The stages of the project's dvc.yaml by name."""
    return {stage.name: _stage(stage) for stage in opened.index.stages if _is_of_project(stage)}


def other_commands(opened: Any) -> dict[str, object]:
    """Commands of stages elsewhere than in the project's dvc.yaml, by file and name.

    DVC runs those whose outputs it needs, and the project's dvc.lock says nothing of them.
    """
    others = (stage for stage in opened.index.stages if stage.cmd and not _is_of_project(stage))
    return {f"{stage.path_in_repo}: {stage.name}": stage.cmd for stage in others}


def ignored(opened: Any, folder: Path, tracked: Iterable[str]) -> set[str]:
    """The ``tracked`` files of the checkout that .dvcignore hides: no digest of a folder counts them."""
    return {name for name in tracked if opened.dvcignore.is_ignored_file(os.fspath(folder / name))}


def _stage(stage: Any) -> Stage:
    from dvc.dependency import ParamsDependency

    params = [entry for entry in stage.deps if isinstance(entry, ParamsDependency)]
    others = [entry for entry in stage.deps if not isinstance(entry, ParamsDependency)]
    return Stage(
        command=stage.cmd,
        inputs=frozenset(entry.def_path for entry in others),
        outputs=frozenset(entry.def_path for entry in stage.outs),
        params={entry.def_path: entry.read_params() for entry in params},
    )


def _is_of_project(stage: Any) -> bool:
    return bool(stage.path_in_repo == STAGES_FILE)


def _refuse_outside(opened: Any, folder: Path, commit: str) -> None:
    """DVC removes outputs before a stage runs, and writes those of .dvc files: it must be kept in the project, too."""
    for stage in opened.index.stages:
        place = f"{stage.path_in_repo} of commit {commit[:12]}"
        if _is_of_project(stage) and Path(stage.wdir).resolve() != folder.resolve():
            raise UserError(
                f"{place}: stage {shortened(stage.name)}: expected a stage that runs in the project's folder, got "
                f"wdir: {shortened(stage.wdir)}; write its paths from there"
            )
        paths.refuse_outside(folder, (_seen_from(folder, output) for output in stage.outs), place)


def _seen_from(folder: Path, output: Any) -> str:
    """An output's path from the project's folder; in full where it is written so and lies elsewhere."""
    if output.protocol != "local":
        return str(output.def_path)
    path = Path(str(output.fs_path))
    if path.is_relative_to(folder):
        return path.relative_to(folder).as_posix()
    return str(path) if Path(str(output.def_path)).is_absolute() else Path(os.path.relpath(path, folder)).as_posix()
