"""What is predicted from what, how well, and what to distrust."""

from collections.abc import Iterator
from typing import Any

from pipeline.dataset.shard import SPLITS
from pipeline.report.blocks import Block, Listing, Paragraph, Sentence, Span
from pipeline.report.documents import Documents
from pipeline.report.text import capitalised, file_text, name, names, number_text, plural
from pipeline.results import verdict
from pipeline.results.outcome import TRUSTED

# Fewer rows than these tell an accuracy to no better than 0.1, at 95 % (0.98 / sqrt(100)).
_FEW = 100
_MISCALIBRATED = 0.05
_NO_MAXIMUM = "told apart without error"


def blocks(documents: Documents) -> list[Block]:
    """Three sentences, the last with its reasons."""
    written: list[Block] = []
    if documents.model is not None:
        written.append(Paragraph(_question(documents), "lead"))
    if documents.metrics is None:
        return [*written, Paragraph("How well is not known: this run has no metrics.json.", "lead")]
    written.append(Paragraph(f"{capitalised(verdict.sentence(documents.metrics))}.", "lead"))
    reasons = list(_doubts(documents))
    if reasons:
        return [*written, Paragraph("What to distrust:", "lead"), Listing(reasons)]
    return [*written, Paragraph("Nothing in the files of this run speaks against these numbers.", "lead")]


def _question(documents: Documents) -> list[Span]:
    model = documents.model
    assert model is not None
    columns = list(model.encoder.types)
    return [
        "This model predicts ",
        name(model.encoder.target),
        f", one of {plural(len(model.classes), 'class', 'classes')} (",
        *names(model.classes, 6),
        f"), from {plural(len(columns), 'column')} (",
        *names(columns, 6),
        ").",
    ]


def _doubts(documents: Documents) -> Iterator[Sentence]:
    metrics, split = documents.metrics, documents.judged
    assert metrics is not None
    rows = metrics[split].get("rows")
    if split == "train":
        yield "Every row was trained on, so no number here is of rows that training never saw."
    if rows is not None and rows < _FEW:
        yield f"{split.capitalize()} has {plural(rows, 'row')} only: another draw of rows may give other numbers."
    yield from _of_classes(metrics, split)
    outcome = documents.outcome
    if outcome and outcome["status"] not in TRUSTED:
        yield ["Training: ", file_text(outcome["meaning"] or outcome["status"].replace("_", " ")), "."]
    inference = documents.inference
    if inference and inference["refused"] and inference["refused"].startswith(_NO_MAXIMUM):
        yield ["Separable classes: ", file_text(inference["refused"]), "."]
    error = metrics[split].get("expected_calibration_error")
    if error is not None and error > _MISCALIBRATED:
        yield f"Calibration: on {split} the probabilities are {number_text(error, 3)} off on average."
    if outcome.get("findings"):
        oddities = plural(len(outcome["findings"]), "oddity", "oddities")
        yield f"Training names {oddities}; the section Training lists them."


def _of_classes(metrics: dict[str, Any], judged: str) -> Iterator[Sentence]:
    """Splits whose rows are all of one class, and classes without rows."""
    for split in SPLITS:
        rows = {record["class"]: record["support"] for record in metrics["per_class"] if record["split"] == split}
        present = [label for label, support in rows.items() if support]
        absent = [label for label, support in rows.items() if not support]
        if len(present) == 1 < len(rows):
            yield [f"All rows of {split} are of class ", name(present[0]), "; they say nothing of the others."]
        elif absent and split in ("train", judged):
            yield [f"Without a row in {split}: class " if len(absent) == 1 else f"Without a row in {split}: ",
                   *names(absent, 5), "."]  # fmt: skip
