"""Firth's penalised likelihood, against autograd, scipy and published estimates."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import optimize
from torch import Tensor

from pipeline.infer.numerics import covariance, firth
from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.likelihood import Asked
from pipeline.infer.numerics.maximum import SingularError
from pipeline.infer.numerics.rows import InferenceRows
from pipeline.numerics.exact.roots import square_root
from tests.numerics.test_portable_operations import RoundingWatch
from tests.problems import Problem, numbers_only, synthetic
from tests.project import SOURCE

# NV, PI, EH and HG of 79 cases of endometrial cancer: Heinze and Schemper 2002, as Agresti 2015 has them.
ENDOMETRIAL = """
0 13 1.64 0|0 16 2.26 0|0 8 3.14 0|0 34 2.68 0|0 20 1.28 0|0 5 2.31 0|0 17 1.8 0|0 10 1.68 0|0 26 1.56 0|0 17 2.31 0|
0 8 2.01 0|0 7 1.89 0|0 20 3.15 0|0 10 1.23 0|0 18 1.27 0|0 16 1.76 0|0 18 2 0|0 8 2.64 1|0 29 0.88 1|0 12 1.27 1|
0 20 1.37 1|1 38 0.97 1|1 22 1.14 1|1 7 0.88 1|1 25 0.91 1|1 15 0.58 1|0 7 0.97 1|0 28 1.5 0|0 11 1.33 0|0 19 2.37 0|
0 10 1.82 0|0 10 3.13 0|0 18 1.31 0|0 14 1.92 0|0 21 1.64 0|0 11 2.01 0|0 17 1.88 0|0 25 1.93 0|0 16 2.11 0|0 19 1.29 0|
0 15 1.72 0|0 33 0.75 0|0 24 1.92 0|0 48 1.84 1|0 12 1.11 1|0 19 1.61 1|0 2 1.18 1|1 22 1.44 1|1 40 1.18 1|1 5 0.93 1|
1 0 1.17 1|0 21 1.19 1|0 15 1.06 1|0 29 2.02 0|0 15 2.29 0|0 12 2.33 0|0 3 2.9 0|0 20 1.7 0|0 23 1.41 0|0 12 2.25 0|
0 22 1.54 0|0 42 1.97 0|0 15 1.75 0|0 13 2.16 0|0 14 2.57 0|0 19 1.37 0|0 12 3.61 0|0 13 2.04 0|0 10 2.17 0|0 12 1.69 1|
1 49 0.27 1|0 6 1.84 1|0 5 1.3 1|0 17 0.96 1|1 11 1.01 1|1 21 0.98 1|0 5 0.35 1|1 19 1.02 1|0 33 0.85 1
"""


def _prepared(
    problem: Problem, reference: int = 0, size: int = 64, threads: int = 2, classes: int | None = None
) -> tuple[InferenceRows, Design]:
    """In reference coding; the first level of each category is its base."""
    classes = classes or problem.classes
    rows = InferenceRows(problem.blocks(size), problem.levels, classes, threads, True)
    bases = [problem.numbers.shape[1] + first for first in rows.first_level_rows]
    columns = torch.tensor([column for column in range(rows.columns + 1) if column not in bases])
    labels = torch.tensor([label for label in range(classes) if label != reference])
    return rows, Design(columns, labels, (rows.columns + 1, classes))


def _zero(design: Design) -> Tensor:
    return torch.zeros(design.shape, dtype=torch.float64)


def _fit(problem: Problem, **given: int) -> tuple[InferenceRows, Design, firth.FirthMaximum]:
    rows, design = _prepared(problem, **given)
    return rows, design, firth.maximise(rows, design, _zero(design))


def _weighted(problem: Problem) -> Problem:
    return replace(problem, weights=np.random.default_rng(1).uniform(0.5, 3.0, len(problem.labels)))


def _penalised(rows: InferenceRows, design: Design, problem: Problem, vector: Tensor) -> Tensor:
    """l + 1/2 ln det I of dense columns, for autograd."""
    x = torch.tensor(np.hstack([problem.dense, np.ones((len(problem.labels), 1))]))
    x[:, : rows.numbers] -= rows.means
    x = x[:, design.columns]
    v = torch.ones(len(x), dtype=torch.float64) if problem.weights is None else torch.tensor(problem.weights)
    logits = torch.zeros(len(x), design.shape[1], dtype=torch.float64)
    logits[:, design.labels] = x @ vector.view(len(design.labels), -1).T
    logs = logits.log_softmax(1)
    p = logs.exp()[:, design.labels]
    curvature = torch.diag_embed(p) - p[:, :, None] * p[:, None]
    information = torch.einsum("i,ijl,ia,ib->jalb", v, curvature, x, x).reshape(design.size, design.size)
    own = logs.gather(1, torch.tensor(problem.labels)[:, None])[:, 0]
    return (v * own).sum() + torch.logdet(information) / 2


def _gradient(rows: InferenceRows, design: Design, problem: Problem, vector: Tensor) -> tuple[float, Tensor]:
    with torch.enable_grad():
        at = vector.clone().requires_grad_()
        value = _penalised(rows, design, problem, at)
        (gradient,) = torch.autograd.grad(value, at)
    return float(value.detach()), gradient


TABLES = {
    "numbers": lambda: synthetic(150, 3, (), 3),
    "two classes": lambda: synthetic(120, 2, (3,), 2),
    "levels": lambda: synthetic(200, 2, (3, 4, 2), 4),
    "levels alone": lambda: replace(synthetic(200, 2, (3, 4), 3), numbers=np.zeros((200, 0), np.float32)),
    "weights": lambda: _weighted(synthetic(150, 3, (4,), 3)),
}


@pytest.mark.parametrize("table", TABLES)
def test_the_penalised_score_is_that_of_autograd(table: str) -> None:
    """At a point that is no maximum; 1e-10 is the rounding of ln det I's derivative."""
    problem = TABLES[table]()
    rows, design = _prepared(problem, reference=1)
    vector = torch.tensor(np.random.default_rng(2).normal(size=design.size))
    score = firth.penalised_score(rows, design, design.theta(vector))
    _, expected = _gradient(rows, design, problem, vector)
    torch.testing.assert_close(score, expected, rtol=1e-10, atol=1e-10 * float(expected.abs().max()))


@pytest.mark.parametrize("table", TABLES)
def test_the_maximum_is_that_of_scipy(table: str) -> None:
    """BFGS on the dense function goes where this goes; its gradient's 1e-6 leaves 1e-5 of theta."""
    problem = TABLES[table]()
    rows, design, found = _fit(problem)
    assert found.decrement <= 1e-9

    def minus(vector: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = _gradient(rows, design, problem, torch.tensor(vector))
        return -value, -gradient.numpy()

    expected = optimize.minimize(minus, np.zeros(design.size), jac=True, method="BFGS", options={"gtol": 1e-6})
    np.testing.assert_allclose(design.vector(found.theta), expected.x, rtol=1e-4, atol=1e-4)
    assert found.penalised_log_likelihood == pytest.approx(-expected.fun, abs=1e-9)
    assert found.penalised_log_likelihood >= -expected.fun - 1e-10


def test_two_classes_give_the_published_estimates() -> None:
    """Heinze and Schemper 2002, table I: NV parts the classes, so its likelihood has no maximum."""
    table = np.array([line.split() for line in ENDOMETRIAL.replace("\n", "").split("|")], dtype=np.float64)
    rows, design, found = _fit(numbers_only(table[:, :3], table[:, 3].astype(np.int64)))
    np.testing.assert_allclose(
        design.vector(rows.from_centred(found.theta)), [2.929, -0.035, -2.604, 3.775], atol=5.1e-4
    )
    scales, offsets = torch.ones(4, dtype=torch.float64), torch.cat([rows.means, torch.zeros(1, dtype=torch.float64)])
    variances = covariance.in_units(found.factor.inverse(), design, scales, offsets).diagonal().clone()
    np.testing.assert_allclose(square_root(variances), [1.551, 0.040, 0.776, 1.489], atol=6e-4)


def _tutorial() -> Problem:
    table = np.loadtxt(SOURCE / "data/raw/tutorial.csv", delimiter=",", skiprows=1)
    return numbers_only(table[:, :4], table[:, 4].astype(np.int64))


def _separated() -> Problem:
    x = np.random.default_rng(0).normal(size=(300, 3))
    return numbers_only(x, np.digitize(x[:, 0], [-0.5, 0.7]))


def _without_a_level() -> Problem:
    """No row of the third class has the second level, and none of the first class the fourth."""
    problem = synthetic(200, 2, (4, 3), 3)
    labels = np.where((problem.codes[:, 0] == 1) & (problem.labels == 2), 1, problem.labels)
    return replace(problem, labels=np.where((problem.codes[:, 0] == 3) & (labels == 0), 1, labels))


SEPARABLE = {"tutorial": _tutorial, "a column": _separated, "a level": _without_a_level}


@pytest.mark.parametrize("table", SEPARABLE)
@pytest.mark.parametrize("size", [3, 1000])
def test_separable_tables_have_a_maximum(table: str, size: int) -> None:
    """There autograd's gradient is 0, in units of standard errors; and it is finite."""
    problem = SEPARABLE[table]()
    rows, design, found = _fit(problem, size=size)
    assert found.converged
    assert float(found.theta.abs().max()) < 1000
    _, gradient = _gradient(rows, design, problem, design.vector(found.theta))
    assert float((gradient @ found.factor.inverse() @ gradient).sqrt()) < 1e-6


def test_a_class_without_rows_has_an_estimate() -> None:
    """The prior is its only row."""
    _, _, found = _fit(synthetic(100, 2, (), 3), classes=4)
    assert found.converged
    assert float(found.theta.abs().max()) < 20


@pytest.mark.parametrize("table", ["tutorial", "a level"])
def test_a_weight_of_two_is_the_row_twice(table: str) -> None:
    """To 1e-7 of theta: two ways to one maximum."""
    problem = SEPARABLE[table]()
    counts = np.random.default_rng(0).integers(1, 3, len(problem.labels))
    rows, _, found = _fit(replace(problem, weights=counts.astype(np.float64)))
    others, _, twice = _fit(problem.take(np.repeat(np.arange(len(counts)), counts)))
    torch.testing.assert_close(rows.from_centred(found.theta), others.from_centred(twice.theta), rtol=1e-7, atol=1e-7)
    assert found.penalised_log_likelihood == pytest.approx(twice.penalised_log_likelihood, rel=1e-10)
    torch.testing.assert_close(found.factor.inverse().diagonal(), twice.factor.inverse().diagonal(), rtol=1e-7, atol=0)


@pytest.mark.parametrize("table", SEPARABLE)
def test_another_reference_class_gives_the_same_probabilities(table: str) -> None:
    """To the 1e-9 standard errors that either is from the maximum."""
    problem = SEPARABLE[table]()
    found = []
    for reference in (0, 2):
        rows, _, maximum = _fit(problem, reference=reference)
        found.append(torch.cat([rows.probabilities(rows.tile(block), maximum.theta) for block in rows.blocks]))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-7)


@pytest.mark.parametrize("table", ["levels", "weights"])
def test_threads_leave_no_bit_changed(table: str) -> None:
    """Of theta, the information and the penalised log-likelihood."""
    results = []
    for threads in (1, 2, 3):
        _, _, found = _fit(TABLES[table](), size=32, threads=threads)
        results.append((found.theta, found.information, found.penalised_log_likelihood, found.decrement, found.passes))
    for theta, information, *others in results[1:]:
        assert torch.equal(theta, results[0][0])
        assert torch.equal(information, results[0][1])
        assert others == list(results[0][2:])


def test_every_operation_rounds_alike_everywhere() -> None:
    """Seen by the mode that refuses others."""
    rows, design = _prepared(_weighted(_without_a_level()), threads=1)
    with RoundingWatch() as watching:
        found = firth.maximise(rows, design, _zero(design), Asked(scores=True))
    assert found.converged
    assert not watching.refused, "\n".join(sorted(watching.refused))


def test_the_last_pass_adds_up_what_is_asked_for() -> None:
    """At the maximum, where nothing else changes."""
    rows, design = _prepared(_tutorial())
    plain = firth.maximise(rows, design, _zero(design))
    asked = firth.maximise(rows, design, _zero(design), Asked(scores=True, thirds=True))
    assert asked.sums.scores is not None
    assert asked.sums.thirds is not None
    assert torch.equal(asked.theta, plain.theta)
    assert asked.passes == plain.passes + 1


def test_passes_end_where_they_are_told_to() -> None:
    """With the best point so far, which says that it is none."""
    rows, design = _prepared(_tutorial())
    found = firth.maximise(rows, design, _zero(design), most_passes=7)
    assert not found.converged
    assert found.passes <= 8


def test_columns_that_follow_from_others_have_no_estimate() -> None:
    """No prior makes them apart."""
    problem = synthetic(100, 2, (), 3)
    rows, design = _prepared(replace(problem, numbers=problem.numbers[:, [0, 1, 0]]))
    with pytest.raises(SingularError):
        firth.maximise(rows, design, _zero(design))
