"""What single rows do to a maximum, against matrices of all rows in numpy, refits, and statsmodels."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
import statsmodels.api as sm
import torch

from pipeline.infer.numerics import rows as inference_rows
from pipeline.infer.numerics.covariance import in_units, theta_in_units
from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.influence import Influence, most_influential
from pipeline.infer.numerics.likelihood import Asked
from pipeline.infer.numerics.maximum import Penalty, maximise
from pipeline.infer.numerics.rows import InferenceRows
from tests.infer.numerics.tables import (
    TABLES,
    Dense,
    backwards,
    maximum_of,
    reference,
    rows_of,
    to_x,
    weighted,
)
from tests.problems import Problem, synthetic


def _of(rows: InferenceRows, largest: int = 10_000, label: int = 0) -> tuple[Design, np.ndarray, np.ndarray, Influence]:
    """The design, theta and V of the maximum, and the rows of largest influence."""
    free = reference(rows, label)
    reached = maximum_of(rows, free, Asked())
    own = reached.factor.inverse()
    return free, reached.theta.numpy(), own.numpy(), most_influential(rows, free, reached.theta, own, largest)


def _one_step(dense: Dense, free: Design, theta: np.ndarray, row: int) -> np.ndarray:
    """The step of Newton's method from theta on the other rows, (q,)."""
    others = np.arange(len(dense.v)) != row
    left = Dense(dense.z[others], dense.labels[others], dense.y[others], dense.v[others])
    return -np.linalg.solve(left.information(free, theta), left.gradient(free, theta))


@pytest.mark.parametrize("name", TABLES)
def test_every_row_is_that_of_a_step_without_it(name: str) -> None:
    """Leverage, distance and the entry that moves most, of matrices in numpy; 1e-7 is how near the maximum is."""
    problem = TABLES[name]
    rows = rows_of(problem)
    free, theta, own, influence = _of(rows)
    dense, information = Dense.of(problem, rows), np.linalg.inv(own)
    p, count = dense.probabilities(theta), len(problem.labels)
    assert sorted(influence.positions.tolist()) == list(range(count))
    places = free.labels.numpy()
    for line, row in enumerate(influence.positions.tolist()):
        x = dense.z[row, free.columns.numpy()]
        of_classes = np.kron(np.eye(len(places)), x)  # X', (f, q)
        q = of_classes @ own @ of_classes.T
        w = dense.v[row] * (np.diag(p[row, places]) - np.outer(p[row, places], p[row, places]))
        assert float(influence.leverages[line]) == pytest.approx(np.trace(w @ q), rel=1e-9, abs=1e-13)
        if line % 7:
            continue
        step = _one_step(dense, free, theta, row)
        distance = step @ information @ step / free.size
        assert float(influence.distances[line]) == pytest.approx(distance, rel=1e-6, abs=1e-13)
        moves = step / np.sqrt(own.diagonal())
        place = int(np.abs(moves).argmax())
        assert float(influence.moves[line]) == pytest.approx(moves[place], rel=1e-6, abs=1e-8)
        if np.sort(np.abs(moves))[-2] < 0.999 * abs(moves[place]):
            e = len(free.columns)
            assert influence.moved[line].tolist() == [int(free.columns[place % e]), int(places[place // e])]
    order = influence.positions.numpy()
    np.testing.assert_allclose(influence.residuals, (dense.y - p)[order], rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(influence.probabilities, p[order, dense.labels[order]], rtol=1e-9)


@pytest.mark.parametrize("name", TABLES)
def test_leverages_add_up_to_the_number_of_coefficients(name: str) -> None:
    """Over all rows, with their weights."""
    rows = rows_of(TABLES[name])
    free, _, _, influence = _of(rows, 5)
    assert influence.total_leverage == pytest.approx(free.size, rel=1e-10)
    assert len(influence.leverages) == 5


@pytest.mark.parametrize("name", TABLES)
def test_the_spread_is_the_largest_standard_error_of_a_difference_of_logits(name: str) -> None:
    """Over rows and pairs of classes, and no other with another reference class."""
    problem = TABLES[name]
    rows = rows_of(problem)
    free, _, own, influence = _of(rows, 0)
    x = Dense.of(problem, rows).z[:, free.columns.numpy()]
    e, size = len(free.columns), len(free.labels)
    q = np.zeros((len(x), rows.classes, rows.classes))
    q[:, 1:, 1:] = np.einsum("ia,jalb,ib->ijl", x, own.reshape(size, e, size, e), x)
    diagonal = q.diagonal(axis1=1, axis2=2)
    variances = diagonal[:, :, None] + diagonal[:, None, :] - 2 * q
    assert influence.spread == pytest.approx(np.sqrt(variances.max()), rel=1e-9)
    assert _of(rows, 0, rows.classes - 1)[-1].spread == pytest.approx(influence.spread, rel=1e-7)


def test_the_order_and_the_numbers_are_near_those_of_refits() -> None:
    """Maxima without one row, by Newton's method to the end: one step gives their distances to a tenth."""
    problem = synthetic(250, 2, (3,), 3)
    rows = rows_of(problem)
    free, theta, own, influence = _of(rows)
    information = np.linalg.inv(own)
    of_refits, of_one_step = [], []
    for line, row in list(enumerate(influence.positions.tolist()))[::5]:
        left = Dense.of(problem.take(np.delete(np.arange(250), row)), rows)
        change = free.vector(torch.tensor(left.newton(free, theta) - theta)).numpy()
        of_refits.append(change @ information @ change / free.size)
        of_one_step.append(float(influence.distances[line]))
    relative = np.abs(np.array(of_one_step) / of_refits - 1)
    assert np.quantile(relative, 0.9) < 0.1
    assert np.corrcoef(np.log(of_one_step), np.log(of_refits))[0, 1] > 0.99


def test_two_classes_have_pregibons_diagnostics() -> None:
    """As statsmodels has them for a binomial regression."""
    problem = TABLES["two classes"]
    rows = rows_of(problem)
    free, _, _, influence = _of(rows)
    x = Dense.of(problem, rows).z[:, free.columns.numpy()]
    fitted = sm.GLM(problem.labels, x, sm.families.Binomial()).fit(tol=1e-14, maxiter=100)
    expected = fitted.get_influence(observed=False)
    order = influence.positions.numpy()
    np.testing.assert_allclose(influence.leverages, expected.hat_matrix_diag[order], rtol=1e-7)
    np.testing.assert_allclose(influence.distances, expected.cooks_distance[0][order], rtol=1e-7)


def test_no_reference_class_is_another_influence() -> None:
    """The same rows, leverages and distances; probabilities of 1e-30 among them."""
    problem = synthetic(400, 2, (3,), 4)
    problem = replace(problem, numbers=problem.numbers * np.float32(3))
    rows = rows_of(problem)
    one, other = _of(rows)[-1], _of(rows, label=3)[-1]
    count = 300
    assert torch.equal(one.positions[:count], other.positions[:count])
    for name in ("leverages", "distances", "residuals", "probabilities"):
        torch.testing.assert_close(
            getattr(one, name)[:count], getattr(other, name)[:count], rtol=1e-5, atol=1e-12, msg=name
        )


def test_a_penalised_fit_in_full_coding_has_influence_too() -> None:
    """V of information and penalty: leverages add up to the effective degrees of freedom."""
    problem = TABLES["categories"]
    rows = rows_of(problem)
    columns = torch.arange(rows.columns + 1)
    every = Design(columns, torch.arange(rows.classes), (rows.columns + 1, rows.classes))
    ridge = torch.ones(every.size, dtype=torch.float64)
    gauge = torch.zeros_like(ridge)
    gauge[every.places([rows.columns])] = 1.0
    ridge[every.places([rows.columns])] = 0.0
    reached = maximise(rows, every, rows.zero(), Asked(), Penalty(ridge, gauge))
    own = reached.factor.inverse()
    influence = most_influential(rows, every, reached.theta, own, 3)
    assert influence.total_leverage == pytest.approx(float((own * reached.information).sum()), rel=1e-9)
    theta, dense, row = reached.theta.numpy(), Dense.of(problem, rows), int(influence.positions[0])
    x, p = dense.z[row], dense.probabilities(theta)[row]
    w = np.kron(np.diag(p) - np.outer(p, p), np.outer(x, x))
    step = np.linalg.solve(np.linalg.inv(own.numpy()) - w, np.kron(p - dense.y[row], x))
    distance = step @ np.linalg.inv(own.numpy()) @ step / every.size
    assert float(influence.distances[0]) == pytest.approx(distance, rel=1e-6)


def test_a_row_that_alone_holds_a_coefficient_is_infinitely_far() -> None:
    """The only one of its level: without it the level has no coefficient."""
    problem = synthetic(200, 2, (3,), 3)
    codes = np.where(problem.codes == 2, 1, problem.codes)
    codes[77] = 2
    rows = rows_of(replace(problem, codes=codes))
    free = reference(rows)
    dense = Dense.of(replace(problem, codes=codes), rows)
    own = torch.tensor(np.linalg.inv(dense.information(free, rows.zero().numpy())))
    influence = most_influential(rows, free, rows.zero(), own, 2)
    assert influence.positions[0] == 77
    assert influence.distances[0] == math.inf
    assert influence.moves[0].isinf()
    assert influence.moves[1].isfinite()


def test_a_row_of_zeros_moves_nothing() -> None:
    """Without an intercept."""
    problem = synthetic(200, 2, (), 3)
    numbers = problem.numbers.copy()
    numbers[5] = 0
    rows = rows_of(replace(problem, numbers=numbers), intercept=False)
    _, _, _, influence = _of(rows)
    assert influence.positions[-1] == 5
    assert influence.leverages[-1] == influence.distances[-1] == influence.moves[-1] == 0.0


def test_of_equal_rows_the_earlier_comes_first() -> None:
    """Across blocks, and where only some of them are kept."""
    problem = synthetic(200, 2, (3,), 3)
    rows = rows_of(problem.take(np.concatenate([np.arange(200), np.arange(200)])), 3, 30)
    _, _, _, influence = _of(rows)
    assert torch.equal(influence.positions[0::2] + 200, influence.positions[1::2])
    assert torch.equal(influence.distances[0::2], influence.distances[1::2])
    for largest in (0, 1, 7):
        assert torch.equal(_of(rows, largest)[-1].positions, influence.positions[:largest])


def test_a_row_of_weight_two_is_left_out_with_its_weight() -> None:
    """Both of the rows that it stands for: twice the leverage of one of them, more than four times the distance."""
    problem = synthetic(150, 2, (), 3)
    heavy = weighted(problem, np.where(np.arange(150) == 11, 2.0, 1.0))
    twice = problem.take(np.append(np.arange(150), 11))
    of_weight, of_rows = (_of(rows_of(table))[-1] for table in (heavy, twice))
    one = int((of_weight.positions == 11).nonzero()[0])
    other = int((of_rows.positions == 11).nonzero()[0])
    assert float(of_weight.leverages[one]) == pytest.approx(2 * float(of_rows.leverages[other]), rel=1e-8)
    assert float(of_weight.distances[one]) > 4 * float(of_rows.distances[other])


def test_moves_are_those_of_the_units_asked_for() -> None:
    """b of x moves otherwise than b of z; W moves alike."""
    problem = TABLES["numbers"]
    rows = rows_of(problem)
    free, theta, own, of_z = _of(rows, 20)
    units = to_x(rows)
    influence = most_influential(rows, free, torch.tensor(theta), torch.tensor(own), 20, units)
    assert torch.equal(influence.distances, of_z.distances)
    dense, errors = Dense.of(problem, rows), in_units(torch.tensor(own), free, *units).diagonal().sqrt()
    for line, row in enumerate(influence.positions.tolist()):
        step = torch.tensor(_one_step(dense, free, theta, row))
        moves = free.vector(theta_in_units(free.theta(step), *units)) / errors
        assert float(influence.moves[line].abs()) == pytest.approx(float(moves.abs().max()), rel=1e-6)


def _tensors(influence: Influence) -> list[torch.Tensor]:
    return [torch.as_tensor(getattr(influence, field.name), dtype=torch.float64) for field in fields(influence)]


@pytest.mark.parametrize("threads", [2, 3, 11])
@pytest.mark.parametrize("name", ["numbers", "weights"])
def test_threads_leave_no_bit_in_influence(name: str, threads: int) -> None:
    """Eleven are more than there are blocks."""
    alone, shared = (rows_of(TABLES[name], count, 50) for count in (1, threads))
    for one, other in zip(_tensors(_of(alone, 30)[-1]), _tensors(_of(shared, 30)[-1]), strict=True):
        assert torch.equal(one, other)


def test_the_order_of_blocks_leaves_no_bit_in_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does the size of tiles; only positions tell."""
    problem: Problem = TABLES["weights"]
    rows = rows_of(problem, 1, 50)
    turned = InferenceRows(backwards(problem.blocks(50)), problem.levels, problem.classes, 2, True)
    one, other = _of(rows)[-1], _of(turned)[-1]
    assert torch.equal(one.distances, other.distances)
    assert one.total_leverage == other.total_leverage
    assert one.spread == other.spread
    monkeypatch.setattr(inference_rows, "_TILE_NUMBERS", 1)
    monkeypatch.setattr(inference_rows, "_FEWEST_ROWS", 7)
    free, theta, own, _ = _of(rows, 0)
    in_small_tiles = most_influential(rows, free, torch.tensor(theta), torch.tensor(own), 10_000)
    monkeypatch.undo()
    for a, b in zip(
        _tensors(in_small_tiles),
        _tensors(most_influential(rows, free, torch.tensor(theta), torch.tensor(own), 10_000)),
        strict=True,
    ):
        assert torch.equal(a, b)
