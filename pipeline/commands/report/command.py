"""The command: what is known of a revision or run, as one page."""

from pathlib import Path

from pipeline import files, screen
from pipeline.commands.compare import run_side
from pipeline.commands.report import changes, origin, stored_files
from pipeline.errors import UserError
from pipeline.report import page
from pipeline.report.documents import Documents
from pipeline.repository import project, revisions
from pipeline.repository.revisions import Revision
from pipeline.tracking.client import query
from pipeline.tracking.store.database import RunView

STANDARD_OUTPUT = Path("-")
_BEGINNING = b"<!DOCTYPE html>"


def main(*, name: str, out: Path, experiment: str) -> None:
    """Write the page of the revision or run ``name`` into ``out``, or to standard output if it is ``-``.

    Raises: UserError if there is neither, if none of its files can be had, or if ``out`` is a file that is no page.
    """
    _require_page_or_nothing(out)
    root = project.project_root()
    text = _page(root, name, experiment)
    if out == STANDARD_OUTPUT:
        with files.standard_output() as file:
            file.write(text.encode())
        return
    files.write_text(out, text)
    screen.say(f"report: {out}: one file that can be mailed and printed; it opens in any browser")


def _require_page_or_nothing(out: Path) -> None:
    """Raises: UserError if the page would take the place of params, data, results or anything else but a page."""
    try:
        if not out.is_file():
            return
        with out.open("rb") as file:
            beginning = file.read(len(_BEGINNING))
    except OSError:  # writing says what is wrong with the place
        return
    if beginning and beginning != _BEGINNING:
        raise UserError(f"{out}: expected a new file or an earlier page, got a file that is no page; name another")


def _page(root: Path, name: str, experiment: str) -> str:
    revision = revisions.find(root, name)
    if revision is None and query.RUN_ID.fullmatch(name):
        runs, run = run_side.find_run(root, name, experiment)
        artifacts = runs.files(run, stored_files.ARTIFACTS.values())
        return _of_run(run, artifacts, run_side.revision_behind(root, run))
    return _of_revision(revision or revisions.resolved(root, name))


def _of_revision(revision: Revision) -> str:
    if not revision.lock.stages:
        raise UserError(f"{revision.name}: expected a dvc.lock with what was run, got none; `dvc repro` writes it")
    stored = stored_files.StoredFiles(revision)
    stored.require_model()
    documents = Documents(stored.reader, revision.params)
    known = origin.of_revision(revision, stored.missing())
    return page.html(documents, known, lambda _: changes.blocks(revision))


def _of_run(run: RunView, artifacts: dict[str, bytes], behind: Revision | None) -> str:
    stored = stored_files.StoredFiles(behind, artifacts, f"run {run.run_id[:8]}")
    stored.require_model()
    documents = Documents(stored.reader, stored_files.params_of_run(artifacts, behind))
    known = origin.of_run(run, artifacts, behind, stored.missing())
    if behind is None:
        return page.html(documents, known, lambda _: changes.unknown_parent())
    return page.html(documents, known, lambda _: changes.blocks(behind))
