"""Contradictions within a commit, before a stage runs: dvc.lock against dvc.yaml, inputs, params and git's files."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.commands.verify import declared, loaded, lockfile_check
from pipeline.commands.verify.checkout import Checkout
from pipeline.commands.verify.comparison import OutputResult, committed_differences
from pipeline.files import md5_file
from pipeline.repository.lockfile import Lock, listing_md5


def contradictions(workspace: Checkout, recorded: Lock, repository: Any) -> list[OutputResult]:
    """Each place in which the commit contradicts its dvc.lock; ``repository`` is DVC's view of the checkout.

    Stages, commands, params and paths are those of dvc.yaml; inputs are hashed in the checkout, never taken from DVC's
    state; what one stage reads of another is what that one wrote; outputs that git has are those of dvc.lock.
    """
    stages = declared.stages(repository)
    return [
        *_stages(recorded, stages),
        *_dependencies(workspace, recorded, repository),
        *_committed_outputs(workspace, recorded),
    ]


def _stages(recorded: Lock, stages: dict[str, declared.Stage]) -> Iterator[OutputResult]:
    for name in sorted(recorded.stages.keys() - stages.keys()):
        yield _differs(name, "a stage in dvc.lock, but not in the commit's dvc.yaml")
    for name in sorted(stages.keys() - recorded.stages.keys()):
        yield _differs(name, "a stage in the commit's dvc.yaml, but not in its dvc.lock")
    for name in sorted(recorded.stages.keys() & stages.keys()):
        yield from _stage(name, recorded.stages[name], stages[name])


def _stage(name: str, entry: dict[str, Any], stage: declared.Stage) -> Iterator[OutputResult]:
    if entry.get("cmd") != stage.command:
        yield _differs(f"{name}: cmd", f"{entry.get('cmd')} recorded, {stage.command} in the commit's dvc.yaml")
    for key, paths in (("deps", stage.inputs), ("outs", stage.outputs)):
        listed = Counter(str(item["path"]) for item in entry.get(key) or [])
        for path in sorted(paths - listed.keys()):
            yield _differs(f"{name}: {path}", f"in {key} of the commit's dvc.yaml, but not in its dvc.lock")
        for path in sorted(listed.keys() - paths):
            yield _differs(f"{name}: {path}", f"in {key} of dvc.lock, but not in the commit's dvc.yaml")
        for path in sorted(path for path, count in listed.items() if count > 1):
            yield _differs(f"{name}: {path}", f"{listed[path]} times in {key} of dvc.lock")
    for place, sentence in lockfile_check.params_that_differ(name, entry.get("params") or {}, stage.params):
        yield _differs(place, sentence)


def _dependencies(workspace: Checkout, recorded: Lock, repository: Any) -> Iterator[OutputResult]:
    """Compare what each stage read with what another stage wrote, or with the file in the checkout."""
    written = {str(entry["path"]): entry for stage in recorded.stages.values() for entry in stage.get("outs") or []}
    contents: dict[str, dict[str, Any]] = {}
    for name, stage in recorded.stages.items():
        for entry in stage.get("deps") or []:
            path = str(entry["path"])
            if path in written:
                for sentence in lockfile_check.entry_differences(entry, written[path], "written by another stage"):
                    yield _differs(f"{name}: {path}", sentence)
            elif "://" not in path:  # about a server's file DVC asks when the stages run
                if path not in contents:
                    contents[path] = _content(workspace.folder / path, repository)
                for sentence in lockfile_check.entry_differences(entry, contents[path], "in the commit"):
                    yield _differs(f"{name}: {path}", sentence + _hint(workspace, path))


def _hint(workspace: Checkout, path: str) -> str:
    """The place to look: files of git that changed after dvc.lock; else DVC's cache, named by content."""
    if workspace.is_of_git(path):
        below = [name for name in workspace.tracked if name.startswith(f"{path}/")]
        changed = loaded.changed_after_lock(workspace.folder, below)
        return f"; changed after dvc.lock was committed: {loaded.summary(changed)}" if changed else ""
    return (
        "; DVC's cache or remote holds other bytes than dvc.lock asks for: `dvc cache dir` says where, `dvc pull` or "
        "`dvc add` brings them back"
    )


def _content(path: Path, repository: Any) -> dict[str, Any]:
    """The entry of a file or folder for dvc.lock: md5, size and, of a folder, nfiles; without ignored files."""
    if not path.is_dir():
        return {"md5": md5_file(path), "size": path.stat().st_size}
    from dvc.fs import LocalFileSystem

    local: Any = LocalFileSystem
    paths = [Path(name) for name in repository.dvcignore.find(local(), os.fspath(path))]
    files = {file.relative_to(path).as_posix(): md5_file(file) for file in paths}
    size = sum(file.stat().st_size for file in paths)
    return {"md5": listing_md5(files), "size": size, "nfiles": len(files)}


def _committed_outputs(workspace: Checkout, recorded: Lock) -> Iterator[OutputResult]:
    """Outputs that the commit holds in git: people read these without running a stage.

    The files of a folder whose listing neither cache nor remote has are compared after the stages have made it again.
    """
    for output in recorded.outputs():
        committed = workspace.committed(output)
        if committed and not output.is_folder:
            yield from committed_differences(output, committed, {"": output.md5})
        elif committed and (listing := workspace.recorded_listing(output)):
            yield from committed_differences(output, committed, listing)


def _differs(place: str, sentence: str) -> OutputResult:
    return OutputResult(place, None, None, sentence)
