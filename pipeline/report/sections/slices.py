"""Parts of the rows, and how unlike they are treated."""

from typing import Any

from pipeline.report.blocks import Block, Cell, Listing, Paragraph, Sentence, Table
from pipeline.report.documents import Documents
from pipeline.report.text import count, estimate, file_text, name, number, p_value, plural

_MOST = 25
_RATES = ("true_positive_rate", "false_positive_rate", "selection_rate")


def blocks(documents: Documents) -> list[Block]:
    """The worst slices first."""
    slices = documents.slices
    if slices is None:
        return [Paragraph("This run looks at no slices: there is no slices.json.")]
    written: list[Block] = []
    if slices["slices"]:
        written.append(_slices(slices["slices"]))
        written += _rates(slices["slices"])
    else:
        written.append(Paragraph("No column is sliced: evaluate.slices names the columns."))
    if slices["disparities"]:
        written.append(_disparities(slices["disparities"]))
    left_out: list[Sentence] = [[name(r["column"]), ": ", file_text(r["reason"])] for r in slices["left_out"]]
    if left_out:
        rest = [f"And {len(left_out) - _MOST:,} more."] if len(left_out) > _MOST else []
        written += [Paragraph("Left out:"), Listing([*left_out[:_MOST], *rest])]
    return written


def _slices(records: list[dict[str, Any]]) -> Table:
    has_cost = any(record["cost"] is not None for record in records)
    ordered = sorted(records, key=_badness)
    rows = [
        [
            name(r["column"]), name(r["value"]), count(r["rows"]),
            estimate(r["log_loss"], r["log_loss_low"], r["log_loss_high"]),
            estimate(r["accuracy"], r["accuracy_low"], r["accuracy_high"], 3),
            number(r["expected_calibration_error"], 3),
            *([number(r["cost"])] if has_cost else []), p_value(r["adjusted_p_value"]),
        ]
        for r in ordered[:_MOST]
    ]  # fmt: skip
    header = ["column", "value", "rows", "log loss", "accuracy", "ECE"]
    header += ["cost", "adjusted p"] if has_cost else ["adjusted p"]
    more = len(records) - len(rows)
    note = (
        "The surest differences from the other rows first, then the highest log loss; p is adjusted for all slices; "
        "ECE is the expected calibration error."
    )
    return Table(
        f"Log loss and accuracy of each slice, {name(records[0]['split']).text}",
        header,
        rows,
        note + (f" And {plural(more, 'slice')} more." if more else ""),
    )


def _rates(records: list[dict[str, Any]]) -> list[Block]:
    """Each class against the rest, in the slices of most rows first."""
    lines = [
        [
            name(r["column"]), name(r["value"]), name(c["class"]),
            *(estimate(c[rate], c[f"{rate}_low"], c[f"{rate}_high"], 3) for rate in _RATES),
        ]
        for r in sorted(records, key=lambda r: -r["rows"]) for c in r["per_class"]
    ]  # fmt: skip
    if not lines:
        return []
    more = len(lines) - _MOST
    note = "Selection rate: the share of rows predicted as the class."
    header = ["column", "value", "class", "true positive rate", "false positive rate", "selection rate"]
    rest = f" And {plural(more, 'line')} more in slices.json." if more > 0 else ""
    return [Table("Rates of each class by slice", header, lines[:_MOST], note + rest)]


def _badness(record: dict[str, Any]) -> tuple[float, float]:
    p, loss = record["adjusted_p_value"], record["log_loss"]
    return (1.0 if p is None else p), -(loss or 0.0)


def _disparities(records: list[dict[str, Any]]) -> Table:
    """The smallest ratios first: that of the lowest to the highest is 1 where all are treated alike."""
    ordered = sorted(records, key=lambda r: 1.0 if r["ratio"] is None else r["ratio"])
    rows = [
        [
            name(r["column"]), Cell("all") if r["class"] is None else name(r["class"]),
            name(r["measure"].replace("_", " ")),
            estimate(r["ratio"], r["low"], r["high"], 3), name(r["lowest"] or ""), name(r["highest"] or ""),
        ]
        for r in ordered[:_MOST]
    ]  # fmt: skip
    more = len(records) - len(rows)
    header = ["column", "class", "measure", "lowest / highest", "lowest", "highest"]
    return Table("Disparities between values", header, rows, f"And {plural(more, 'ratio')} more." if more else "")
