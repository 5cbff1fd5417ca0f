"""What differs from the commit before, as `compare` finds it."""

from pipeline.commands.compare import differences, pages
from pipeline.commands.compare.side import of_revision
from pipeline.report.blocks import Block, Cell, Paragraph, Table
from pipeline.report.text import MINUS, name
from pipeline.repository import revisions
from pipeline.repository.revisions import Revision

_MOST_LINES = 40


def blocks(revision: Revision) -> list[Block]:
    """A table a part that differs. Raises: UserError if the files of one side are damaged."""
    parent = _parent(revision)
    if parent is None:
        return [Paragraph("There is no commit before this one.")]
    if not parent.lock.stages:
        return [Paragraph(["The commit before, ", name(parent.name), ", has no dvc.lock: nothing was run there."])]
    record = differences.between(of_revision(parent), of_revision(revision))
    parts = pages.sections(record)
    sides = Paragraph(["a is ", name(record["a"], 60), "; b is ", name(record["b"], 60), ", this run."])
    if not parts:
        return [sides, Paragraph("Nothing differs in params, data, columns, code, versions, metrics, coefficients.")]
    return [sides, *(_table(part) for part in parts)]


def unknown_parent() -> list[Block]:
    """The place of the tables for a run that no commit has."""
    return [Paragraph("No commit has this run's model, so there is none before it to compare with.")]


def _parent(revision: Revision) -> Revision | None:
    """The commit before; of the workspace the one that is checked out, of an experiment the one that it began at."""
    text = "HEAD" if revision.sha is None else f"{revision.sha}^"
    before = revisions.find(revision.root, text)
    if before is None or before.sha is None:
        return None
    return Revision(revision.root, before.sha[:8], before.sha)


def _table(part: pages.Section) -> Block:
    if not part.lines:
        return Paragraph([f"{part.title}: ", name(part.note, 400), "."])
    more = len(part.lines) - _MOST_LINES
    notes = [f"And {more:,} more lines."] if more > 0 else []
    header = [text or "name" for text in part.header]
    rows = [[name(line[0]), *map(_cell, line[1:])] for line in part.lines[:_MOST_LINES]]
    return Table(f"{part.title}, a against b", header, rows, " ".join([*notes, *([part.note] if part.note else [])]))


def _cell(text: str) -> Cell:
    """A value: a number, or an interval of two, is aligned as one."""
    try:
        for part in text.split(" to "):
            float(part)
    except ValueError:
        return name(text, 60) if text else Cell("")
    return Cell(text.replace("-", MINUS), is_number=True)
