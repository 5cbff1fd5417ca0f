"""`python -m pipeline track`: sends what waits, and rebuilds the runs that MLflow lacks."""

import gc
from collections.abc import Sequence
from pathlib import Path

from pipeline import screen
from pipeline.errors import UserError
from pipeline.repository import project, revisions
from pipeline.repository.revisions import Revision
from pipeline.tracking import rebuild, resend
from pipeline.tracking.client import experiment, location
from pipeline.tracking.store import relocate
from pipeline.tracking.store.failures import as_user_errors
from pipeline.tracking.store.store import Store, open_store

# `python -m pipeline` collects no garbage while libraries load; that of many runs is collected.
gc.freeze()
gc.enable()


def main(*, setting: str, revision: str | None, all_experiments: bool, relocated: bool) -> None:
    """Print a line for each entry that was sent and each revision; ``revision`` may be a range ``A..B``.

    ``setting`` is ``tracking.experiment``: with ``auto`` each revision's run goes into the experiment of its data.

    Raises: UserError if the store cannot be used, or a revision that was asked for by name has no run.
    """
    root = project.project_root()
    if relocated:
        screen.say(relocate.main(root))
        return
    chosen = _chosen(root, revision, all_experiments)
    with as_user_errors("; nothing is lost: call `python -m pipeline track` again"):
        stores = _Stores(root, setting)
        _send(stores.of(revisions.Revision(root, revisions.WORKSPACE, None)), root)
        _ensure_all(stores, chosen, strict=revision is not None and ".." not in revision)


def _chosen(root: Path, revision: str | None, all_experiments: bool) -> list[Revision]:
    """The revisions on the command line; HEAD and the workspace without any."""
    if all_experiments:
        return revisions.experiments(root)
    if revision is None:
        return revisions.head_and_workspace(root)
    return revisions.between(root, revision) if ".." in revision else [revisions.resolved(root, revision)]


def send_waiting(root: Path, experiment: str) -> None:
    """Send what is kept to the store of the project, whose MLflow experiment is ``experiment``.

    Raises: UserError if the store cannot be used.
    """
    with as_user_errors("; nothing is lost: call `python -m pipeline track` again"):
        _send(open_store(root, experiment), root)


def _send(store: Store, root: Path) -> None:
    with screen.bar("sending kept stages"):
        result = resend.send(store, root)
    if result.sent:
        stages = "1 kept stage" if len(result.sent) == 1 else f"{len(result.sent)} kept stages"
        screen.say(f"{stages} sent to {screen.unbroken(location.masked(store.uri))}")
    for sentence in result.damaged:
        screen.say(f"warning: {sentence}; delete the folder if the run is not worth mending")


class _Stores:
    """The store, opened for the experiment of each revision."""

    def __init__(self, root: Path, setting: str) -> None:
        self._root, self._setting = root, setting
        self._opened: dict[str, Store] = {}

    def of(self, revision: Revision) -> Store:
        name = experiment.named(self._setting, revision.params)
        if name not in self._opened:
            self._opened[name] = open_store(self._root, name)
        return self._opened[name]


def _ensure_all(stores: _Stores, chosen: Sequence[Revision], *, strict: bool) -> None:
    for number, revision in enumerate(chosen, 1):
        name = revision.name if revision.sha is None else f"{revision.name} {revision.sha[:8]}"
        try:
            with screen.bar(f"{name}, {number} of {len(chosen)}"):
                run, done = rebuild.ensure(stores.of(revision), revision)
        except UserError as error:
            if strict:
                raise
            screen.say(f"- {error}")
            continue
        screen.say(f"{name}: run {run.info.run_id[:8]} '{run.info.run_name}' {done}")
