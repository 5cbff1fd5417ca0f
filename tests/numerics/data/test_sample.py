"""Stratified samples of rows."""

import numpy as np
import torch

from pipeline.numerics.data.layout import Rows
from pipeline.numerics.data.sample import stratified
from tests.problems import Problem, synthetic


def _rows(problem: Problem) -> Rows:
    return Rows(problem.blocks(500), problem.levels, problem.classes, 1)


def _totals(rows: Rows) -> dict[tuple[int, int], float]:
    """Weight of every pair of level of the second category and class."""
    totals: dict[tuple[int, int], float] = {}
    for block in rows.blocks:
        weights = np.ones(len(block.labels)) if block.weights is None else block.weights.numpy()
        for level, label, weight in zip(block.codes[:, 1].tolist(), block.labels.tolist(), weights, strict=True):
            totals[level, label] = totals.get((level, label), 0.0) + weight
    return totals


def test_every_stratum_keeps_its_weight() -> None:
    """Pairs of level and class weigh what they weigh in all rows, whatever the share drawn."""
    rows = _rows(synthetic(6000))
    for target in (100, 1500, 6000):
        sample = stratified(rows, target)
        assert sample.count < 6000 or target == 6000
        expected, got = _totals(rows), _totals(sample)
        assert expected.keys() == got.keys()
        np.testing.assert_allclose([got[key] for key in expected], list(expected.values()), rtol=1e-12)


def test_a_sample_of_all_rows_is_all_rows() -> None:
    """In their order, each with weight 1."""
    rows = _rows(synthetic(1200))
    sample = stratified(rows, 1200)
    assert torch.equal(torch.cat([b.numbers for b in sample.blocks]), torch.cat([b.numbers for b in rows.blocks]))
    assert sample.total_weight == 1200
