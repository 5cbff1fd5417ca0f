"""Tests of what a fit assumes: that its probabilities fit groups of rows, and that no class changes others' odds."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from pipeline import distributions, screen
from pipeline.dataset.encoder import Encoder
from pipeline.infer import contrasts
from pipeline.infer.fit import Inference
from pipeline.infer.hypotheses import PassBudget
from pipeline.infer.numerics import covariance, fit_tests, maximum
from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.fit_tests import Independence
from pipeline.infer.numerics.likelihood import Asked
from pipeline.infer.numerics.maximum import Factor, Maximum, SingularError
from pipeline.infer.numerics.rows import InferenceRows, rows_where
from pipeline.numerics.data.block import Block, Blocks, row_counts


def goodness_of_fit(inference: Inference) -> dict[str, Any] | None:
    """Fagerland, Hosmer and Bofin's, by groups of rows of equal weight; None where too few groups are left."""
    with screen.bar("goodness of fit"):
        grouped = fit_tests.goodness_of_fit(inference.rows, inference.maximum.theta, inference.reference)
    if grouped.degrees_of_freedom <= 0:
        return None
    statistic, degrees = grouped.statistic, grouped.degrees_of_freedom
    finite = statistic if statistic < float("inf") else None
    return {
        "groups": len(grouped.observed),
        "statistic": finite,
        "degrees_of_freedom": degrees,
        "p": distributions.chi_square_tail(statistic, degrees),
    }


def independence(inference: Inference, encoder: Encoder, budget: PassBudget) -> list[dict[str, Any]]:
    """Hausman and McFadden's test for each class left out but the reference, as far as passes last.

    The restricted fit's covariance is the inverse of the information that the others' rows are expected to have
    (fit_tests.py says why). Nothing for two classes, or a fit that is not of maximum likelihood.
    """
    classes = inference.rows.classes
    if classes < 3 or inference.estimator != "maximum likelihood":
        return []
    tests = []
    for left_out in range(classes):
        if left_out == inference.reference or budget.left <= 0:
            continue
        with screen.bar("independence of irrelevant alternatives"):
            result = _without(inference, left_out, budget)
        if result is not None:
            tail = distributions.chi_square_tail(result.statistic, max(1, result.degrees_of_freedom))
            tests.append(
                {
                    "class_left_out": encoder.classes[left_out],
                    "statistic": result.statistic,
                    "degrees_of_freedom": result.degrees_of_freedom,
                    "p": tail if result.degrees_of_freedom and result.meets_assumptions else None,
                }
            )
    return tests


def _without(inference: Inference, left_out: int, budget: PassBudget) -> Independence | None:
    """None where the fit without the class has no maximum."""
    rows, design = inference.rows, inference.design
    others = [label for label in range(rows.classes) if label != left_out]
    labels = [others.index(label) for label in design.labels.tolist() if label != left_out]
    restricted = Design(design.columns, torch.tensor(labels), (rows.columns + 1, len(others)))
    left = InferenceRows(_blocks(rows, left_out), rows.levels, len(others), rows.threads, rows.intercept)
    start = left.centred(rows.from_centred(inference.maximum.theta)[:, others])
    try:
        reached = maximum.maximise(left, restricted, start, Asked(), most_passes=budget.left)
        expected = fit_tests.information_of_others(rows, inference.maximum.theta, left_out, restricted)
        of_restricted = Factor(expected).inverse()
    except SingularError:
        return None
    budget.left -= reached.passes + 1
    if not reached.converged:
        return None
    in_full, in_restricted = fit_tests.common_entries(design, restricted, others)
    units = contrasts.encoded_units(inference)
    covariance_of_restricted = covariance.in_units(of_restricted, restricted, *units)
    covariance_of_full = covariance.in_units(inference.maximum.factor.inverse(), design, *units)
    return fit_tests.independence(
        _vector(left, restricted, reached)[in_restricted],
        covariance_of_restricted[in_restricted][:, in_restricted],
        _vector(rows, design, inference.maximum)[in_full],
        covariance_of_full[in_full][:, in_full],
    )


def _vector(rows: InferenceRows, design: Design, reached: Maximum) -> Tensor:
    return design.vector(rows.from_centred(reached.theta))


def _blocks(rows: InferenceRows, left_out: int) -> Sequence[Block]:
    """Rows of other labels, the labels above it one less."""
    others = rows_where(rows.blocks, lambda block: block.labels != left_out, rows.threads)

    def build(place: int) -> Block:
        block = others[place]
        return replace(block, labels=block.labels - (block.labels > left_out).to(torch.int64))

    return Blocks(build, row_counts(others))
