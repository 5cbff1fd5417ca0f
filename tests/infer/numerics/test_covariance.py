"""Covariances of theta, against statsmodels, and what they must not depend on."""

from collections.abc import Sequence

import numpy as np
import pytest
import statsmodels.api as sm
import torch

from pipeline.infer.numerics import covariance
from pipeline.infer.numerics.covariance import cluster_scores, in_units, sandwich, theta_in_units
from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.maximum import Maximum
from pipeline.infer.numerics.rows import InferenceRows
from tests.infer.numerics.tables import (
    TABLES,
    Dense,
    maximum_of,
    reference,
    rows_of,
    some_theta,
    to_x,
    weighted,
)
from tests.problems import Problem, synthetic

GROUPS = 40
UNWEIGHTED = ["numbers", "two classes", "categories"]


def _groups(problem: Problem) -> np.ndarray:
    """Clusters that every one has rows of all over the table."""
    count = len(problem.labels)
    return np.random.default_rng(4).permutation(np.arange(count) % GROUPS)


def _by_block(ids: np.ndarray, size: int = 128) -> Sequence[torch.Tensor]:
    return torch.split(torch.tensor(ids), size)


def _statsmodels(problem: Problem, free: Design, **robust: object) -> np.ndarray:
    x = np.hstack([problem.dense, np.ones((len(problem.labels), 1))])[:, free.columns.numpy()]
    fitted = sm.MNLogit(problem.labels, x).fit(method="newton", tol=1e-9, maxiter=100, disp=0, **robust)
    return np.asarray(fitted.cov_params())


@pytest.mark.parametrize("kind", ["model", "robust", "cluster"])
@pytest.mark.parametrize("name", UNWEIGHTED)
def test_covariances_of_x_are_those_of_statsmodels(name: str, kind: str) -> None:
    """To 1e-8 of the largest; clusters but for the factor of small samples, G / (G - 1) (n - 1) / (n - q)."""
    problem = TABLES[name]
    rows = rows_of(problem)
    free = reference(rows)
    found = maximum_of(rows, free)
    assert found.sums.scores is not None
    ids, n = _groups(problem), len(problem.labels)
    if kind == "model":
        own, expected = found.factor.inverse(), _statsmodels(problem, free)
    elif kind == "robust":
        own = sandwich(found.factor, free.matrix(rows, found.sums.scores))
        expected = _statsmodels(problem, free, cov_type="HC0")
    else:
        own = sandwich(found.factor, cluster_scores(rows, found.theta, free, _by_block(ids), GROUPS))
        own = own * (GROUPS / (GROUPS - 1) * (n - 1) / (n - free.size))
        expected = _statsmodels(problem, free, cov_type="cluster", cov_kwds={"groups": ids})
    of_x = in_units(own, free, *to_x(rows)).numpy()
    np.testing.assert_allclose(of_x, expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())
    np.testing.assert_allclose(np.sqrt(of_x.diagonal()), np.sqrt(expected.diagonal()), rtol=1e-8)


@pytest.mark.parametrize("name", TABLES)
def test_cluster_scores_are_outer_products_of_sums(name: str) -> None:
    """Of rows' scores with their weights."""
    problem = TABLES[name]
    rows = rows_of(problem)
    free, theta, ids = reference(rows), some_theta(rows), _groups(problem)
    sums = np.eye(GROUPS)[ids].T @ Dense.of(problem, rows).scores(free, theta.numpy())
    scores = cluster_scores(rows, theta, free, _by_block(ids), GROUPS)
    np.testing.assert_allclose(scores, sums.T @ sums, rtol=1e-10, atol=1e-8)


def test_clusters_of_one_row_are_rows() -> None:
    """The robust covariance, where weights are sampling weights."""
    problem = weighted(synthetic(200, 2, (3,), 3))
    rows = rows_of(problem)
    free, theta = reference(rows), some_theta(rows)
    rows_scores = Dense.of(problem, rows).scores(free, theta.numpy())
    scores = cluster_scores(rows, theta, free, _by_block(np.arange(200)), 200)
    np.testing.assert_allclose(scores, rows_scores.T @ rows_scores, rtol=1e-10, atol=1e-8)


@pytest.mark.parametrize("clusters_at_once", [1, 7, 39])
@pytest.mark.parametrize("threads", [1, 3])
def test_rounds_and_threads_leave_no_bit_in_cluster_scores(
    monkeypatch: pytest.MonkeyPatch, clusters_at_once: int, threads: int
) -> None:
    """However few clusters' sums are held at once."""
    problem = TABLES["weights"]
    rows = rows_of(problem, threads)
    free, theta, ids = reference(rows), some_theta(rows), _by_block(_groups(problem))
    at_once = cluster_scores(rows_of(problem), theta, free, ids, GROUPS)
    assert torch.equal(cluster_scores(rows, theta, free, ids, GROUPS), at_once)
    size = 8 * rows.classes * (rows.columns + 1)
    monkeypatch.setattr(covariance, "_CLUSTER_BYTES", clusters_at_once * size)
    assert torch.equal(cluster_scores(rows, theta, free, ids, GROUPS), at_once)


def test_a_round_without_rows_adds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers of clusters may have gaps."""
    problem = TABLES["numbers"]
    rows = rows_of(problem)
    free, theta = reference(rows), some_theta(rows)
    ids = _groups(problem)
    expected = cluster_scores(rows, theta, free, _by_block(ids), GROUPS)
    monkeypatch.setattr(covariance, "_CLUSTER_BYTES", 1)
    torch.testing.assert_close(
        cluster_scores(rows, theta, free, _by_block(3 * ids), 3 * GROUPS), expected, rtol=1e-12, atol=1e-12
    )


def test_doubled_rows_halve_variances() -> None:
    """Of frequency weights 2, and of rows that stand twice."""
    problem = synthetic(200, 2, (3,), 3)
    once, twice = rows_of(problem), rows_of(weighted(problem, np.full(200, 2.0)))
    free = reference(once)
    one, other = (maximum_of(rows, free) for rows in (once, twice))
    np.testing.assert_allclose(2 * other.factor.inverse(), one.factor.inverse(), rtol=1e-9, atol=1e-12)
    robust = [sandwich(found.factor, _middle(rows, free, found)) for rows, found in ((once, one), (twice, other))]
    np.testing.assert_allclose(2 * robust[1], robust[0], rtol=1e-9, atol=1e-12)


def _middle(rows: InferenceRows, free: Design, found: Maximum) -> torch.Tensor:
    assert found.sums.scores is not None
    return free.matrix(rows, found.sums.scores)


@pytest.mark.parametrize("robust", [False, True])
def test_no_reference_class_is_another_covariance(robust: bool) -> None:
    """Of differences of two classes, theta_j - theta_l: 0 of the reference itself, whichever it is."""
    rows = rows_of(TABLES["categories"])
    differences = []
    for label in range(rows.classes):
        free = reference(rows, label)
        found = maximum_of(rows, free)
        own = sandwich(found.factor, _middle(rows, free, found)) if robust else found.factor.inverse()
        full = torch.zeros(rows.classes, len(free.columns), rows.classes, len(free.columns), dtype=torch.float64)
        e = len(free.columns)
        full[free.labels[:, None], :, free.labels] = own.view(len(free.labels), e, len(free.labels), e).permute(
            0, 2, 1, 3
        )
        differences.append(full[1, :, 1] - full[1, :, 2] - full[2, :, 1] + full[2, :, 2])
    for other in differences[1:]:
        np.testing.assert_allclose(other, differences[0], rtol=1e-8, atol=1e-12)


def test_units_change_theta_and_covariance_alike() -> None:
    """As the linear map from one to the other: J V J'."""
    rows = rows_of(TABLES["weights"])
    free = reference(rows)
    random = np.random.default_rng(0)
    scales, offsets = (
        torch.tensor(random.uniform(0.1, 9, rows.columns + 1)),
        torch.tensor(random.normal(size=rows.columns + 1)),
    )
    scales[-1], offsets[-1] = 1.0, 0.0
    offsets[rows.numbers + rows.first_level_rows[0]] = 0.0
    unit = torch.eye(free.size, dtype=torch.float64)
    jacobian = torch.stack([free.vector(theta_in_units(free.theta(one), scales, offsets)) for one in unit], 1)
    root = torch.tensor(random.normal(size=(free.size, free.size)))
    own = root @ root.T
    torch.testing.assert_close(
        in_units(own, free, scales, offsets), jacobian @ own @ jacobian.T, rtol=1e-11, atol=1e-11
    )


def test_theta_in_units_leaves_the_logits() -> None:
    """Of u = (z + offset) scale, here x."""
    problem = TABLES["numbers"]
    rows = rows_of(problem)
    theta, dense = some_theta(rows), Dense.of(problem, rows)
    x = np.hstack([problem.dense, np.ones((len(problem.labels), 1))])
    of_x = theta_in_units(theta, *to_x(rows))
    np.testing.assert_allclose(x @ of_x.numpy(), dense.z @ theta.numpy(), rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(of_x, rows.from_centred(theta))
    torch.testing.assert_close(rows.centred(of_x), theta, rtol=1e-12, atol=1e-12)
