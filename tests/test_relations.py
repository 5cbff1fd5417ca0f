"""Relations between problems whose optima are known from one another, as scikit-learn's and statsmodels' suites have.

What train/test_solvers.py has is not repeated: rows twice, a weight of 2 or 0, permutations, [X, X] / 2 with a penalty.
"""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
import torch
from scipy.special import softmax
from scipy.stats import entropy
from sklearn.linear_model import LogisticRegression

from pipeline.numerics.objective.evaluation import Evaluation
from pipeline.numerics.solvers.status import Status
from pipeline.train import baselines
from tests.problems import Problem, Solved, solve, synthetic

# f's curvature in W is at least l2, so |W - W*| <= sqrt(2 * bound / l2): 1e-6 for a bound of 5e-16 and l2 = 1e-3.
WEIGHTS = 1e-6


def _weighted(problem: Problem, seed: int = 1) -> Problem:
    """Some rows weigh 0, others up to 4."""
    weights = np.random.default_rng(seed).choice([0.0, 0.5, 1.0, 4.0], len(problem.labels))
    return replace(problem, weights=weights)


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("l1", [0.0, 4e-3])
def test_scikit_learns_c_is_as_params_yaml_says(classes: int, weighted: bool, l1: float) -> None:
    """C = 1 / (V * (l1 + l2)), V the sum of weights; with two classes, where it has one vector for two, l2/2 for l2."""
    problem, l2 = synthetic(300, 3, (3,), classes, seed=classes), 2e-2
    problem = _weighted(problem) if weighted else problem
    total = len(problem.labels) if problem.weights is None else problem.weights.sum()
    theirs = l2 / 2 if classes == 2 else l2
    reference = LogisticRegression(
        C=1 / (total * (l1 + theirs)),
        l1_ratio=l1 / (l1 + theirs),
        solver="saga" if l1 else "newton-cholesky",
        tol=1e-9 if l1 else 1e-12,
        max_iter=100_000,
        random_state=0,
    ).fit(problem.dense, problem.labels, problem.weights)
    ours = solve(problem, l1=l1, l2=l2).weights
    fitted_differences = ours[1:] - ours[:1] if classes == 2 else ours
    # saga stops by the change of W in an epoch, of which it makes hundreds.
    np.testing.assert_allclose(fitted_differences, reference.coef_, rtol=0, atol=2e-5 if l1 else WEIGHTS)


def _close(ours: np.ndarray, theirs: np.ndarray, atol: float = WEIGHTS) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)


def _probabilities(problem: Problem, solved: Solved) -> np.ndarray:
    return softmax(problem.dense @ solved.weights.T + solved.bias, axis=1)


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_frequency_weights_without_a_penalty_are_statsmodels_repeated_rows(solver: str) -> None:
    """MNLogit's parameters of the rows repeated, its log-likelihood, and that of its model without columns."""
    counts = np.random.default_rng(2).integers(0, 4, 500)
    problem = replace(synthetic(500, 3, (), 3), weights=counts.astype(np.float64))
    repeated = problem.take(np.repeat(np.arange(500), counts))
    fitted = sm.MNLogit(repeated.labels, sm.add_constant(repeated.dense)).fit(disp=0, method="newton", tol=1e-12)
    solved = solve(problem, solver=solver, l2=0.0)
    ours = np.hstack([solved.bias[:, None], solved.weights])
    assert solved.outcome.findings == ()
    _close((ours[1:] - ours[0]).T, fitted.params, atol=1e-5)  # MNLogit has no proof of its own last digits
    assert -counts.sum() * solved.objective == pytest.approx(fitted.llf, rel=1e-9)
    shares = np.bincount(repeated.labels) / counts.sum()
    final = Evaluation(-fitted.llnull / counts.sum(), 0.0, torch.zeros(0), torch.zeros(0))
    judged = baselines.judge(Status.EPOCHS_DONE, final, None, counts.sum() * shares, intercept=True)
    assert judged.status is Status.EPOCHS_DONE
    assert entropy(shares) == pytest.approx(final.cost, rel=1e-9)


def test_two_classes_without_a_penalty_are_statsmodels_binomial() -> None:
    """GLM with var_weights, of which some are 0 and some no whole numbers."""
    problem = _weighted(synthetic(500, 3, (), 2))
    model = sm.GLM(problem.labels, sm.add_constant(problem.dense), sm.families.Binomial(), var_weights=problem.weights)
    fitted, solved = model.fit(tol=1e-14), solve(problem, l2=0.0)
    _close(solved.weights[1] - solved.weights[0], fitted.params[1:], atol=1e-5)
    assert 2 * problem.weights.sum() * solved.objective == pytest.approx(fitted.deviance, rel=1e-9)


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.parametrize("l2", [0.0, 1e-2])
@pytest.mark.parametrize("intercept", [True, False])
def test_the_score_equations_hold(solver: str, l2: float, intercept: bool) -> None:
    """Predicted and observed weighted sums of every column agree but for l2 W, and of the classes where there is b."""
    problem = _weighted(synthetic(500, 2, (3,), 3))
    solved = solve(problem, solver=solver, l2=l2, intercept=intercept)
    residuals = problem.weights[:, None] * (_probabilities(problem, solved) - np.eye(3)[problem.labels])
    _close(residuals.T @ problem.dense / problem.weights.sum(), -l2 * solved.weights, atol=1e-5)
    if intercept:
        _close(residuals.mean(0), np.zeros(3), atol=1e-5)
    else:
        assert not solved.parameters.bias.any()


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_other_units_and_mixtures_of_columns_change_no_probability_without_a_penalty(solver: str) -> None:
    """x' = A x + c: W' A = W, as the likelihood knows no coordinates."""
    problem = synthetic(500, 3, (), 3)
    mixing = np.array([[2.0, 1.0, 0.0], [0.0, 0.5, 1.0], [0.0, 0.0, 4.0]])
    moved = replace(problem, numbers=(problem.numbers @ mixing.T + [1.0, -2.0, 3.0]).astype(np.float32))
    before, after = solve(problem, solver=solver, l2=0.0), solve(moved, solver=solver, l2=0.0)
    _close(after.weights @ mixing, before.weights, atol=1e-5)
    _close(_probabilities(moved, after), _probabilities(problem, before), atol=1e-5)


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_rotated_and_moved_columns_rotate_the_weights(solver: str) -> None:
    """The penalty knows lengths only, and b takes up what the columns are moved by."""
    problem = synthetic(400, 3, (), 3)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    moved = replace(problem, numbers=(problem.numbers @ rotation.T + [1.0, 0.0, -2.0]).astype(np.float32))
    before, after = solve(problem, solver=solver, l2=1e-2), solve(moved, solver=solver, l2=1e-2)
    _close(after.weights @ rotation, before.weights, atol=1e-5)  # the rotated numbers are rounded to float32
    assert after.objective == pytest.approx(before.objective, rel=1e-7)


@pytest.mark.parametrize("penalty", [{"l2": 1e-2}, {"l1": 1e-2}])
def test_a_column_of_zeros_and_a_constant_one_get_no_weight(penalty: dict[str, float]) -> None:
    """Zeros tell nothing, and b does for free what a constant could do; all else stays."""
    problem = synthetic(400, 2, (3,), 3)
    idle = np.hstack([np.zeros((400, 1)), problem.numbers, np.full((400, 1), 3.0)]).astype(np.float32)
    before, after = solve(problem, **penalty), solve(replace(problem, numbers=idle), **penalty)
    _close(after.weights[:, [0, 3]], np.zeros((3, 2)))
    _close(after.weights[:, [1, 2, 4, 5, 6]], before.weights, atol=1e-5)  # of l1 the curvature is not bounded below


def test_only_the_ratios_of_weights_matter_and_a_row_may_be_cut() -> None:
    """All weights times 0.3, and rows of weight 4 as two of weight 1 and 3."""
    problem = _weighted(synthetic(400))
    expected = solve(problem, l2=1e-2)
    _close(solve(replace(problem, weights=problem.weights * 0.3), l2=1e-2).weights, expected.weights)
    heavy = problem.weights == 4.0
    cut = problem.take(np.concatenate([np.arange(400), np.flatnonzero(heavy)]))
    parts = np.concatenate([np.where(heavy, 1.0, problem.weights), np.full(heavy.sum(), 3.0)])
    _close(solve(replace(cut, weights=parts), l2=1e-2).weights, expected.weights)


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_a_stronger_penalty_raises_the_cost_and_lowers_what_it_penalises(name: str) -> None:
    """Both in order along the path, whatever the data."""
    problem = _weighted(synthetic(400, 3, (3,), 3))
    path = [solve(problem, **{name: strength}) for strength in (1e-3, 1e-2, 1e-1)]
    norms = [np.abs(solved.weights).sum() if name == "l1" else np.linalg.norm(solved.weights) for solved in path]
    assert [solved.outcome.final.cost for solved in path] == sorted(solved.outcome.final.cost for solved in path)
    assert norms == sorted(norms, reverse=True)


def _twice() -> Problem:
    problem = synthetic(400, 3, (), 3)
    return replace(problem, numbers=np.hstack([problem.numbers, problem.numbers]) / 2)


def _a_sum() -> Problem:
    problem = synthetic(400, 3, (), 3)
    eighths = np.round(problem.numbers * 8) / 8  # so that float32 rounds no sum
    return replace(problem, numbers=np.hstack([eighths, eighths[:, :1] - 2 * eighths[:, 1:2]]))


DEPENDENT = {"twice": _twice, "a sum": _a_sum, "categories": lambda: synthetic(400, 2, (3, 4), 3)}


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.parametrize("name", DEPENDENT)
def test_one_of_many_optima_is_told_and_a_tiny_penalty_takes_the_least(solver: str, name: str) -> None:
    """To 1 % at the tolerance of params.yaml; the least is what any of them has among the rows' directions.

    The penalty itself moves W by l2 over the curvature, which is above 1e-2 in these tables.
    """
    problem = DEPENDENT[name]()
    any_of_them, least = (solve(problem, solver=solver, l2=l2, tolerance=1e-8) for l2 in (0.0, 1e-6))
    assert any_of_them.outcome.findings[-1].endswith("a train.l2 of 1e-6 takes nearly the one of least norm")
    assert not any("many W have" in sentence for sentence in least.outcome.findings)
    centred = problem.dense - problem.dense.mean(0)
    expected = any_of_them.weights @ np.linalg.pinv(centred) @ centred
    _close(least.weights, expected, atol=1e-2 * float(np.abs(expected).max()))
    _close(_probabilities(problem, any_of_them), _probabilities(problem, least), atol=1e-4)


@pytest.mark.parametrize("levels", [(), (3,)])
def test_columns_that_depend_on_none_have_one_optimum(levels: tuple[int, ...]) -> None:
    """Numbers with b, and one category without it: nothing is said, and two solvers end at the same W."""
    problem = synthetic(400, 2, levels, 3)
    newton, lbfgs = (solve(problem, solver=solver, l2=0.0, intercept=not levels) for solver in ("newton", "lbfgs"))
    assert newton.outcome.findings == lbfgs.outcome.findings == ()
    _close(newton.weights, lbfgs.weights, atol=1e-5)


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("intercept", [True, False])
def test_the_classes_weights_add_up_to_0(solver: str, classes: int, intercept: bool) -> None:
    """Whatever is common to all classes changes no probability and costs penalty; of two, one is minus the other."""
    solved = solve(_weighted(synthetic(300, 3, (3,), classes)), solver=solver, l2=1e-3, intercept=intercept)
    _close(solved.weights.sum(0), np.zeros(6), atol=1e-12)
    assert abs(float(solved.parameters.bias.sum())) < 1e-12


@pytest.mark.parametrize("l2", [0.0, 1e-2])
def test_columns_that_l1_leaves_at_0_may_be_left_out(l2: float) -> None:
    """The optimum of those that stay is the same."""
    problem = _weighted(synthetic(300, 12, (), 3))
    solved = solve(problem, l1=3e-2, l2=l2)
    stay = solved.weights.any(axis=0)
    assert 0 < stay.sum() < 12
    fewer = solve(replace(problem, numbers=problem.numbers[:, stay]), l1=3e-2, l2=l2)
    assert fewer.objective == pytest.approx(solved.objective, rel=1e-12)
    _close(fewer.weights, solved.weights[:, stay], atol=1e-5)  # of l1 the curvature is not bounded below


@pytest.mark.parametrize("l2", [0.0, 1e-2])
def test_next_to_no_l1_is_none(l2: float) -> None:
    """Elastic net ends at l2's optimum, and l1 at maximum likelihood, statsmodels' where its alpha is 0."""
    problem = synthetic(400, 3, (), 3)
    nearly, expected = solve(problem, l1=1e-12, l2=l2), solve(problem, l2=l2)
    differences = [solved.weights[1:] - solved.weights[0] for solved in (nearly, expected)]
    _close(differences[0], differences[1], atol=1e-5)
    assert nearly.objective == pytest.approx(expected.objective, rel=1e-10)


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.parametrize("l2", [0.0, 1e-2])
def test_labels_may_be_shares(solver: str, l2: float) -> None:
    """A row for each class, weighted by its share: score equations with shares, and the cost is a cross-entropy."""
    problem, random = synthetic(200, 3, (), 3), np.random.default_rng(7)
    shares = random.dirichlet(np.ones(3), 200)
    shared = replace(
        problem.take(np.repeat(np.arange(200), 3)), labels=np.tile(np.arange(3), 200), weights=shares.reshape(-1)
    )
    solved = solve(shared, solver=solver, l2=l2)
    residuals = _probabilities(problem, solved) - shares
    _close(residuals.T @ problem.dense / 200, -l2 * solved.weights)
    _close(residuals.mean(0), np.zeros(3))
    expected = entropy(shares, _probabilities(problem, solved), axis=1) + entropy(shares, axis=1)
    assert solved.outcome.final.cost == pytest.approx(expected.mean(), rel=1e-12)
