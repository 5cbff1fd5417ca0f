"""Which columns move the prediction: coefficients with intervals where `infer` has them, else those of the model."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.columns import Class
from pipeline.dataset.encoder import UNSEEN
from pipeline.model import Model
from pipeline.report.blocks import Block, Cell, Figure, Heading, Paragraph, Span, Table
from pipeline.report.charts.axes import fits
from pipeline.report.charts.rows import NamedRow, bar_chart
from pipeline.report.documents import Documents
from pipeline.report.sections import estimates
from pipeline.report.text import digits_of, file_text, name, number, number_text, plural
from pipeline.results.prepared import standard_deviations
from pipeline.scoring.column_effects import ColumnEffect, column_effects

# What the mean over classes leaves of equal coefficients.
_ROUNDING = 1e-12
_BARS, _COLUMNS, _LEVELS, _CLASSES = 15, 15, 6, 6


def blocks(documents: Documents) -> list[Block]:
    """The columns as a whole, then their coefficients."""
    model = documents.model
    if model is None:
        return [Paragraph("This run has no model.")]
    deviations = standard_deviations(documents.schema) if documents.schema else {}
    effects = [
        replace(effect, nats=0.0) if effect.nats < _ROUNDING else effect for effect in column_effects(model, deviations)
    ]
    written: list[Block] = list(_columns(effects))
    inference = documents.inference
    if inference is not None and inference["refused"] is None and documents.coefficients:
        return [*written, *estimates.blocks(documents)]
    if inference is None:
        reason = Paragraph("This run has no inference, so these are the coefficients of the model, without intervals.")
    else:
        why = inference["refused"] or "its table is empty"
        reason = Paragraph(
            ["These are the coefficients of the model, without intervals. Inference has none: ", file_text(why), "."]
        )
    return [*written, Heading("Coefficients"), reason, *_coefficients(model, effects, deviations)]


def _columns(effects: list[ColumnEffect]) -> Iterator[Block]:
    if not effects:
        yield Paragraph("The model has no columns.")
        return
    drawn_effects = [effect for effect in effects[:_BARS] if fits(effect.nats)]
    if not drawn_effects:
        yield Paragraph("The weights of the model are too large to be drawn.")
        return
    rows = [NamedRow(effect.column, effect.nats, number_text(effect.nats, 3)) for effect in drawn_effects]
    first = name(drawn_effects[0].column).text
    description = f"The column that moves the logits most is {first}, by {number_text(drawn_effects[0].nats, 3)} nats."
    title = "Columns that move the logits most"
    yield Figure(
        bar_chart(title, description, "nats", rows),
        "The largest change of a class's logit against the mean of all classes: of a number by one standard deviation, "
        "of a category from one level to another. A nat multiplies odds by 2.72.",
    )
    more = len(effects) - len(drawn_effects)
    yield Table(
        title,
        ["column", "nats", "speaks for", "by"],
        [[name(e.column), number(e.nats, 3), name(e.label), name(e.value)] for e in drawn_effects],
        f"And {plural(more, 'column')} more that move them less." if more else "",
    )


def _coefficients(model: Model, effects: list[ColumnEffect], deviations: dict[str, float]) -> Iterator[Block]:
    """Two tables of the columns that move most: per standard deviation, and numbers in their own units."""
    features = _features(model, [effect.column for effect in effects[:_COLUMNS]])
    weights = model.weights[:, features]
    centred = weights - weights.mean(axis=0)
    classes = _shown_classes(model.classes, centred)
    scales, spreads = _units(model, deviations)
    header: list[Span] = ["feature", *(name(model.classes[label], 16) for label in classes)]
    note = "Against the mean of all classes, in nats."
    if len(classes) < len(model.classes):
        note += f" The {len(classes)} of {len(model.classes):,} classes whose coefficients are largest."
    names = [name(model.features[feature]) for feature in features]
    per_deviation = centred / scales[features] * spreads[features]
    yield Table(
        "Coefficients per standard deviation; those of levels as they are",
        header,
        _rows(names, per_deviation[classes]),
        note,
    )
    numbers = [place for place, feature in enumerate(features) if feature < len(model.encoder.numbers)]
    own = (centred / scales[features])[classes][:, numbers]
    if numbers:
        rows = _rows([names[place] for place in numbers], own)
        yield Table("Coefficients of numbers, in nats per unit of the column", header, rows)


def _rows(names: list[Cell], values: NDArray[np.float64]) -> list[list[Cell]]:
    """A row a feature; ``values`` are (classes, features)."""
    rows = []
    for label, of_feature in zip(names, values.T.tolist(), strict=True):
        digits = digits_of(of_feature)
        rows.append([label, *(number(value, digits) for value in of_feature)])
    return rows


def _features(model: Model, columns: list[str]) -> list[int]:
    """The positions in W of these columns, of a category the levels of largest coefficients."""
    encoder = model.encoder
    numbers = {number.name: place for place, number in enumerate(encoder.numbers)}
    starts = {
        category.name: (int(start), category.levels)
        for category, start in zip(encoder.categories, encoder.first_columns, strict=True)
    }
    features: list[int] = []
    for column in columns:
        if column in numbers:
            features.append(numbers[column])
            continue
        start, levels = starts[column]
        own = model.weights[:, start : start + len(levels)]
        size = np.abs(own - own.mean(axis=0)).max(axis=0)
        order = [int(place) for place in np.argsort(-size, kind="stable") if levels[place] != UNSEEN]
        features += [start + place for place in order[:_LEVELS]]
    return features


def _shown_classes(classes: list[Class], centred: NDArray[np.float64]) -> list[int]:
    """All classes where they are few, else those of the largest coefficients, in their own order."""
    if len(classes) <= _CLASSES or not centred.shape[1]:
        return list(range(len(classes)))[:_CLASSES]
    largest = np.argsort(-np.abs(centred).max(axis=1), kind="stable")[:_CLASSES]
    return sorted(map(int, largest))


def _units(model: Model, deviations: dict[str, float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per feature what an encoded unit is in the column's own units, and the column's standard deviation; else 1."""
    scales, spreads = np.ones(len(model.features)), np.ones(len(model.features))
    for place, column in enumerate(model.encoder.numbers):
        scales[place] = column.scale
        spreads[place] = deviations.get(column.name, column.scale)
    return scales, spreads
