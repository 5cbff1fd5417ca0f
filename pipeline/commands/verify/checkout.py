"""A commit checked out in a temporary folder, with its data, where the stages run again and nothing else is touched.

The folder lies in the project's ``.cache/``: on the disk of DVC's cache, so that large data need not be copied.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.commands.verify import children, git_files, paths, stage_files
from pipeline.commands.verify.loaded import Recording
from pipeline.errors import UserError, shortened
from pipeline.repository import git, outputs
from pipeline.repository.lockfile import LOCK_FILE, Lock, Output, parsed_listing
from pipeline.tracking.client import location

PREFIX = "verify-"
CACHE_FOLDER = ".cache"

_LAST_LINES = 15
_LINE = 1000  # characters of each


class Checkout:
    """One commit: ``folder`` is the project as the commit has it, with the outputs that git tracks taken away.

    ``tracking_uri`` is the MLflow store of the stages that run here, which knows of no other run; ``tracked`` and
    ``converted`` are the files of the commit in git, and those of them that attributes change, by their path in it.
    """

    def __init__(self, scratch: Path, folder: Path, project: Path, commit: str) -> None:
        self.folder = folder
        self.recording = Recording(scratch)
        self.tracking_uri = location.sqlite_uri(scratch / "mlflow.db")
        self.tracked = set(git_files.git(folder, "ls-files", "-z").split("\0"))
        self.converted = git_files.converted(folder)
        self._commit = commit
        self._scratch = scratch
        self._set_aside = scratch / "kept"
        self._committed: dict[str, dict[str, str]] = {}
        self._cache = outputs.cache_folder(project)
        self._has_remote = _adopt_settings(project, folder, scratch / "dvc")

    def is_of_git(self, path: str) -> bool:
        """Whether the commit holds the file, or files below the folder, at this path in the project."""
        return path in self.tracked or any(name.startswith(f"{path}/") for name in self.tracked)

    def committed(self, output: Output) -> dict[str, str]:
        """The files of an output that the commit holds in git: MD5 by path in it, of a file by the empty path."""
        return self._committed.get(output.path, {})

    def set_aside(self, lock: Lock) -> None:
        """Take away every output that is there, so that what is there afterwards was made by the stages.

        So are what stages keep for later runs: checkpoints, and columns as they were parsed.

        Raises: UserError, before anything is taken away, if one of them lies outside the checkout.
        """
        place = f"{LOCK_FILE} of commit {self._commit[:12]}"
        paths.refuse_outside(self.folder, (output.path for output in lock.outputs()), place)
        for output in lock.outputs():
            path = self.folder / output.path
            if self.is_of_git(output.path) and output.path not in self._committed:
                self._committed[output.path] = self._digests(output.path)
            if path.is_file():
                self._set_aside.mkdir(exist_ok=True)
                path.replace(self._set_aside / files.md5_file(path))
            elif path.is_dir():
                shutil.rmtree(path)
        cache = self.folder / CACHE_FOLDER
        if cache.is_symlink() or cache.is_file():
            cache.unlink()
        elif cache.is_dir():
            shutil.rmtree(cache)

    def _digests(self, path: str) -> dict[str, str]:
        """The md5s of the bytes that git holds; attributes may change these at the checkout."""
        names = [path] if path in self.tracked else [name for name in self.tracked if name.startswith(f"{path}/")]
        return {name[len(path) + 1 :]: files.md5_bytes(git_files.blob(self.folder, name)) for name in names}

    def get_data(self, lock: Lock) -> None:
        """Get the data that the stages read and git does not have, from DVC's cache or remote.

        Raises: UserError that names the file, its digest and the way to get it.
        """
        pointers = sorted(name for name in self.tracked if name.endswith(stage_files.POINTER))
        self._refuse_listings(pointers)
        if pointers and self._dvc("checkout", "--", *pointers).returncode and self._has_remote:
            self._dvc("fetch", "--", *pointers)
            self._refuse_listings(pointers)
            self._dvc("checkout", "--", *pointers)
        git_files.refuse_bytecode(self.folder, self._commit)
        git_files.refuse_stand_ins(self.folder, self._commit)
        for path, digest in lock.inputs().items():
            if "://" not in path and not (self.folder / path).exists():
                raise UserError(f"{shortened(path)} (md5 {digest}): {self._way_to(path, pointers)}")

    def _refuse_listings(self, pointers: list[str]) -> None:
        """Raise if a folder of the cache, which .dvc files name, holds a path that leads out of it.

        DVC would write there. .dvc files of DVC 2 are looked for in the cache of DVC 2, too. Raises: UserError.
        """
        for pointer in pointers:
            for md5 in stage_files.folders_of(self.folder, self._commit, pointer):
                for cache in (self._cache, self._cache.parents[1]):
                    listing = cache / md5[:2] / md5[2:]
                    if listing.is_file():
                        parsed_listing(listing.read_bytes())

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
        """Run every stage, whatever DVC knows of it, keep nothing in DVC's cache, and log to a temporary MLflow store.

        Raises: UserError with the last lines of a stage that fails.
        """
        recorded = self.recording.environment | dict(environment)
        done = self._dvc("repro", "--force", "--no-run-cache", "--no-commit", environment=recorded)
        if done.returncode:
            lines = "\n  ".join(shortened(line, _LINE) for line in done.stdout.strip().splitlines()[-_LAST_LINES:])
            raise UserError(f"expected the stages of the commit to run again, got exit {done.returncode}:\n  {lines}")

    def recorded(self, output: Output, md5: str) -> Path | None:
        """A file with the bytes of this digest, which an output is or holds; None if neither git nor DVC has it."""
        path = self._find(md5)
        if path is None and self._has_remote:
            git.stdout(self.folder, "checkout", "--quiet", "HEAD", "--", LOCK_FILE)
            self._dvc("fetch", output.path)
            path = self._find(md5)
        return path

    def recorded_listing(self, output: Output) -> dict[str, str] | None:
        """The files of a folder as recorded, MD5 by path; None if DVC's listing of it cannot be had."""
        path = self.recorded(output, output.md5)
        return parsed_listing(path.read_bytes()) if path else None

    def _find(self, md5: str) -> Path | None:
        for path in (self._set_aside / md5, self._cache / md5[:2] / md5[2:]):
            if path.is_file() and files.md5_file(path) == md5.removesuffix(".dir"):
                return path
        return None

    def _dvc(self, *words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run DVC with this Python, which takes no module from the checkout; both of its streams are in ``stdout``.

        Raises: UserError if it fails because the disk is full.
        """
        store = {"MLFLOW_TRACKING_URI": self.tracking_uri}
        cleaned = children.environment() | store | dict(environment or {})
        done = children.run([sys.executable, "-P", "-m", "dvc", *words], self.folder, cleaned)
        if done.returncode:
            git_files.refuse_full_disk(self._scratch, done.stdout)
        return done


@contextmanager
def checked_out(project: Path, commit: str) -> Iterator[Checkout]:
    """Yield a workspace of ``commit`` of the project; it is removed however the block ends.

    Raises: UserError if it cannot be made, and whatever the block raises; without room on the disk, one that says so.
    """
    cache = project / CACHE_FOLDER
    with files.full_disk_named(cache):
        cache.mkdir(exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=PREFIX, dir=cache))
        try:
            below = (git.stdout(project, "rev-parse", "--show-prefix") or "").strip()
            git_files.check_out(project, commit, scratch / "checkout")
            yield Checkout(scratch, scratch / "checkout" / below, project, commit)
        finally:
            files.remove_folder(scratch)


def _adopt_settings(project: Path, folder: Path, own: Path) -> bool:
    """Give a checkout the project's DVC cache and remotes, local ones and secrets too; paths become absolute.

    What DVC keeps of a repository elsewhere, hashes that it trusts above all, it keeps in the folder ``own`` here.
    Returns: whether there is a remote to fetch from by default.
    """
    from dvc.config import Config, ConfigError

    cache = outputs.cache_folder(project).parents[1]  # DVC adds files/md5 itself
    if not (folder / ".dvc").is_dir():
        raise UserError(f"{folder}: expected a project of DVC in the commit, got one without .dvc; `dvc init`, commit")
    try:
        settings: dict[str, Any] = Config(dvc_dir=str(project / ".dvc"))
        default = settings["core"].get("remote")
        with Config(dvc_dir=str(folder / ".dvc")).edit("local") as local:
            local["cache"] = dict(settings["cache"]) | {"dir": str(cache)}
            local["remote"] = {name: dict(remote) for name, remote in settings["remote"].items()}
            local["core"] = {"site_cache_dir": str(own)} | ({"remote": default} if default else {})
    except ConfigError as error:
        raise UserError(f"{folder / '.dvc' / 'config'}: {error}") from None
    return bool(default)
