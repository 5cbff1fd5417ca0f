"""The page: its sections in reading order, written as HTML."""

from collections.abc import Callable, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.errors import UserError
from pipeline.report.blocks import Block, Cell, Paragraph, Section, spans
from pipeline.report.charts.shapes import px
from pipeline.report.documents import Documents
from pipeline.report.sections import (
    calibration,
    confusion,
    data,
    decisions,
    drivers,
    lesson,
    metrics,
    provenance,
    slices,
    training,
    verdict,
)
from pipeline.report.text import file_text, name

_Build = Callable[[Documents], list[Block]]

# Anchor, heading, what writes it.
_SECTIONS: tuple[tuple[str, str, _Build], ...] = (
    ("verdict", "Verdict", verdict.blocks),
    ("data", "Data", data.blocks),
    ("metrics", "Metrics", metrics.blocks),
    ("confusion", "Confusion matrix", confusion.blocks),
    ("calibration", "Calibration", calibration.blocks),
    ("drivers", "What drives it", drivers.blocks),
    ("decisions", "Prediction sets and decisions", decisions.blocks),
    ("slices", "Slices", slices.blocks),
    ("training", "Training", training.blocks),
    ("lesson", "Step by step", lesson.blocks),
)
_CHANGES = ("changes", "What changed")


def html(documents: Documents, origin: provenance.Origin | None = None, changes: _Build | None = None) -> str:
    """The page of a run.

    Without ``origin``, which says of what commit or run it is, it is the stage's page: it holds nothing that differs
    between commits and machines, and a damaged file raises UserError. With one, the section of a damaged file says so
    in its place. ``changes`` writes what is other than in the parent; without it the page says what adds that.
    """
    strict = origin is None
    sections = [_section(documents, *part, strict) for part in _SECTIONS]
    of_changes = changes or (lambda _: [Paragraph(provenance.ADDED_BY_COMMAND)])
    sections.append(_section(documents, *_CHANGES, of_changes, strict))
    sections.append(
        _section(documents, "provenance", "Provenance", lambda known: provenance.blocks(known, origin), strict)
    )
    written = [section for section in sections if section.blocks]
    if origin is not None:
        written[0].blocks[:0] = [Paragraph(file_text(sentence), "fault") for sentence in origin.unknown]
    heading = _heading(documents, strict)
    title = "".join(cell.text for cell in heading)
    return render(written, title, heading, spans(provenance.subtitle(origin)))


def _section(documents: Documents, anchor: str, title: str, build: _Build, strict: bool) -> Section:
    try:
        return Section(anchor, title, build(documents))
    except UserError as error:
        if strict:
            raise
        return Section(anchor, title, [Paragraph(["This section cannot be shown: ", file_text(str(error))], "fault")])


def _heading(documents: Documents, strict: bool) -> list[Cell]:
    try:
        model = documents.model
    except UserError:
        if strict:
            raise
        model = None
    return spans("Softmax regression" if model is None else ["Softmax regression of ", name(model.encoder.target)])


def render(sections: Sequence[Section], title: str, heading: Sequence[Cell], subtitle: Sequence[Cell]) -> str:
    """Sections as HTML; every text is escaped here, and a name that a template lacks is an error."""
    environment = Environment(
        loader=PackageLoader("pipeline.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["px"] = px
    content: dict[str, Any] = {"sections": sections, "title": title, "heading": heading, "subtitle": subtitle}
    return environment.get_template("page.html").render(content)
