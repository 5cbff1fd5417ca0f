"""Average marginal effects and discrete changes, against statsmodels and against differences in float64."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
import torch

from pipeline.infer.numerics import effects
from pipeline.infer.numerics.covariance import sandwich
from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.effects import Setting, at_settings, difference, of_numbers, standard_errors
from pipeline.infer.numerics.likelihood import Asked, pass_over
from pipeline.infer.numerics.maximum import Maximum
from pipeline.infer.numerics.rows import InferenceRows
from tests.infer.numerics.tables import TABLES, Dense, maximum_of, reference, rows_of, some_theta
from tests.problems import Problem, numbers_only, synthetic


def _of_numbers(rows: InferenceRows, free: Design, found: Maximum) -> effects.Effects:
    assert found.sums.thirds is not None
    return of_numbers(free, found.theta, found.sums.thirds, range(rows.numbers), rows.total_weight)


@pytest.mark.parametrize("robust", [False, True])
@pytest.mark.parametrize("classes", [2, 4])
def test_effects_of_numbers_are_those_of_statsmodels(classes: int, robust: bool) -> None:
    """With standard errors by the delta method from either covariance, to 1e-8."""
    problem = synthetic(400, 3, (), classes)
    rows = rows_of(problem)
    free = reference(rows)
    found = maximum_of(rows, free)
    assert found.sums.scores is not None
    own = sandwich(found.factor, free.matrix(rows, found.sums.scores)) if robust else found.factor.inverse()
    x = np.hstack([problem.dense, np.ones((400, 1))])
    kind = {"cov_type": "HC0"} if robust else {}
    fitted = sm.MNLogit(problem.labels, x).fit(method="newton", tol=1e-14, maxiter=100, disp=0, **kind)
    expected = fitted.get_margeff()
    of_rows = _of_numbers(rows, free, found)
    np.testing.assert_allclose(of_rows.values, expected.margeff, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(standard_errors(of_rows, own), expected.margeff_se, rtol=1e-8)


@pytest.mark.parametrize("name", ["numbers", "categories", "weights"])
def test_effects_and_their_derivatives_are_those_of_differences(name: str) -> None:
    """Central ones, of 1e-5, in theta; 1e-7 is what they leave."""
    problem = TABLES[name]
    rows = rows_of(problem)
    free, dense = reference(rows), Dense.of(problem, rows)
    found = maximum_of(rows, free)

    def mean_effects(theta: np.ndarray) -> np.ndarray:
        p = dense.probabilities(theta)
        by_row = p[:, None, :] * (theta[: rows.numbers] - np.einsum("ik,ak->ia", p, theta[: rows.numbers])[:, :, None])
        return np.einsum("i,iak->ak", dense.v, by_row) / dense.v.sum()

    of_rows = _of_numbers(rows, free, found)
    np.testing.assert_allclose(of_rows.values, mean_effects(found.theta.numpy()), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(of_rows.derivatives, _differences(free, found.theta, mean_effects), rtol=1e-6, atol=1e-7)


def _differences(free: Design, theta: torch.Tensor, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The derivative by the free entries, last."""
    columns = []
    for place in range(free.size):
        step = torch.zeros(free.size, dtype=torch.float64)
        step[place] = 1e-5
        above, below = (function((theta + sign * free.theta(step)).numpy()) for sign in (1, -1))
        columns.append((above - below) / 2e-5)
    return np.stack(columns, -1)


def _settings(rows: InferenceRows) -> list[Setting]:
    """A number at two values, and all levels of the second category."""
    first = rows.numbers + rows.first_level_rows[1]
    levels = [Setting(first + level, category=1) for level in range(rows.levels[1])]
    return [Setting(0, -60.0), Setting(0, 1.25), *levels]


def _changed(problem: Problem, rows: InferenceRows, setting: Setting) -> np.ndarray:
    z = Dense.of(problem, rows).z.copy()
    if setting.value is not None:
        z[:, setting.column] = setting.value
    else:
        first = rows.numbers + rows.first_level_rows[1]
        z[:, first : first + rows.levels[1]] = 0
        z[:, setting.column] = 1
    return z


@pytest.mark.parametrize("at_once", [1, 2, 1000])
@pytest.mark.parametrize("name", ["categories", "weights"])
def test_discrete_changes_are_differences_of_mean_probabilities(
    monkeypatch: pytest.MonkeyPatch, name: str, at_once: int
) -> None:
    """With their derivatives, and standard errors of both, in as many passes as there are settings, or one."""
    problem = TABLES[name]
    rows = rows_of(problem)
    free, dense = reference(rows), Dense.of(problem, rows)
    found = maximum_of(rows, free)
    settings = _settings(rows)
    numbers = (rows.classes * (rows.classes + 1) // 2) * (rows.columns + 1)
    monkeypatch.setattr(effects, "_NUMBERS_AT_ONCE", at_once * numbers)
    at = at_settings(rows, free, found.theta, settings)
    z = np.stack([_changed(problem, rows, setting) for setting in settings])

    def means(theta: np.ndarray) -> np.ndarray:
        logits = z @ theta
        raised = np.exp(logits - logits.max(-1, keepdims=True))
        return np.einsum("i,sik->sk", dense.v / dense.v.sum(), raised / raised.sum(-1, keepdims=True))

    own = found.factor.inverse()
    np.testing.assert_allclose(at.values, means(found.theta.numpy()), rtol=1e-11, atol=1e-15)
    derivatives = _differences(free, found.theta, means)
    np.testing.assert_allclose(at.derivatives, derivatives, rtol=1e-6, atol=1e-8)
    for line in range(1, len(settings)):
        change = difference(at, line, 0)
        np.testing.assert_allclose(change.values[0], at.values[line] - at.values[0])
        of_change = derivatives[line] - derivatives[0]
        expected = np.sqrt(np.einsum("kq,qr,kr->k", of_change, own, of_change))
        np.testing.assert_allclose(standard_errors(change, own)[0], expected, rtol=1e-6)


def test_permuted_classes_have_permuted_effects() -> None:
    """With their standard errors, though another class is the reference."""
    problem = synthetic(400, 2, (3,), 4)
    order = np.array([2, 0, 3, 1])
    permuted = Problem(problem.numbers, problem.codes, order[problem.labels], problem.levels)
    results = []
    for table in (problem, permuted):
        rows = rows_of(table)
        free = reference(rows)
        found = maximum_of(rows, free)
        own = found.factor.inverse()
        first = rows.numbers + rows.first_level_rows[0]
        at = at_settings(rows, free, found.theta, [Setting(first + level, category=0) for level in range(3)])
        every = [_of_numbers(rows, free, found), difference(at, 2, 1)]
        results.append([(of.values, standard_errors(of, own)) for of in every])
    for (values, errors), (other_values, other_errors) in zip(*results, strict=True):
        np.testing.assert_allclose(other_values[:, order], values, rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(other_errors[:, order], errors, rtol=1e-7)


def test_effects_add_up_to_nothing_over_the_classes() -> None:
    """What one class gains others lose, derivatives and all."""
    rows = rows_of(TABLES["weights"])
    free = reference(rows)
    found = maximum_of(rows, free)
    of_rows = _of_numbers(rows, free, found)
    at = at_settings(rows, free, found.theta, _settings(rows))
    assert of_rows.values.sum(1).abs().max() < 1e-14
    assert of_rows.derivatives.sum(1).abs().max() < 1e-13
    assert (at.values.sum(1) - 1).abs().max() < 1e-13
    assert at.derivatives.sum(1).abs().max() < 1e-13


def test_a_number_of_two_values_changes_as_a_category_of_two_levels() -> None:
    """The same model, the same change."""
    problem = synthetic(400, 1, (2,), 3)
    flag = numbers_only(np.stack([problem.numbers[:, 0], problem.codes[:, 0]], 1), problem.labels)
    changes = []
    for table in (problem, flag):
        rows = rows_of(table)
        free = reference(rows)
        found = maximum_of(rows, free)
        mean = float(rows.means[1]) if rows.numbers == 2 else 0.0
        values = [Setting(1, -mean), Setting(1, 1 - mean)]
        levels = [Setting(1, category=0), Setting(2, category=0)]
        at = at_settings(rows, free, found.theta, values if rows.numbers == 2 else levels)
        change = difference(at, 1, 0)
        changes.append((change.values, standard_errors(change, found.factor.inverse())))
    for one, other in zip(*changes, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_leave_no_bit_in_changes(threads: int) -> None:
    """Nor in their derivatives."""
    alone, shared = (rows_of(TABLES["weights"], count, 50) for count in (1, threads))
    theta = some_theta(alone)
    one, other = (at_settings(rows, reference(rows), theta, _settings(rows)) for rows in (alone, shared))
    assert torch.equal(one.values, other.values)
    assert torch.equal(one.derivatives, other.derivatives)


@pytest.mark.parametrize(("threads", "size"), [(1, 128), (3, 50), (2, 7)])
def test_rows_of_a_level_are_as_if_there_were_no_others(threads: int, size: int) -> None:
    """About the means of all rows: a pass over them is one over a table of these alone, at its theta; 1e-10."""
    problem = TABLES["weights"]
    rows = rows_of(problem, threads, size)
    theta = some_theta(rows)
    for level in range(rows.levels[1]):
        of_level = rows.of_level(rows.numbers + rows.first_level_rows[1] + level)
        assert of_level is not None
        alone = rows_of(problem.take(np.flatnonzero(problem.codes[:, 1] == level)))
        assert (of_level.count, of_level.total_weight) == (alone.count, alone.total_weight)
        at = at_settings(of_level, reference(rows), theta, _settings(rows)[2:])
        moved = alone.centred(rows.from_centred(theta))
        expected = at_settings(alone, reference(alone), moved, _settings(rows)[2:])
        np.testing.assert_allclose(at.values, expected.values, rtol=1e-10)
        found, other = (
            pass_over(each, at_theta, Asked(thirds=True)).thirds
            for each, at_theta in ((of_level, theta), (alone, moved))
        )
        assert found is not None
        assert other is not None
        np.testing.assert_allclose(found[:, -1], other[:, -1], rtol=1e-10)


def test_a_level_without_rows_has_none() -> None:
    """So that nothing is averaged over them."""
    problem = synthetic(100, 1, (3,), 2)
    kept = problem.take(np.flatnonzero(problem.codes[:, 0] != 1))
    rows = rows_of(replace(kept, levels=(3,)))
    assert rows.of_level(rows.numbers + 1) is None


@pytest.mark.parametrize(("threads", "size"), [(2, 50), (3, 50)])
def test_threads_leave_no_bit_in_a_level(threads: int, size: int) -> None:
    """Its rows are a table like any other."""
    results = []
    for count in (1, threads):
        rows = rows_of(TABLES["weights"], count, size)
        of_level = rows.of_level(rows.numbers)
        assert of_level is not None
        results.append(at_settings(of_level, reference(rows), some_theta(rows), _settings(rows)))
    assert torch.equal(results[0].values, results[1].values)
    assert torch.equal(results[0].derivatives, results[1].derivatives)
