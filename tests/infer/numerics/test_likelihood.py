"""One pass over all rows, against numpy over one-hot columns and against derivatives by torch."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.infer.numerics import design, likelihood
from pipeline.infer.numerics import rows as inference_rows
from pipeline.infer.numerics.likelihood import PassSums, pass_over
from pipeline.infer.numerics.rows import InferenceRows
from pipeline.numerics.data.block import Block
from pipeline.parallel.lazy import LazySequence
from tests.infer.numerics.tables import (
    EVERYTHING,
    TABLES,
    Dense,
    backwards,
    equal,
    reference,
    rows_of,
    some_theta,
    weighted,
)
from tests.problems import Problem, synthetic

CLOSE = {"rtol": 1e-11, "atol": 1e-9}


@pytest.mark.parametrize("name", TABLES)
def test_value_and_gradient_are_the_log_likelihoods(name: str) -> None:
    """With weights, over numbers about their means."""
    rows = rows_of(TABLES[name])
    theta, dense = some_theta(rows), Dense.of(TABLES[name], rows)
    sums = pass_over(rows, theta)
    p = dense.probabilities(theta.numpy())
    expected = float((dense.v * np.log(p[np.arange(len(p)), dense.labels])).sum())
    assert sums.log_likelihood == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(sums.gradient, dense.z.T @ (dense.v[:, None] * (p - dense.y)), **CLOSE)
    assert sums.information is None
    assert sums.thirds is None


@pytest.mark.parametrize("name", TABLES)
def test_information_is_the_hessian_that_torch_derives(name: str) -> None:
    """Of minus the log-likelihood, by the free entries of theta."""
    rows = rows_of(TABLES[name])
    free, theta, dense = reference(rows), some_theta(rows), Dense.of(TABLES[name], rows)
    z, v, labels = (torch.tensor(values) for values in (dense.z, dense.v, dense.labels))

    def loss(vector: torch.Tensor) -> torch.Tensor:
        of_columns = vector.view(len(free.labels), len(free.columns))
        logits = torch.zeros(len(z), rows.classes, dtype=torch.float64)
        logits = logits.index_add(1, free.labels, z[:, free.columns] @ of_columns.T)
        return -(v * torch.log_softmax(logits, 1)[torch.arange(len(z)), labels]).sum()

    vector = free.vector(theta)
    expected = torch.autograd.functional.hessian(loss, vector)
    sums = pass_over(rows, free.theta(vector), EVERYTHING)
    torch.testing.assert_close(free.matrix(rows, sums.information), expected, **CLOSE)


@pytest.mark.parametrize("weights", ["frequency", "sampling"])
@pytest.mark.parametrize("name", TABLES)
def test_scores_are_outer_products_of_rows_scores(name: str, weights: likelihood.Weights) -> None:
    """A row of weight v counts v times as a frequency, v^2 times where its score has the weight."""
    rows = rows_of(TABLES[name])
    theta, dense = some_theta(rows), Dense.of(TABLES[name], rows)
    every = design.full(rows, torch.arange(rows.columns + 1))
    scores = dense.scores(every, theta.numpy())
    share = 1.0 if weights == "sampling" else 1 / dense.v[:, None]
    sums = pass_over(rows, theta, replace(EVERYTHING, weights=weights))
    np.testing.assert_allclose(every.matrix(rows, sums.scores), (scores * share).T @ scores, **CLOSE)


@pytest.mark.parametrize("name", TABLES)
def test_thirds_and_columns_are_sums_over_rows(name: str) -> None:
    """Of products of three probabilities with each column, and of products of two columns."""
    rows = rows_of(TABLES[name])
    theta, dense = some_theta(rows), Dense.of(TABLES[name], rows)
    sums = pass_over(rows, theta, EVERYTHING)
    p, third = dense.probabilities(theta.numpy()), likelihood.triples(rows.classes).numpy()
    products = dense.v[:, None] * p[:, third].prod(2)
    np.testing.assert_allclose(sums.thirds, products.T @ dense.z, **CLOSE)
    np.testing.assert_allclose(design.gram(rows, sums.columns), dense.z.T @ (dense.v[:, None] * dense.z), **CLOSE)


def test_a_row_of_weight_two_is_the_row_twice() -> None:
    """In every sum of frequencies."""
    once = synthetic(200, 2, (3,), 3)
    twice = once.take(np.repeat(np.arange(200), 2))
    heavy = weighted(once, np.full(200, 2.0))
    one, other = (rows_of(problem) for problem in (twice, heavy))
    theta = some_theta(one)
    for a, b in zip(_tensors(pass_over(one, theta, EVERYTHING)), _tensors(_at(other, theta)), strict=True):
        torch.testing.assert_close(a, b, **CLOSE)


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("name", ["weights", "numbers"])
def test_threads_leave_no_bit(name: str, threads: int) -> None:
    """Blocks are added in whatever order they come."""
    alone, shared = rows_of(TABLES[name], 1, 50), rows_of(TABLES[name], threads, 50)
    theta = some_theta(alone)
    assert equal(_tensors(_at(alone, theta)), _tensors(_at(shared, theta)))


class _Delayed(LazySequence[Block]):
    """Blocks that come the later, the earlier they stand."""

    def __init__(self, blocks: list[Block]) -> None:
        def late(place: int) -> Block:
            time.sleep(0.002 * (len(blocks) - place))
            return blocks[place]

        super().__init__(late, len(blocks))


def test_the_order_of_blocks_leaves_no_bit() -> None:
    """Neither that in which threads are done with them, nor that in the table."""
    problem = TABLES["weights"]
    blocks = problem.blocks(50)
    alone = rows_of(problem, 1, 50)
    theta = some_theta(alone)
    for others in (backwards(blocks), _Delayed(blocks)):
        rows = InferenceRows(others, problem.levels, problem.classes, 3, True)
        assert torch.equal(rows.means, alone.means)
        assert equal(_tensors(_at(rows, theta)), _tensors(_at(alone, theta)))


def test_tiles_are_parts_of_the_same_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 rows at once, and all; 1e-11 is rounding."""
    rows = rows_of(TABLES["weights"], size=1000)
    theta = some_theta(rows)
    at_once = _tensors(_at(rows, theta))
    monkeypatch.setattr(inference_rows, "_TILE_NUMBERS", 1)
    for a, b in zip(_tensors(_at(rows, theta)), at_once, strict=True):
        torch.testing.assert_close(a, b, **CLOSE)


def test_a_sure_row_has_its_loss() -> None:
    """Logits of 800 neither overflow nor lose the tail e^-800 against 1."""
    problem = Problem(np.array([[1.0], [-1.0]], np.float32), np.zeros((2, 0), np.int64), np.array([1, 0]))
    rows = rows_of(problem)
    theta = torch.tensor([[0.0, 800.0], [0.0, 0.0]], dtype=torch.float64)
    assert pass_over(rows, theta).log_likelihood == 0.0
    assert pass_over(rows, -theta).log_likelihood == -1600.0


def _at(rows: InferenceRows, theta: torch.Tensor) -> PassSums:
    return pass_over(rows, theta, EVERYTHING)


def _tensors(sums: PassSums) -> list[torch.Tensor]:
    assert sums.information is not None
    assert sums.scores is not None
    assert sums.columns is not None
    assert sums.thirds is not None
    value = torch.tensor([sums.log_likelihood], dtype=torch.float64)
    return [value, sums.gradient, *sums.information, *sums.scores, *sums.columns, sums.thirds]
