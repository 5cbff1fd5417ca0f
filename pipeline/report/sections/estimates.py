"""The coefficients that `infer` has errors of, and the effects on the probabilities of classes."""

from collections.abc import Iterator
from typing import Any

from pipeline.dataset.columns import class_text
from pipeline.model import Model
from pipeline.report.blocks import Block, Figure, Heading, Listing, Paragraph, Table
from pipeline.report.charts.axes import fits
from pipeline.report.charts.rows import NamedRow, interval_chart
from pipeline.report.documents import Documents
from pipeline.report.text import file_text, interval, name, number, p_value, plural, share_text
from pipeline.results.inference import INTERCEPT

_DRAWN, _LEVELS, _LINES, _SENTENCES = 20, 8, 60, 8

_Line = dict[str, Any]


def blocks(documents: Documents) -> list[Block]:
    """What the table is of, a chart of the largest, their numbers, effects."""
    inference, model = documents.inference, documents.model
    assert inference is not None
    assert model is not None
    reference = class_text(inference["reference"])
    lines = [
        line
        for line in documents.coefficients or []
        if line["feature"] != INTERCEPT and line["reference"] == reference and _is_known(line)
    ]
    confidence = share_text(inference["confidence"]).replace(".0%", " %")
    written: list[Block] = [Heading("Coefficients with intervals")]
    written.append(Listing([[file_text(sentence), "."] for sentence in inference["sentences"][:_SENTENCES]]))
    if not lines:
        return [*written, Paragraph("coefficients.csv has no line against the reference class.")]
    return [
        *written,
        *_chart(lines, reference, confidence),
        *_table(lines, model, reference, confidence),
        *_effects(documents.effects or [], confidence),
    ]


def _is_known(line: _Line) -> bool:
    """Whether there are numbers that a chart can hold; coefficients that are no result may be of any size."""
    values = [line[key] for key in ("estimate", "low", "high")]
    return None not in values and all(map(fits, (*values, *_per_deviation(line))))


def _per_deviation(line: _Line) -> tuple[float, float, float]:
    """Estimate and bounds per standard deviation of the column; in own units where an earlier run has no others."""
    error, scaled = line["standard_error"], line["standard_error_per_deviation"]
    if not error or scaled is None or line["estimate_per_deviation"] is None:
        return line["estimate"], line["low"], line["high"]
    factor = scaled / error
    return line["estimate_per_deviation"], line["low"] * factor, line["high"] * factor


def _size(line: _Line) -> float:
    return abs(_per_deviation(line)[0])


def _chart(lines: list[_Line], reference: str, confidence: str) -> Iterator[Block]:
    drawn = sorted(lines, key=lambda line: -_size(line))[:_DRAWN]
    rows = []
    for line in drawn:
        value, low, high = _per_deviation(line)
        label = f"{name(line['feature'], 20).text}: {name(line['class'], 12).text}"
        rows.append(NamedRow(label, value, low=low, high=high))
    largest = drawn[0]
    value, low, high = _per_deviation(largest)
    description = (
        f"The largest of {len(lines):,} is {name(largest['feature']).text} for class {name(largest['class']).text}: "
        f"{interval(low, high, 3).text} nats around {number(value, 3).text}."
    )
    title = f"Estimates with their {confidence} intervals"
    axis = "nats per standard deviation"
    yield Figure(
        interval_chart(title, description, axis, rows),
        f"Each for a class against class {name(reference).text}. An interval that meets the line at 0 leaves the "
        "direction open.",
    )


def _table(lines: list[_Line], model: Model, reference: str, confidence: str) -> Iterator[Block]:
    """By column, those of the largest estimates first, and of a category its largest levels."""
    groups: dict[str, list[_Line]] = {}
    columns = _columns_of(model)
    for line in lines:
        feature: str = line["feature"]
        groups.setdefault(columns.get(feature, feature), []).append(line)
    chosen_lines: list[_Line] = []
    for group in sorted(groups.values(), key=lambda group: -max(map(_size, group))):
        by_feature: dict[str, list[_Line]] = {}
        for line in group:
            by_feature.setdefault(line["feature"], []).append(line)
        largest = sorted(by_feature.values(), key=lambda own: -max(map(_size, own)))
        chosen_lines += [line for own in largest[:_LEVELS] for line in own]
    rows = [
        [
            name(line["feature"]), name(line["class"], 20), number(line["estimate"]),
            interval(line["low"], line["high"], 3), number(_per_deviation(line)[0], 3), p_value(line["p"]),
        ]
        for line in chosen_lines[:_LINES]
    ]  # fmt: skip
    more = len(lines) - len(rows)
    yield Table(
        f"Coefficients against class {name(reference).text}, in nats per unit of the column",
        ["feature", "class", "estimate", f"{confidence} interval", "per deviation", "p"],
        rows,
        f"And {plural(more, 'coefficient')} more in coefficients.csv." if more else "",
    )


def _columns_of(model: Model) -> dict[str, str]:
    """The column of the table that each feature comes from."""
    encoder = model.encoder
    columns = {number.name: number.column for number in encoder.numbers}
    columns |= {f"{number.name} missing": number.column for number in encoder.indicators}
    return columns | {f"{each.name}={level}": each.name for each in encoder.categories for level in each.levels}


def _effects(lines: list[_Line], confidence: str) -> Iterator[Block]:
    """Average marginal effects over all rows, the largest first."""
    known = [line for line in lines if not line["by"] and line["effect"] is not None]
    if not known:
        return
    columns: dict[str, float] = {}
    for line in known:
        columns[line["column"]] = max(columns.get(line["column"], 0.0), abs(line["effect"]))
    ordered = sorted(known, key=lambda line: (-columns[line["column"]], line["column"]))
    rows = [
        [
            name(line["column"]), name(line["change"], 30), name(line["class"], 20), number(line["effect"]),
            interval(line["low"], line["high"]), p_value(line["p"]),
        ]
        for line in ordered[:_LINES]
    ]  # fmt: skip
    more = len(known) - len(rows)
    yield Heading("Effects on probabilities")
    yield Table(
        "Change of a class's mean probability over the training rows",
        ["column", "change", "class", "effect", f"{confidence} interval", "p"],
        rows,
        f"And {plural(more, 'effect')} more in effects.csv." if more else "",
    )
