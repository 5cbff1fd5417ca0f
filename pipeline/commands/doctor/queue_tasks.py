"""Tasks of DVC's queue whose processes are gone: `dvc queue status` calls them Running for ever."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from pipeline.documents import json_documents

_RUNS = Path(".dvc/tmp/exps/run")
_QUEUE = Path(".dvc/tmp/exps/celery")

# A process that started later than the file that names its id, but for the clocks' grain, is another one.
_CLOCK_GRAIN_S = 2.0


@dataclass(frozen=True)
class LostTask:
    """A task that was killed: the name that DVC's commands know it by, and its folder, if that is still there."""

    name: str
    folder: Path | None


def lost(root: Path) -> Iterator[LostTask]:
    """The tasks of the project that DVC takes for running, though neither they nor a worker of the queue runs.

    DVC itself is asked, which takes a second, only where there is a queue without a worker.
    """
    if not (root / _QUEUE).is_dir() or any(map(_is_alive, (root / _QUEUE).glob("*.json"))):
        return
    from dvc.repo import Repo

    opened: Any = Repo  # DVC's own functions have no types
    with opened(str(root)) as repository:
        for entry in repository.experiments.celery_queue.iter_active():
            folder = root / _RUNS / entry.stash_rev
            if not _is_alive(folder / f"{entry.stash_rev}.json"):
                yield LostTask(entry.name or entry.stash_rev[:7], _workspace(folder / f"{entry.stash_rev}.run", root))


def _is_alive(path: Path) -> bool:
    """Whether the process that a file of DVC's names still runs."""
    try:
        written = path.stat().st_mtime
        of_id: Any = psutil.Process  # psutil has no types
        process = of_id(int(_read(path)["pid"]))
        started: float = process.create_time()
        ended = process.status() == psutil.STATUS_ZOMBIE  # killed, and its parent has not asked how it ended
    except (OSError, ValueError, KeyError, TypeError, OverflowError, psutil.Error):
        return False
    return not ended and started <= written + _CLOCK_GRAIN_S


def _workspace(path: Path, root: Path) -> Path | None:
    """The temporary folder of a task, if it lies where DVC makes them."""
    try:
        folder = Path(_read(path)["root_dir"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return folder if folder.is_dir() and folder.parent == root / _QUEUE.parent else None


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json_documents.decoded(path.read_bytes())
    return document
