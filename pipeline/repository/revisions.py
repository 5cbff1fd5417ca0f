"""A commit, a DVC experiment or the workspace: what was run there, and the files that it left.

Files come from git, from DVC's cache by the md5 in dvc.lock, or from DVC's remote. Knows git and DVC, not MLflow.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.documents import json_documents, yaml_documents
from pipeline.errors import UserError, listed, shortened
from pipeline.files import md5_bytes
from pipeline.output_files import METADATA_FILE
from pipeline.params import PARAMS_FILE
from pipeline.repository import git, lockfile, outputs
from pipeline.repository.pins import PINS_FILE, parse_pins
from pipeline.repository.project import Experiment

_HISTORY_SECONDS = 120  # a search of all commits of a large repository

WORKSPACE = "workspace"

# DVC keeps an experiment as refs/exps/<2>/<38 characters of its baseline>/<name>; others below refs/exps are its own.
_EXPERIMENT_REF = re.compile(r"refs/exps/([0-9a-f]{2})/([0-9a-f]{38})/(.+)")


@dataclass(frozen=True)
class Revision:
    """A place to look in: ``sha`` is None for the workspace, ``experiment`` is set if the commit is one of DVC's."""

    root: Path
    name: str
    sha: str | None
    experiment: Experiment | None = None

    @cached_property
    def lock(self) -> lockfile.Lock:
        """Its dvc.lock; empty without one."""
        text = self.tracked(lockfile.LOCK_FILE)
        return lockfile.parse(text.decode("utf-8", "replace"), f"{self.name}: dvc.lock") if text else lockfile.Lock()

    @cached_property
    def params(self) -> dict[str, Any]:
        """Its whole params document; empty without one.

        Raises: UserError if it is not YAML.
        """
        text = self.tracked(PARAMS_FILE.name)
        try:
            document = yaml_documents.parse(text.decode("utf-8")) if text else {}
        except ValueError as error:
            raise UserError(f"{self.name}: params.yaml: not valid YAML: {shortened(error)}") from None
        return document if isinstance(document, dict) else {}

    @cached_property
    def time(self) -> int:
        """When it was committed, in ms since 1970; of the workspace, when its model was written; 0 if unknown."""
        if self.sha:
            return int(_printed(self.root, "show", "-s", "--format=%ct", "--end-of-options", self.sha) or 0) * 1000
        path = self.lock.out_ending(METADATA_FILE)
        model = self.root / path if path else None
        return model.stat().st_mtime_ns // 1_000_000 if model and model.is_file() else 0

    @cached_property
    def model_key(self) -> str | None:
        """The key of its model, which joins it to MLflow's runs; None if no cache has its metadata, or damaged ones."""
        path = self.lock.out_ending(METADATA_FILE)
        content = self.out(path) if path else None
        try:
            return json_documents.key(content, METADATA_FILE, "") if content is not None else None
        except UserError:
            return None

    @cached_property
    def pinned(self) -> dict[str, str]:
        """The versions that it asks for, by package; empty without a requirements.lock."""
        return parse_pins((self.tracked(PINS_FILE) or b"").decode("utf-8", "replace"))

    def tracked(self, path: str) -> bytes | None:
        """A file that git has, by its path from the root; of the workspace, as it lies there. None if there is none."""
        if self.sha is None:
            return outputs.read(self.root / path)
        return git.stdout_bytes(self.root, "show", "--end-of-options", f"{self.sha}:./{path}")

    def out(self, path: str) -> bytes | None:
        """A file that a stage wrote, also one in a folder that is an out; None if no cache and no remote has it.

        Raises: UserError if DVC's cache or remote has other bytes than the md5 says.
        """
        if self.sha is None:
            return outputs.read(self.root / path)
        md5 = self._md5(path)
        if md5 is None:
            return None
        content = outputs.cached(self.root, md5)
        if content is None:
            content = outputs.matching(self.tracked(path), md5)
        return content if content is not None else outputs.pulled(self.root, self.sha, path, md5)

    def dependency(self, path: str, md5: str) -> bytes | None:
        """A file that a stage read, as dvc.lock knows it; None if neither git, cache nor workspace has it.

        Raises: UserError if DVC's cache has other bytes than the md5 says.
        """
        if self.sha is None:
            return outputs.read(self.root / path)
        return outputs.matching(self.tracked(path), md5) or outputs.cached(self.root, md5)

    def read_by(self, *stages: str, data: str = "") -> dict[str, str]:
        """The md5 by path of what stages read; a folder that no stage wrote stands with each of its files.

        DVC keeps no listing of such a folder: its files are those of git, of the workspace as they lie there. Only the
        folder ``data``, which may hold gigabytes, stands as dvc.lock has it.
        """
        recorded = {path: md5 for stage in stages for path, md5 in self.lock.read_by(stage).items()}
        own = {*self.lock.written(), data}
        code = [path for path, md5 in recorded.items() if md5.endswith(lockfile.FOLDER_MARK) and path not in own]
        expanded = {path: self._files_below(path) for path in code}
        files = {name: md5 for inside in expanded.values() for name, md5 in inside.items()}
        return {path: md5 for path, md5 in recorded.items() if not expanded.get(path)} | files

    def _files_below(self, path: str) -> dict[str, str]:
        if self.sha is None:
            return lockfile.files_below(self.root, path)
        return {name: md5_bytes(content) for name, content in git.files_below(self.root, self.sha, path).items()}

    def recorded_md5(self, path: str) -> str | None:
        """The md5 that dvc.lock, or DVC's listing of a folder in it, has of a file; None if that cannot be had here."""
        outs = self.lock.written()
        if path in outs:
            return outs[path]
        for folder, md5 in outs.items():
            if name := outputs.path_below(path, folder):
                content = outputs.cached(self.root, md5)
                return lockfile.parsed_listing(content).get(name) if content else None
        return None

    def _md5(self, path: str) -> str | None:
        """The md5 of a file that is an out, or lies in a folder that is one."""
        outs = self.lock.written()
        if path in outs:
            return outs[path]
        return next(
            (
                self.listing(folder).get(outputs.path_below(path, folder))
                for folder in outs
                if outputs.path_below(path, folder)
            ),
            None,
        )

    def listing(self, folder: str) -> dict[str, str]:
        """The files of a folder that is an out, md5 by path in it; empty if its listing is not there."""
        md5 = self.lock.written().get(folder, "")
        if self.sha is None:
            base = self.root / folder
            return {path.relative_to(base).as_posix(): "" for path in sorted(base.rglob("*")) if path.is_file()}
        content = outputs.cached(self.root, md5) if md5.endswith(lockfile.FOLDER_MARK) else None
        if content is None and md5:
            return outputs.pulled_listing(self.root, self.sha, folder, md5)
        return lockfile.parsed_listing(content) if content else {}


def workspace(root: Path) -> Revision:
    """The files in the project's folder now."""
    return Revision(root, WORKSPACE, None)


def head_and_workspace(root: Path) -> list[Revision]:
    """The commit that is checked out, if there is one, and the workspace."""
    head = find(root, "HEAD")
    return [*([head] if head else []), workspace(root)]


def find(root: Path, text: str) -> Revision | None:
    """The revision that a person means: ``workspace``, what git resolves, or, as in DVC, a DVC experiment; else None.

    Raises: UserError if experiments of several baselines share the name.
    """
    if text == WORKSPACE:
        return workspace(root)
    known = experiments(root)
    sha = _printed(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{text}^{{commit}}")
    if sha:
        return next((experiment for experiment in known if experiment.sha == sha), Revision(root, text, sha))
    named = [experiment for experiment in known if experiment.name == text]
    if len(named) > 1:
        commits = listed([str(experiment.sha)[:12] for experiment in named])
        place = shortened(text)
        raise UserError(f"{place}: expected one DVC experiment, got several; name one by its commit: {commits}")
    return named[0] if named else None


def resolved(root: Path, text: str) -> Revision:
    """The revision of a name, as ``find`` reads it.

    Raises: UserError if there is no such revision.
    """
    revision = find(root, text)
    if revision is None:
        raise UserError(
            f"{shortened(text)}: expected a commit, branch, tag or DVC experiment, got none of these; "
            "`git log --oneline` and `dvc exp list --all` show what there is"
        )
    return revision


def between(root: Path, span: str) -> list[Revision]:
    """The commits of ``A..B``, oldest first.

    Raises: UserError if git does not know them.
    """
    shas = git.stdout(root, "rev-list", "--reverse", "--end-of-options", span)
    if shas is None:
        raise UserError(
            f"{shortened(span)}: expected a range of commits such as HEAD~5..HEAD, got one that git does not know"
        )
    return [Revision(root, sha[:8], sha) for sha in shas.split()]


def experiments(root: Path) -> list[Revision]:
    """All DVC experiments of the project, by name."""
    text = _printed(root, "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps")
    revisions = []
    for line in text.splitlines():
        sha, _, reference = line.partition(" ")
        if match := _EXPERIMENT_REF.fullmatch(reference):
            revisions.append(Revision(root, match[3], sha, Experiment(match[3], match[1] + match[2])))
    return sorted(revisions, key=lambda revision: revision.name)


def commits_that_lock(root: Path, md5: str, up_to: str = "--all") -> list[str]:
    """Commits whose dvc.lock brought this md5, newest first: up to a commit, or of any branch or DVC experiment."""
    search = ("log", up_to, "--format=%H", f"-S{md5}", "--", lockfile.LOCK_FILE)
    shas = git.stdout(root, *search, seconds=_HISTORY_SECONDS) or ""
    # The search also finds the commits that took it away.
    return [sha for sha in shas.split() if locks(root, sha, md5)]


def locks(root: Path, sha: str, md5: str) -> bool:
    """Whether the commit's dvc.lock has this md5."""
    return md5 in _printed(root, "show", "--end-of-options", f"{sha}:./{lockfile.LOCK_FILE}")


def later_commits(root: Path, sha: str) -> list[str]:
    """Commits that came out of this one and changed dvc.lock, oldest first, of any branch or DVC experiment."""
    search = ("log", "--all", "--reverse", "--ancestry-path", f"^{sha}", "--format=%H", "--", lockfile.LOCK_FILE)
    return (git.stdout(root, *search, seconds=_HISTORY_SECONDS) or "").split()


def _printed(root: Path, *words: str) -> str:
    return (git.stdout(root, *words) or "").strip()
