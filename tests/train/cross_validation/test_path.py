"""Cross-validation against scikit-learn on the same folds, and what must hold of paths of models."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, PredefinedSplit

from pipeline.commands.sweep import command, params
from pipeline.dataset import reader
from pipeline.errors import UserError
from pipeline.numerics.solvers import loop
from pipeline.train import class_weights, packing, solvers
from pipeline.train.cross_validation import folds
from pipeline.train.params import TrainParams
from tests.problems import Problem, numbers_only, solve, standardised, synthetic
from tests.train.cross_validation.test_folds import prepared

L2 = [1.0, 0.1, 0.01, 1e-3]

# Proven: |W - W*| <= sqrt(2 * 1e-15 / l2) <= 1.5e-6 at the weakest l2, of which log losses show the square at a minimum
# and less than all of it elsewhere; scikit-learn's tol of 1e-12 leaves less.
LOG_LOSS = 1e-6


def train_params(**changes: object) -> TrainParams:
    chosen = {"solver": "auto", "seed": 0, "epochs": 1000, "snapshot_every": 1, "tolerance": 1e-15}
    return TrainParams(**(chosen | changes))


def swept(data: reader.Dataset, count: int = 5, values: list[float] = L2, **changes: object) -> command.Swept:
    return command.sweep(
        data, params.SweepParams(l2=params.Penalties(values=values), folds=count), train_params(**changes)
    )


def cut_rows(data: reader.Dataset, problem: Problem, count: int, **changes: object) -> tuple[np.ndarray, ...]:
    """The training rows as scikit-learn takes them, x dense, labels, weights and the fold of each row."""
    cut = folds.cut(data, class_weights.class_weights(train_params(**changes), data), count, 0)
    starts = np.cumsum([problem.numbers.shape[1], *problem.levels])[: len(problem.levels)]
    codes = np.vstack([block.codes.numpy() for block in cut.blocks]) - starts
    numbers = np.vstack([block.numbers.numpy() for block in cut.blocks])
    labels = np.concatenate([block.labels.numpy() for block in cut.blocks])
    weights = np.concatenate([np.ones(len(b.labels)) if b.weights is None else b.weights.numpy() for b in cut.blocks])
    owners = np.repeat(cut.fold_of_block, [len(block.labels) for block in cut.blocks])
    return Problem(numbers, codes, labels, problem.levels).dense, labels, weights, owners


def looped(x: np.ndarray, labels: np.ndarray, weights: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Validation log losses, (l2, folds), by a plain loop over scikit-learn's models, each from 0."""
    losses = np.empty((len(L2), owners.max() + 1))
    for row, l2 in enumerate(L2):
        for fold in range(losses.shape[1]):
            inside, outside = owners == fold, owners != fold
            model = LogisticRegression(
                C=1 / (weights[outside].sum() * l2), tol=1e-12, max_iter=5000, solver="newton-cg"
            )
            model.fit(x[outside], labels[outside], sample_weight=weights[outside])
            probabilities = model.predict_proba(x[inside])
            losses[row, fold] = log_loss(
                labels[inside], probabilities, sample_weight=weights[inside], labels=model.classes_
            )
    return losses


def losses_of(result: command.Swept) -> np.ndarray:
    return np.array([[fit.log_loss for fit in line.folds] for line in result.lines])


@pytest.mark.slow
def test_scores_and_choice_are_those_of_grid_search(tmp_path: Path) -> None:
    """GridSearchCV on the same folds, which are equally large, so that one C stands for one l2."""
    wine = load_wine()
    problem = numbers_only(standardised(wine.data), wine.target).take(np.arange(1, 176))
    data = prepared(tmp_path / "wine", problem)
    x, labels, _, owners = cut_rows(data, problem, 5)
    grid = {"C": [1 / (140 * l2) for l2 in L2]}
    model = LogisticRegression(tol=1e-12, max_iter=5000, solver="newton-cg")
    search = GridSearchCV(model, grid, scoring="neg_log_loss", cv=PredefinedSplit(owners)).fit(x, labels)
    scores = np.stack([-search.cv_results_[f"split{fold}_test_score"] for fold in range(5)], axis=1)
    result = swept(data)
    np.testing.assert_allclose(losses_of(result), scores, rtol=0, atol=LOG_LOSS)
    means, errors = scores.mean(1), scores.std(1, ddof=1) / np.sqrt(5)
    assert result.lowest == search.best_index_ == means.argmin()
    assert result.chosen == np.flatnonzero(means <= means.min() + errors[means.argmin()])[0]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["categories", "weights", "balanced", "wide", "repeated"])
def test_log_losses_are_scikit_learns(tmp_path: Path, case: str) -> None:
    """Categories, sample weights, class weights, fewer rows than half the columns, repeated rows: fold by fold."""
    problem = synthetic(60, 200, (), 3) if case == "wide" else synthetic(300, 3, (3, 5), 3)
    changes: dict[str, object] = {"class_weight": "balanced"} if case == "balanced" else {}
    if case == "weights":
        weights = np.random.default_rng(1).integers(0, 4, 300).astype(np.float64)
        problem = Problem(problem.numbers, problem.codes, problem.labels, problem.levels, weights)
    if case == "repeated":
        problem = problem.take(np.random.default_rng(1).integers(0, 300, 400))
    data = prepared(tmp_path / "data", problem)
    expected = looped(*cut_rows(data, problem, 4, **changes))
    np.testing.assert_allclose(losses_of(swept(data, 4, **changes)), expected, rtol=0, atol=LOG_LOSS)


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_a_warm_path_is_the_cold_one_in_no_more_passes(tmp_path: Path, solver: str) -> None:
    """Each objective is the cold start's within both proven bounds; in total no more passes are made."""
    problem = synthetic(2000, 5, (4, 30), 5)
    result = swept(prepared(tmp_path / "data", problem), 2, solver=solver, tolerance=1e-8)
    cold = [solve(problem, solver=solver, l2=l2, tolerance=1e-8) for l2 in L2]
    for line, single in zip(result.lines, cold, strict=True):
        assert line.full_fit.status == single.result.status.value == "converged"
        assert single.outcome.bound is not None
        allowed = line.full_fit.relative_bound * line.full_fit.objective + single.outcome.bound
        assert abs(line.full_fit.objective - single.objective) <= allowed
    assert sum(line.full_fit.passes for line in result.lines) <= sum(single.outcome.passes for single in cold)


def test_packed_rows_are_shared_by_the_folds() -> None:
    """A part of packed rows holds the same packed blocks, and trains to the bits of the part packed alone."""
    problem = synthetic(300, 3, (4,), 3)
    all_rows = packing.pack(train_params(l2=0.01), problem.data(size=100))
    part = all_rows.part(train_params(l2=0.01), [0, 2])
    assert part.rows.packed == [all_rows.rows.packed[0], all_rows.rows.packed[2]]
    alone = problem.take(np.r_[0:100, 200:300]).data(size=100)
    ends = []
    for rows in (part, alone):
        method = solvers.CertifiedSolver(train_params(l2=0.01), rows)
        ends.append(loop.run(method, 100, lambda *_: None).parameters)
    assert ends[0].weights.equal(ends[1].weights)
    assert ends[0].bias.equal(ends[1].bias)


@pytest.mark.slow
def test_a_class_of_one_fold_is_left_out_of_its_log_loss(tmp_path: Path) -> None:
    """No model of the other folds can know the class: the finding names it, and the losses are those without it."""
    problem = synthetic(101, 3, (3,), 3)
    problem.labels[100] = 3
    data = prepared(tmp_path / "data", problem)
    result = swept(data, 4)
    (sentence,) = [text for text in result.findings if text.startswith("class 3 has rows in fold ")]
    fold = int(sentence.split("in fold ")[1].split()[0]) - 1
    x, labels, weights, owners = cut_rows(data, problem, 4)
    known = (labels != 3) | (owners != fold)
    losses = looped(x[known], labels[known], weights[known], owners[known])
    np.testing.assert_allclose(losses_of(result)[:, fold], losses[:, fold], rtol=0, atol=LOG_LOSS)
    assert np.isfinite(losses_of(result)).all()


def test_classes_of_one_row_each_cannot_be_validated(tmp_path: Path) -> None:
    """Each fold holds a class that no other has: the error says which, and what to do."""
    problem = synthetic(3, 2, (), 3)
    with pytest.raises(UserError, match=r"sweep\.folds: expected each fold .* but class \d has rows in fold 1 only"):
        swept(prepared(tmp_path / "data", problem), 3)


@pytest.mark.slow
def test_a_class_without_rows_changes_no_log_loss(tmp_path: Path) -> None:
    """A fourth class that only other splits have: its probability, at most e^-60, is lost in rounding."""
    problem = synthetic(200, 3, (3,), 3)
    without = losses_of(swept(prepared(tmp_path / "three", problem)))
    result = losses_of(swept(prepared(tmp_path / "four", problem, classes=4)))
    np.testing.assert_allclose(result, without, rtol=0, atol=1e-14)


def test_without_an_intercept_scores_are_scikit_learns(tmp_path: Path) -> None:
    """b is 0 in every model."""
    problem = synthetic(200, 3, (), 3)
    data = prepared(tmp_path / "data", problem)
    x, labels, _, owners = cut_rows(data, problem, 2)
    (line,) = swept(data, 2, [0.01], intercept=False).lines
    for fold, fit in enumerate(line.folds):
        outside = owners != fold
        model = LogisticRegression(C=1 / (outside.sum() * 0.01), tol=1e-12, solver="newton-cg", fit_intercept=False)
        model.fit(x[outside], labels[outside])
        expected = log_loss(labels[~outside], model.predict_proba(x[~outside]))
        assert fit.log_loss == pytest.approx(expected, abs=LOG_LOSS)
