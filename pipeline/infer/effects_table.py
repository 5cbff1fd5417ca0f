"""effects.csv: how the mean probability of each class moves with a column, and by how much that is sure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pipeline import distributions
from pipeline.dataset.columns import class_text
from pipeline.dataset.encoder import Encoder
from pipeline.infer.fit import Inference
from pipeline.infer.numerics import effects
from pipeline.infer.numerics.effects import Effects, Setting
from pipeline.infer.numerics.likelihood import Asked, pass_over
from pipeline.infer.numerics.rows import InferenceRows
from pipeline.infer.terms import Term, level_of


@dataclass(frozen=True)
class _Averaged:
    """The rows that effects are averaged over, their T of likelihood.py, the name of their level, and its column."""

    rows: InferenceRows
    thirds: Tensor
    name: str = ""
    column: str | None = None


def lines(
    inference: Inference, encoder: Encoder, confidence: float, effects_by: str | None = None
) -> Iterator[Sequence[Any]]:
    """A line for each class and number, of a unit more of it, and for each class and level, against the base level.

    Over all rows, then over those of each level of ``effects_by`` that has any, there without effects of that column.
    """
    thirds = inference.maximum.sums.thirds
    assert thirds is not None
    yield from _lines(inference, encoder, confidence, _Averaged(inference.rows, thirds))
    for term in inference.terms:
        for row in term.rows if term.column == effects_by else ():
            of_level = inference.rows.of_level(row)
            if of_level is not None:
                thirds = pass_over(of_level, inference.maximum.theta, Asked(thirds=True)).thirds
                assert thirds is not None
                averaged = _Averaged(of_level, thirds, encoder.features[row], term.column)
                yield from _lines(inference, encoder, confidence, averaged)


def _lines(inference: Inference, encoder: Encoder, confidence: float, averaged: _Averaged) -> Iterator[Sequence[Any]]:
    reach = distributions.normal_quantile(confidence)
    for column, change, effect in _effects(inference, encoder, averaged):
        errors = effects.standard_errors(effect, inference.covariance)[0]
        z = effect.values[0] / torch.where(errors > 0, errors, torch.inf)
        p = distributions.two_sided(z.numpy())
        for label, name in enumerate(encoder.classes):
            value, error = float(effect.values[0, label]), float(errors[label])
            tests = ("", "") if inference.penalised else (float(z[label]), float(p[label]))
            bounds = value - reach * error, value + reach * error
            yield class_text(name), column, change, averaged.name, value, error, *tests, *bounds


def _effects(inference: Inference, encoder: Encoder, averaged: _Averaged) -> Iterator[tuple[str, str, Effects]]:
    """(column, change, its effect in one line) of every column in the fit but the one whose level the rows have."""
    design, rows, theta = inference.design, averaged.rows, inference.maximum.theta
    free = set(design.columns.tolist())
    numbers = len(encoder.numbers)
    smooth = [
        r for term in inference.terms for r in term.rows if r < numbers and r in free and not _is_flag(encoder, r)
    ]
    of_numbers = effects.of_numbers(design, theta, averaged.thirds, smooth, rows.total_weight)
    for line, row in enumerate(smooth):
        scale = encoder.numbers[row].scale
        one = Effects(of_numbers.values[line : line + 1] / scale, of_numbers.derivatives[line : line + 1] / scale)
        yield encoder.features[row], "per unit", one
    for term in inference.terms:
        flags = [r for r in term.rows if r < rows.numbers and r in free and (r >= numbers or _is_flag(encoder, r))]
        for row in flags:
            settings = [Setting(row, value) for value in _values_of_flag(inference, encoder, row)]
            at = effects.at_settings(rows, design, theta, settings)
            yield encoder.features[row], "1 - 0" if row >= numbers else "true - false", effects.difference(at, 1, 0)
        if term.category is not None and term.column != averaged.column:
            yield from _of_levels(inference, encoder, averaged, term, free)


def _of_levels(
    inference: Inference, encoder: Encoder, averaged: _Averaged, term: Term, free: set[int]
) -> Iterator[tuple[str, str, Effects]]:
    assert term.category is not None
    levels = [row for row in term.rows if row in free]
    base = inference.bases.get(term.category, levels[0] if levels else None)
    if base is None or not levels:
        return
    rows = [base, *(row for row in levels if row != base)]
    settings = [Setting(row, category=term.category) for row in rows]
    at = effects.at_settings(averaged.rows, inference.design, inference.maximum.theta, settings)
    of_base = level_of(encoder, term, base)
    for line, row in enumerate(rows[1:], 1):
        yield term.column, f"{level_of(encoder, term, row)} - {of_base}", effects.difference(at, line, 0)


def _is_flag(encoder: Encoder, row: int) -> bool:
    return encoder.numbers[row].kind == "boolean"


def _values_of_flag(inference: Inference, encoder: Encoder, row: int) -> tuple[float, float]:
    """What false and true, or there and missing, are in z."""
    mean = float(inference.rows.means[row])
    if row >= len(encoder.numbers):
        return 0.0 - mean, 1.0 - mean
    number = encoder.numbers[row]
    return (0.0 - number.shift) / number.scale - mean, (1.0 - number.shift) / number.scale - mean


def number_means(inference: Inference) -> Tensor:
    """The means of the number columns as prepared, (p,)."""
    rows = inference.rows
    return rows.means + inference.gram[-1, : rows.numbers] / rows.total_weight
