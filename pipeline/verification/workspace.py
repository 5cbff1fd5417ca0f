"""A commit checked out in a temporary folder, with its data, where the stages run again and nothing else is touched.

The folder lies in the project's ``.cache/``: on the disk of DVC's cache, so that large data need not be copied.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline import provenance, revisions
from pipeline.errors import UserError
from pipeline.lock import Lock, Output, parsed_listing

PREFIX = "verify-"

# What an outer DVC stage, another store or a switch of Python would change in the stages that run here.
_LEFT_OUT = (
    *("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"),
    *("MLFLOW_DEFAULT_ARTIFACT_ROOT", "MLFLOW_EXPERIMENT_NAME", "PYTHONSAFEPATH"),
)

_LAST_LINES = 15


class Workspace:
    """One commit: ``folder`` is the project as the commit has it, with the outputs that git tracks taken away."""

    def __init__(self, scratch: Path, folder: Path, project: Path) -> None:
        self.folder = folder
        self._scratch = scratch
        self._kept = scratch / "kept"
        self._cache = revisions.cache_folder(project)
        self._has_remote = _adopt_settings(project, folder)

    def set_aside(self, lock: Lock) -> None:
        """Take away every output that is there, so that what is there afterwards was made by the stages."""
        for output in lock.outputs():
            path = self.folder / output.path
            if path.is_file():
                self._kept.mkdir(exist_ok=True)
                path.replace(self._kept / provenance.md5_file(path))
            elif path.is_dir():
                shutil.rmtree(path)

    def get_data(self, lock: Lock) -> None:
        """Get the data that the stages read and git does not have, from DVC's cache or remote.

        Raises: UserError that names the file, its digest and the way to get it.
        """
        tracked = (provenance.git(self.folder, "ls-files", "-z", "*.dvc", "**/*.dvc") or "").split("\0")
        pointers = [name for name in tracked if name]
        if pointers and self._dvc("checkout", *pointers).returncode and self._has_remote:
            self._dvc("pull", *pointers)
        for path, digest in lock.inputs().items():
            if "://" not in path and not (self.folder / path).exists():
                raise UserError(f"{path} (md5 {digest}): {self._way_to(path, pointers)}")

    def _way_to(self, path: str, pointers: list[str]) -> str:
        covered = any(f"{path}/".startswith(f"{pointer.removesuffix('.dvc')}/") for pointer in pointers)
        if not covered:
            return (
                "expected it in the commit, as a file of git or of DVC, got neither, so this version cannot be found; "
                "put it under DVC with `dvc add`, and commit the .dvc file"
            )
        if self._has_remote:
            return "expected this version in DVC's cache or remote, got neither; `dvc push` it from where it was added"
        return (
            "expected this version in DVC's cache, got nothing, and there is no remote to pull it from; "
            "`dvc remote add -d NAME ADDRESS` and `dvc pull`, or `dvc add` the same file again"
        )

    def run_stages(self, environment: Mapping[str, str]) -> None:
        """Run every stage, whatever DVC knows of it, keep nothing in DVC's cache, and mirror into a store of no one.

        Raises: UserError with the last lines of a stage that fails.
        """
        done = self._dvc("repro", "--force", "--no-run-cache", "--no-commit", environment=environment)
        if done.returncode:
            lines = "\n  ".join(done.stdout.strip().splitlines()[-_LAST_LINES:])
            raise UserError(f"expected the stages of the commit to run again, got exit {done.returncode}:\n  {lines}")

    def recorded(self, output: Output, md5: str) -> Path | None:
        """A file with the bytes of this digest, which an output is or holds; None if neither git nor DVC has it."""
        found = self._find(md5)
        if found is None and self._has_remote:
            provenance.git(self.folder, "checkout", "--quiet", "HEAD", "--", "dvc.lock")
            self._dvc("fetch", output.path)
            found = self._find(md5)
        return found

    def recorded_listing(self, output: Output) -> dict[str, str] | None:
        """The files of a folder as recorded, MD5 by path; None if DVC's listing of it cannot be had."""
        found = self.recorded(output, output.md5)
        return parsed_listing(found.read_bytes()) if found else None

    def _find(self, md5: str) -> Path | None:
        for path in (self._kept / md5, self._cache / md5[:2] / md5[2:]):
            if path.is_file() and provenance.md5_file(path) == md5.removesuffix(".dir"):
                return path
        return None

    def _dvc(self, *words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run DVC with this Python; both of its streams are in ``stdout``."""
        inherited = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
        inherited["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", "")])
        inherited["MLFLOW_TRACKING_URI"] = f"sqlite:///{self._scratch / 'mlflow.db'}"
        return _in_session([sys.executable, "-m", "dvc", *words], self.folder, inherited | dict(environment or {}))


@contextmanager
def checked_out(project: Path, commit: str) -> Iterator[Workspace]:
    """Yield a workspace of ``commit`` of the project; it is removed however the block ends."""
    cache = project / ".cache"
    cache.mkdir(exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=PREFIX, dir=cache))
    try:
        below = (provenance.git(project, "rev-parse", "--show-prefix") or "").strip()
        _check_out(project, commit, scratch / "checkout")
        yield Workspace(scratch, scratch / "checkout" / below, project)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check_out(project: Path, commit: str, folder: Path) -> None:
    """A repository that borrows the objects of the project's; unlike `git worktree` it leaves no trace in there.

    `git clone` would not do: it refuses to share a shallow clone, which is what most CI services check out.
    """
    folder.mkdir()
    _git(folder, "init", "--quiet", "--template=")
    objects = _git(project, "rev-parse", "--path-format=absolute", "--git-path", "objects")
    information = folder / ".git" / "objects" / "info"
    information.mkdir(parents=True, exist_ok=True)
    (information / "alternates").write_text(f"{objects.strip()}\n", encoding="utf-8")
    shallow = Path(_git(project, "rev-parse", "--path-format=absolute", "--git-path", "shallow").strip())
    if shallow.is_file():
        shutil.copyfile(shallow, folder / ".git" / "shallow")
    _git(folder, "checkout", "--quiet", "--detach", commit)


def _git(folder: Path, *words: str) -> str:
    said = provenance.git(folder, *words, seconds=600)
    if said is None:
        raise UserError(f"git {words[0]}: expected to check the commit out in {folder}, got an error; run `git fsck`")
    return said


def _adopt_settings(project: Path, folder: Path) -> bool:
    """Give a checkout the project's DVC cache and remotes, local ones and secrets too; paths become absolute.

    Returns: whether there is a remote to fetch from by default.
    """
    from dvc.config import Config

    settings: dict[str, Any] = Config(dvc_dir=str(project / ".dvc"))
    cache = revisions.cache_folder(project).parents[1]  # DVC adds files/md5 itself
    default = settings["core"].get("remote")
    with Config(dvc_dir=str(folder / ".dvc")).edit("local") as local:
        local["cache"] = dict(settings["cache"]) | {"dir": str(cache)}
        local["remote"] = {name: dict(remote) for name, remote in settings["remote"].items()}
        if default:
            local["core"] = {"remote": default}
    return bool(default)


def _in_session(command: list[str], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command in a session of its own, and end all of it when this process is interrupted."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    return subprocess.CompletedProcess(command, process.returncode, said)
