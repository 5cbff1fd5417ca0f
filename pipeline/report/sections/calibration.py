"""Whether a probability of 0.8 is right in 8 of 10 rows."""

from typing import Any

from pipeline.report.blocks import Block, Cell, Figure, Paragraph, Table
from pipeline.report.charts.curves import Measured, reliability_chart
from pipeline.report.documents import Documents
from pipeline.report.text import count, file_text, interval, name, number, number_text, plural

_MOST_BINS = 50


def blocks(documents: Documents) -> list[Block]:
    """The error, what was made of it, a chart and its numbers."""
    written: list[Block] = [*_error(documents), *_scaling(documents)]
    bins = documents.calibration
    if not bins:
        return [*written, Paragraph("This run has no calibration.csv, so there is no chart.")]
    bins = sorted(bins, key=lambda line: line["predicted"])
    sampled = bins[:: max(1, -(-len(bins) // _MOST_BINS))]
    has_bounds = any(line["low"] is not None for line in sampled)
    split = name(sampled[0]["split"]).text
    description = "; ".join(
        f"predicted {line['predicted']:.2f}, right {line['observed']:.2f} of {count(line['rows']).text} rows"
        for line in sampled[:20]
    )
    chart = reliability_chart(
        f"Calibration on {split}",
        f"Share that was right against the predicted probability: {description}.",
        ("predicted probability of the predicted class", "share that was right"),
        [Measured(line["predicted"], line["observed"], line["low"], line["high"]) for line in sampled],
    )
    caption = "On the dashed diagonal a probability is the share that was right; below it the model is too sure."
    caption += " Whiskers are 95 % intervals." if has_bounds else " This run has no intervals of these shares."
    return [*written, Figure(chart, caption), _table(sampled, has_bounds, split, len(bins))]


def _error(documents: Documents) -> list[Block]:
    judged = documents.judged
    error = (documents.metrics or {}).get(judged, {}).get("expected_calibration_error")
    if error is None:
        return []
    return [
        Paragraph(
            f"Expected calibration error on {judged}: {number_text(error)}. It is the mean distance of the predicted "
            "class's probability from the share of rows in which it is right, over bins of that probability."
        )
    ]


def _scaling(documents: Documents) -> list[Block]:
    decision = documents.decision
    scaling = decision["calibration"] if decision else None
    if not scaling:
        return [Paragraph("The probabilities are the model's own: this run scales none.", "note")]
    if scaling["method"] == "none":
        return [Paragraph(["The probabilities are the model's own: ", file_text(scaling["reason"]), "."], "note")]
    applied = "applied" if scaling["applied"] else "not applied"
    sentence: list[Any] = [f"{scaling['method'].capitalize()} scaling, {applied}: ", file_text(scaling["reason"]), "."]
    notes = [part for note in scaling["notes"] for part in (" ", file_text(note), ".")]
    return [Paragraph([*sentence, *_factor(scaling), *notes])]


def _factor(scaling: dict[str, Any]) -> list[Any]:
    """What a temperature means, where it is in force."""
    weight = scaling["weights"]
    if not scaling["applied"] or not isinstance(weight, float):
        return []
    before = "too unsure" if weight > 1 else "too sure"
    return [f" Log-probabilities are taken times {number_text(weight, 3)}: the model alone was {before}."]


def _table(bins: list[dict[str, Any]], has_bounds: bool, split: str, all_bins: int) -> Table:
    rows = [
        [
            Cell(number_text(line["predicted"]), is_number=True),
            number(line["observed"]),
            *([interval(line["low"], line["high"])] if has_bounds else []),
            count(line["rows"]),
        ]
        for line in bins
    ]
    header = ["predicted", "right", *(["95 % interval"] if has_bounds else []), "rows"]
    more = all_bins - len(bins)
    return Table(
        f"Bins of the predicted probability, {split}",
        header,
        rows,
        f"And {plural(more, 'bin')} between." if more else "",
    )
