"""Which classes are taken for which."""

from pipeline.dataset.columns import class_text
from pipeline.report.blocks import Block, Cell, Paragraph, Span, Table
from pipeline.report.documents import Documents
from pipeline.report.text import count, name, plural, share
from pipeline.results.plots import Confusions

_MOST_CLASSES, _MOST_CONFUSIONS, _SHADES = 15, 20, 9


def blocks(documents: Documents) -> list[Block]:
    """The matrix with its counts, shaded by the share of a row; of many classes the largest, and the worst errors."""
    confusions = documents.confusions
    if confusions is None or not confusions.rows:
        return [Paragraph("This run has no confusion matrix.")]
    actual, known = _by_class(confusions, 0), [class_text(label) for label in _classes(documents)]
    labels = known or list(dict.fromkeys(label for pair in confusions.rows for label in pair))
    largest = sorted(labels, key=lambda label: -actual.get(label, 0))[:_MOST_CLASSES]
    largest_labels = [label for label in labels if label in {*largest}]
    right = sum(rows for (one, other), rows in confusions.rows.items() if one == other)
    total = sum(confusions.rows.values())
    counted = "lines" if _stands_for_rows(documents, confusions, total) else "rows"
    written: list[Block] = [
        Paragraph(
            f"Of {plural(total, counted[:-1])} of {name(confusions.split).text}, {plural(right, 'is', 'are')} right."
        )
    ]
    if counted == "lines":
        written.append(Paragraph("Each line of confusion.csv stands for an equal share of the rows.", "note"))
    return [
        *written,
        _matrix(confusions, largest_labels, actual, len(labels), counted),
        *_worst(confusions, actual, counted),
    ]


def _classes(documents: Documents) -> list[int | str | bool]:
    return documents.model.classes if documents.model else []


def _by_class(confusions: Confusions, side: int) -> dict[str, float]:
    sums: dict[str, float] = {}
    for pair, rows in confusions.rows.items():
        sums[pair[side]] = sums.get(pair[side], 0) + rows
    return sums


def _stands_for_rows(documents: Documents, confusions: Confusions, total: float) -> bool:
    """Whether lines are fewer, or more, than the rows of the split."""
    rows = (documents.metrics or {}).get(confusions.split, {}).get("rows")
    return confusions.lines and rows is not None and rows != total


def _matrix(
    confusions: Confusions, largest_labels: list[str], actual: dict[str, float], classes: int, counted: str
) -> Table:
    rows = []
    for label in largest_labels:
        total = actual.get(label, 0)
        cells = [name(label, 24)]
        for other in largest_labels:
            value = confusions.rows.get((label, other), 0)
            shade = min(_SHADES, int(value / total * _SHADES + 0.999)) if total else 0
            text = count(value).text
            cells.append(Cell(text, is_number=True, is_strong=label == other, shade=shade))
        rows.append([*cells, count(total)])
    left_out = classes - len(largest_labels)
    note = "The stronger the shade, the larger the share of the actual class; bold is right."
    if left_out:
        note += f" The {len(largest_labels)} largest of {classes:,} classes; a row's sum counts all of them."
    header: list[Span] = ["actual", *(name(label, 14) for label in largest_labels), "sum"]
    caption = f"{counted.capitalize()} by actual and predicted class, {name(confusions.split).text}"
    return Table(caption, header, rows, note, "matrix", over="predicted")


def _worst(confusions: Confusions, actual: dict[str, float], counted: str) -> list[Block]:
    wrong = [(pair, rows) for pair, rows in confusions.rows.items() if pair[0] != pair[1]]
    if not wrong or len(actual) < 3:
        return []
    ordered = sorted(wrong, key=lambda item: (-item[1], item[0]))
    rows = [
        [name(one), name(other), count(value), share(value / actual[one])]
        for (one, other), value in ordered[:_MOST_CONFUSIONS]
    ]
    more = len(wrong) - len(rows)
    note = f"And {plural(more, 'pair')} more." if more else ""
    return [Table("Largest confusions", ["actual", "predicted", counted, "share of the actual class"], rows, note)]
