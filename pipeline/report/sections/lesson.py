"""A run of few rows and few weights, step by step: W and b on the way, and what each row gets."""

from dataclasses import replace
from typing import Any

from pipeline.dataset.columns import class_text
from pipeline.report.blocks import Block, Cell, Heading, Paragraph, Span, Table
from pipeline.report.documents import Documents
from pipeline.report.text import name, number

_MOST_SNAPSHOTS = 12


def blocks(documents: Documents) -> list[Block]:
    """Nothing for a run that is too large to be followed number by number."""
    if not documents.is_small or documents.model is None:
        return []
    introduction = (
        "The run is small enough to be followed number by number. A row x gets the logits z = W x + b, one a class; "
        "softmax makes them probabilities; rank 1 is the class that is predicted."
    )
    return [Paragraph(introduction), *_weights(documents), *_rows(documents)]


def _weights(documents: Documents) -> list[Block]:
    snapshots, model = documents.snapshots, documents.model
    if snapshots is None or model is None:
        return [Paragraph("This run has no snapshots of W and b.")]
    columns = [*(name(feature, 20) for feature in model.features), Cell("b")]
    count = len(snapshots["epoch"])
    positions = sorted({*range(0, count, max(1, -(-count // _MOST_SNAPSHOTS))), count - 1})
    rows = []
    for at in positions:
        epoch = int(snapshots["epoch"][at])
        for label, weights, bias in zip(model.classes, snapshots["W"][at], snapshots["b"][at], strict=True):
            when = Cell("before 0" if epoch < 0 else f"{epoch:,}")
            values = [*map(float, weights), float(bias)]
            rows.append([when, name(label, 20), *(number(value) for value in values)])
    note = "After an epoch means after its update; before 0 is where training begins."
    return [Heading("W and b by epoch"), Table("W and b after epochs", ["epoch", "class", *columns], rows, note)]


def _rows(documents: Documents) -> list[Block]:
    model, lines = documents.model, documents.predictions
    if lines is None or model is None:
        return [Paragraph("This run has no predictions.csv, so its rows cannot be shown.")]
    classes = [class_text(label) for label in model.classes]
    heads = [name(label, 16) for label in classes]
    logits, probabilities = [], []
    for line in lines:
        row = [name(line["row"], 20), name(line["split"], 20), name(line["actual"], 20)]
        ranks = _ranks([line[f"probability_{label}"] or 0.0 for label in classes])
        logits.append([*row, *(number(line[f"logit_{label}"]) for label in classes)])
        of_classes = [_probability(line, label, rank) for label, rank in zip(classes, ranks, strict=True)]
        probabilities.append([*row, *(cell for cells in of_classes for cell in cells)])
    ranked: list[Span] = ["row", "split", "actual"]
    for head in heads:
        ranked += [head, "rank"]
    return [
        Heading("Each row"),
        Table("Logits of each class", ["row", "split", "actual", *heads], logits),
        Table("Probabilities of each class and their ranks; bold is the actual class", ranked, probabilities, _ADD_UP),
    ]


_ADD_UP = "As printed the probabilities of a row may add up to 0.9999 or 1.0001, since each is rounded by itself."


def _probability(line: dict[str, Any], label: str, rank: int) -> tuple[Cell, Cell]:
    value = line[f"probability_{label}"]
    probability = Cell("< 0.0001", is_number=True) if value is not None and 0 < value < 5e-5 else number(value)
    return replace(probability, is_strong=label == line["actual"]), Cell(str(rank), is_number=True)


def _ranks(probabilities: list[float]) -> list[int]:
    """The rank of each class, 1 for the most probable; equal ones in the order of the classes."""
    order = sorted(range(len(probabilities)), key=lambda place: -probabilities[place])
    ranks = [0] * len(order)
    for rank, place in enumerate(order, 1):
        ranks[place] = rank
    return ranks
