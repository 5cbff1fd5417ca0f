"""The code that stages loaded, and what of it dvc.lock does not cover."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from pipeline.commands.verify import recorder
from pipeline.repository import git
from pipeline.repository.lockfile import LOCK_FILE, Lock

# Of a command for a shell, whose quotes need not be understood: a path in them still stands by itself.
_BETWEEN_WORDS = re.compile(r"""[\s'"`=;|&<>(){}$,\[\]]+""")

_MANY = 4  # files of a folder that are told as the folder


class Recording:
    """Lists of loaded files, one of each Python process that starts with ``environment``."""

    def __init__(self, scratch: Path) -> None:
        """Make the folders for the code that records, and for what it records."""
        self._code, self._lists = scratch / "recorder", scratch / "loaded"
        self._code.mkdir()
        self._lists.mkdir()
        text = Path(recorder.__file__).read_text(encoding="utf-8")
        (self._code / "sitecustomize.py").write_text(text, encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make Python processes record."""
        return {"PYTHONPATH": str(self._code), recorder.FOLDER_VARIABLE: str(self._lists)}

    def files(self, folder: Path) -> set[str]:
        """Paths of the recorded files that hold anything and lie below a folder, as seen from it."""
        base = folder.resolve()
        below = {Path(name).resolve() for _, *names in self._recorded() for name in names}
        inside = {path for path in below if path.is_relative_to(base) and path.is_file()}
        return {path.relative_to(base).as_posix() for path in inside if path.stat().st_size}

    def stages(self) -> set[str]:
        """The stages of which a process has recorded."""
        return {stage for stage, *_ in self._recorded()}

    def _recorded(self) -> list[list[str]]:
        """The stage and the files of each process."""
        return [path.read_text(encoding="utf-8", errors="replace").split("\0") for path in self._lists.iterdir()]


def arguments(lock: Lock, tracked: Iterable[str]) -> set[str]:
    """The ``tracked`` files, unknown to dvc.lock, that a command names by themselves or by their folder.

    A stage may read them, and go on from what they hold.
    """
    known = [PurePosixPath(path) for path in (*lock.inputs(), *lock.written())]
    commands = (str(stage.get("cmd")) for stage in lock.stages.values())
    words = {PurePosixPath(word) for command in commands for word in _BETWEEN_WORDS.split(command) if word}
    recorded = {word for word in words for path in known if path.is_relative_to(word) or word.is_relative_to(path)}
    named = words - recorded
    return {file for file in tracked if not named.isdisjoint((PurePosixPath(file), *PurePosixPath(file).parents))}


def uncovered(files: Collection[str], lock: Lock, ignored: Collection[str] = ()) -> list[str]:
    """The files that no dependency in dvc.lock is or holds; a folder holds none that .dvcignore hides."""
    inputs = lock.inputs().keys()
    below = {file for file in files if any(path in inputs for path in map(str, PurePosixPath(file).parents))}
    return sorted({*files} - inputs - (below - {*ignored}))


def changed_after_lock(folder: Path, files: Iterable[str]) -> list[str]:
    """The files that changed between the commit that wrote dvc.lock and the commit in ``folder``."""
    writer = (git.stdout(folder, "log", "-1", "--format=%H", "--", LOCK_FILE) or "").strip()
    if not writer:
        return []
    changed = git.stdout(folder, "diff", "--name-only", "-z", "--relative", writer, "HEAD", "--", ".") or ""
    return sorted(set(files).intersection(changed.split("\0")))


def summary(files: Iterable[str]) -> str:
    """The files in few words: many of one folder are told as the folder and their number."""
    by_folder: dict[str, list[str]] = defaultdict(list)
    for file in sorted(files):
        by_folder[str(PurePosixPath(file).parent)].append(file)
    root = min(by_folder, key=len, default="")
    parts = [
        ", ".join(names) if folder == root or len(names) < _MANY else f"{folder}/ ({len(names)} files)"
        for folder, names in sorted(by_folder.items())
    ]
    return ", ".join(parts)
