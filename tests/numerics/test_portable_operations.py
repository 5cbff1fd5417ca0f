"""Nothing that decides a number of a model rounds as a processor, a library or a thread likes.

Trainings of every kind run under a mode that sees each operation of torch: on floats only those are allowed that move
numbers, compare them, or round once. What rounds more often is numpy's and C's in pipeline/arithmetic, which the mode
does not see. numpy's and Python's own functions are found in the source.
"""

import ast
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pipeline.infer.numerics import covariance, design, effects, inflation, maximum
from pipeline.infer.numerics.influence import most_influential
from pipeline.infer.numerics.likelihood import pass_over
from pipeline.numerics.curvature.arrowhead import cholesky
from pipeline.numerics.curvature.class_blocks import ClassBlocks
from pipeline.numerics.curvature.preconditioners import ByClass, Diagonal, Kronecker
from pipeline.numerics.data.block import Parameters
from pipeline.numerics.data.layout import Rows
from pipeline.numerics.objective.packed import PackedObjective
from pipeline.numerics.objective.plain import PlainObjective
from pipeline.numerics.solvers import bias_step, quadratic_model
from pipeline.numerics.solvers.lbfgs import SampledPreconditioner
from pipeline.numerics.solvers.quasi_newton import QuasiNewton
from pipeline.numerics.solvers.status import Status
from pipeline.train import initial_point
from pipeline.train.cross_validation import folds, path
from pipeline.train.fit import fit
from pipeline.train.params import TrainParams
from pipeline.training_rows.rows import TrainingRows
from tests.infer.numerics.tables import EVERYTHING, maximum_of, reference, rows_of, to_x
from tests.problems import Problem, numbers_only, solve, synthetic
from tests.project import SOURCE
from tests.train.cross_validation.test_folds import prepared

_MOVING = """
alias as_strided cat clone contiguous copy copy_to detach diag diag_embed diagonal empty empty_like expand expand_as eye
fill fill_diagonal flatten flip full full_like gather index index_copy index_select item lift_fresh mT
matrix_H narrow new_empty new_full new_ones new_zeros numpy_T ones ones_like permute repeat repeat_interleave reshape
resolve_conj resolve_neg roll scalar_tensor select slice split split_with_sizes squeeze stack t to transpose tril triu
unbind unsqueeze view view_as where zero zeros zeros_like _local_scalar_dense _reshape_alias _to_copy _unsafe_view
"""
_COMPARING = """
all amax amin aminmax any argmax argmin argsort clamp clamp_max clamp_min eq equal ge gt isfinite isinf isnan le lt max
maximum median min minimum ne nonzero searchsorted sign sort
"""
# A draw from [0, 1) is 24 or 53 bits of the generator; torch does not compute with it.
_ROUNDING_ONCE = "abs ceil div frexp mul neg outer rand round square"

OWN = (SOURCE / "pipeline", SOURCE / "tests")


class RoundingWatch(TorchDispatchMode):
    """The operations on floats that are not allowed, each with the line of ours that asked for it."""

    allowed = frozenset(f"{_MOVING} {_COMPARING} {_ROUNDING_ONCE}".split())

    def __init__(self) -> None:
        super().__init__()
        self.operations: set[str] = set()
        self.refused: set[str] = set()

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = operation(*args, **(kwargs or {}))
        name = operation._schema.name.removeprefix("aten::").removesuffix("_")
        self.operations.add(name)
        if name not in self.allowed and _has_floats((args, kwargs, result)):
            given = dict(zip((argument.name for argument in operation._schema.arguments), args, strict=False))
            if not _is_exact(name, given | dict(kwargs or {})):
                self.refused.add(f"{operation} by {_line_of_ours()}")
        return result


def _has_floats(values: object) -> bool:
    return any(isinstance(leaf, Tensor) and leaf.is_floating_point() for leaf in tree_leaves(values))


def _is_exact(name: str, given: Mapping[str, Any]) -> bool:
    """Whether an operation that may round often rounds once as it is asked for here."""
    match name:
        case "add" | "sub" | "rsub":  # else a product and a sum, fused where the processor can
            return given.get("alpha", 1) == 1
        case "pow":
            return isinstance(given["exponent"], int | float) and given["exponent"] == 2
        case "scatter":
            return "reduce" not in given
        case "scatter_add":  # one number to each place
            return given["index"].shape[given["dim"]] == 1
        case "scatter_reduce":
            return given["reduce"] in ("amin", "amax")
        case "index_put":
            return not given.get("accumulate", False)
    return False


def _line_of_ours() -> str:
    """The innermost line on the stack of this project's own files, not of a .venv inside it."""
    frame = sys._getframe(2)
    while frame.f_back and not any(Path(frame.f_code.co_filename).is_relative_to(folder) for folder in OWN):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).relative_to(SOURCE)}:{frame.f_lineno}"


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[RoundingWatch]:
    """A mode holds for its thread, so there is one; every operation is allowed in the end, or named."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with RoundingWatch() as watching:
        yield watching
    assert not watching.refused, "\n".join(sorted(watching.refused))
    assert {"add", "mul", "div"} <= watching.operations


def _weighted(problem: Problem) -> Problem:
    return replace(problem, weights=np.random.default_rng(3).uniform(0.5, 2, len(problem.labels)))


def _flags(rows: int) -> Problem:
    """More columns than _WIDE, of which nearly all rows hold one value."""
    random = np.random.default_rng(0)
    x = np.where(random.random((rows, 260)) < 0.02, random.normal(size=(rows, 260)), 0.5)
    return numbers_only(x, random.integers(0, 3, rows))


def _rare() -> Problem:
    """Far apart, and the second class has a tenth of the rows of the first, the third one a hundredth."""
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [200, 20, 2])
    return numbers_only(random.normal(size=(222, 2)) + 3 * labels[:, None], labels)


def _unlike(rows: int) -> Problem:
    """Columns in units and places of their own, far from 0."""
    problem = synthetic(rows, 4, (5,), 3)
    return replace(problem, numbers=problem.numbers * np.array([1, 1e3, 1e-3, 1], np.float32) + np.float32(50))


FIRST_ORDER = {
    "sgd": {"solver": "sgd", "momentum": 0.9, "l2": 1e-3},
    "mini-batches": {"solver": "sgd", "batch_size": 64, "class_weight": "balanced"},
    "float32": {"solver": "sgd", "precision": "float32"},
    "without intercept": {"solver": "sgd", "intercept": False, "l2": 1e-3},
    "adam": {"solver": "adam", "l2": 1e-3},
    "adam in batches": {"solver": "adam", "batch_size": 64, "precision": "float32"},
    **{
        f"adam, {method}": {"solver": "adam", "schedule": {"method": method, "every": 2, "factor": 0.7}}
        for method in ("step", "exponential", "cosine")
    },
}


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("case", FIRST_ORDER)
def test_first_order_steps_round_alike_everywhere(case: str, tmp_path: Path) -> None:
    """From the seed's weights to the model, its bound and what it is judged by."""
    table = prepared(tmp_path / "table", _weighted(synthetic(200, 3, (3,), 3)))
    params = TrainParams.model_validate({"seed": 1, "epochs": 4, "lr": 0.1, "snapshot_every": 2} | FIRST_ORDER[case])
    fitted, _ = fit(table, params, lambda _: None)
    assert fitted.result["epochs"] == 4


CERTIFIED: dict[str, tuple[Callable[[], Problem], dict[str, Any]]] = {
    "few levels": (lambda: synthetic(150, 3, (3,), 3), {}),
    "few levels, one logit": (lambda: synthetic(150, 3, (3,), 2), {}),
    "many levels": (lambda: synthetic(200, 4, (3, 30), 4), {}),
    "many levels, two classes": (lambda: synthetic(200, 4, (3, 90), 2), {}),
    "weights": (lambda: _weighted(synthetic(200, 3, (3, 30), 4)), {}),
    "without intercept": (lambda: synthetic(200, 3, (3, 30), 4), {"intercept": False}),
    "numbers without intercept": (lambda: _weighted(synthetic(150, 3, (), 2)), {"intercept": False}),
    "units": (lambda: _unlike(150), {}),
    "sparse columns": (lambda: _flags(140), {}),
    "rows fewer than columns": (
        lambda: numbers_only(np.random.default_rng(0).normal(size=(9, 40)), np.arange(9) % 3),
        {},
    ),
    "categories fewer than columns": (lambda: synthetic(8, 2, (20, 30), 3), {}),
    "a class without rows": (lambda: synthetic(200, 2, (4,), 3), {"classes": 5}),
    "many classes": (lambda: synthetic(150, 3, (), 40), {}),
    "rare classes": (lambda: _rare(), {}),
    "one block": (lambda: synthetic(200, 3, (3, 30), 4), {"size": 1000}),
    "one block of numbers": (lambda: _rare(), {"size": 1000}),
    "one class": (lambda: numbers_only(np.eye(6, 2), np.zeros(6)), {}),
}


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.parametrize("case", CERTIFIED)
def test_certified_optima_round_alike_everywhere(case: str, solver: str) -> None:
    """In blocks that are added up, in both layouts, with one logit and with many."""
    make, settings = CERTIFIED[case]
    solved = solve(make(), **{"size": 64, "solver": solver, "l2": 1e-2, "tolerance": 1e-5} | settings)
    assert solved.result.status is Status.CONVERGED
    assert solved.outcome.bound is not None


@pytest.mark.usefixtures("watch")
def test_steps_that_do_not_arrive_round_alike_everywhere() -> None:
    """Memory that is dropped, steps by the curvature itself, and the end where float64 sees nothing more."""
    solved = solve(synthetic(150, 2, (), 3), size=64, solver="lbfgs", l2=1e-3, tolerance=1e-40, epochs=60)
    assert solved.result.status is Status.STALLED


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("classes", [3, 270])
def test_a_step_of_b_rounds_alike_everywhere(classes: int) -> None:
    """By its own curvature; of more classes than have a matrix of their own by conjugate gradients."""
    problem = synthetic(600, 2, (), classes)
    objective = PackedObjective(Rows(problem.blocks(300), (), classes, threads=1), 1e-2)
    theta = objective.rows.zero()
    theta[-1] = torch.tensor(0.9 * np.log(np.bincount(problem.labels)))
    point = objective.loss_gradient(theta, torch.float64, statistics=True)
    assert bias_step.step(objective, point).objective < point.objective


@pytest.mark.usefixtures("watch")
def test_a_plain_objective_of_many_blocks_rounds_alike_everywhere() -> None:
    """Costs and gradients of blocks, of numbers alone and with categories."""
    for levels in ((), (4,)):
        problem = _weighted(synthetic(150, 3, levels, 3))
        objective = PlainObjective(problem.blocks(64), problem.columns, 1e-3, 1, torch.float32)
        weights = torch.ones(3, problem.columns, dtype=torch.float64)
        evaluation = objective.loss_gradient(Parameters(weights, torch.zeros(3, dtype=torch.float64)))
        assert 0 < evaluation.cost < 100
        assert 0 < evaluation.gradient_norm < 100


def test_a_curvature_without_factor_rounds_alike_everywhere() -> None:
    """Its diagonal is raised, or taken alone; torch divides nothing here."""
    ones = torch.ones(3, 3, dtype=torch.float64)
    with RoundingWatch() as watching:
        factors = [cholesky(matrix) for matrix in (ones, ones - 2 * torch.eye(3))]
    assert all(bool(factor.isfinite().all()) for factor in factors)
    assert not watching.refused, "\n".join(sorted(watching.refused))
    assert {"add", "mul"} <= watching.operations


def _plane() -> Problem:
    """A sum of two columns tells the classes apart."""
    x = np.random.default_rng(5).normal(size=(120, 3)).astype(np.float32)
    return numbers_only(x, x[:, 0].astype(np.float64) + x[:, 1] > 0.3)


def _collinear() -> Problem:
    problem = synthetic(150, 3, (4, 5), 3)
    own, other = problem.codes.T
    x = np.hstack([problem.numbers[:, [0, 1, 2, 0]], problem.codes[:, :1], np.ones((150, 1))]).astype(np.float32)
    return replace(problem, numbers=x, codes=np.stack([own, own // 2, other], 1), levels=(4, 2, 5))


UNPENALISED: dict[str, tuple[Callable[[], Problem], Status]] = {
    "unique": (lambda: synthetic(150, 3, (3,), 3), Status.CONVERGED_UNPROVEN),
    "separable": (_plane, Status.SEPARABLE),
    "collinear": (_collinear, Status.CONVERGED_UNPROVEN),
}


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.parametrize("case", UNPENALISED)
def test_diagnostics_without_a_penalty_round_alike_everywhere(case: str, solver: str) -> None:
    """Correlations, ranges and linear programs name what has no optimum, or many."""
    make, status = UNPENALISED[case]
    solved = solve(make(), size=64, solver=solver, l2=0.0, tolerance=1e-8)
    assert solved.result.status is status


L1: dict[str, tuple[Callable[[], Problem], dict[str, Any]]] = {
    "numbers": (lambda: numbers_only(*_noisy(150, 6, 3)), {}),
    "levels and weights": (lambda: _weighted(synthetic(200, 3, (3, 20), 3)), {"l2": 1e-3}),
    "two classes": (lambda: synthetic(150, 3, (4,), 2), {}),
    "units": (lambda: _unlike(150), {"l1": 1e-2}),
    "few rows, of many columns": (lambda: numbers_only(*_noisy(10, 30, 3)), {}),
    "without intercept": (lambda: numbers_only(*_noisy(200, 5, 3)), {"intercept": False}),
}


def _noisy(rows: int, columns: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    return random.normal(size=(rows, columns)), np.arange(rows) % classes


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("case", L1)
def test_l1_optima_round_alike_everywhere(case: str) -> None:
    """By the Hessian of columns, by that of few rows, and the certificate."""
    make, settings = L1[case]
    solved = solve(make(), size=64, **{"l1": 1e-2, "tolerance": 1e-5} | settings)
    assert solved.result.status is Status.CONVERGED


@pytest.mark.usefixtures("watch")
def test_a_sample_for_l1_rounds_alike_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Hessian stands for that of all rows, and follows what steps tell of it."""
    for limit, value in (("_CHEAP_WORK", 1e4), ("_AT_LEAST", 60), ("_ROWS_A_PARAMETER", 1), ("_ROW_SPACE", 0)):
        monkeypatch.setattr(quadratic_model, limit, value)
    solved = solve(synthetic(300, 3, (3,), 3), size=64, l1=1e-2, tolerance=1e-4)
    assert solved.result.status is Status.CONVERGED


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("memory", [0, 5], ids=["conjugate gradients", "pairs"])
@pytest.mark.parametrize("classes", [2, 9])
@pytest.mark.parametrize(
    ("make", "levels"), [(ByClass, ()), (Kronecker, ()), (Diagonal, (3, 30)), (ClassBlocks, (3, 4, 30))]
)
def test_each_preconditioner_rounds_alike_everywhere(
    make: Any, levels: Sequence[int], classes: int, memory: int
) -> None:
    """Whatever auto would choose for the table."""
    problem = _weighted(synthetic(150, 3 if levels else 24, tuple(levels), classes))
    rows = Rows(problem.blocks(64), problem.levels, problem.classes, threads=1)
    objective = PackedObjective(rows, 1e-1)
    solver = QuasiNewton(objective, SampledPreconditioner(objective, make, memory), rows.zero(), 1e-3)
    while solver.status is None:
        solver.run_epoch()
    assert solver.status is Status.CONVERGED


@pytest.mark.usefixtures("watch")
def test_cross_validation_rounds_alike_everywhere(tmp_path: Path) -> None:
    """Folds, paths of models, and losses of the rows held out."""
    table = prepared(tmp_path / "table", _weighted(synthetic(120, 2, (3,), 2)))
    given = {"solver": "auto", "seed": 0, "epochs": 100, "snapshot_every": 10, "tolerance": 1e-4}
    params = TrainParams.model_validate(given)
    cut = folds.cut(table, None, 2, 0)
    data = TrainingRows(cut.blocks, table.encoder.level_counts, table.encoder.features, table.encoder.classes)
    lines, _, _ = path.validate(
        params, [0.1, 0.01], data, cut, initial_point.of(table.encoder, params, None).parameters
    )
    assert {line.row["status"] for line in lines} == {Status.CONVERGED.value}


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("levels", [(), (3, 4)], ids=["numbers", "categories"])
def test_inference_rounds_alike_everywhere(levels: tuple[int, ...]) -> None:
    """Sums over rows, the maximum, covariances, effects, influence and inflation."""
    problem = _weighted(synthetic(300, 2, levels, 3))
    rows = rows_of(problem, size=64)
    free = reference(rows)
    clusters = torch.split(torch.arange(300) % 20, 64)
    found = maximum_of(rows, free)
    assert found.converged
    sums = pass_over(rows, found.theta, EVERYTHING)
    assert sums.scores is not None
    assert sums.columns is not None
    assert sums.thirds is not None
    own = found.factor.inverse()
    robust = covariance.sandwich(found.factor, free.matrix(rows, sums.scores))
    of_clusters = covariance.cluster_scores(rows, found.theta, free, clusters, 20)
    units = covariance.in_units(covariance.sandwich(found.factor, of_clusters), free, *to_x(rows))
    assert covariance.theta_in_units(found.theta, *to_x(rows)).isfinite().all()
    of_numbers = effects.of_numbers(free, found.theta, sums.thirds, range(2), rows.total_weight)
    settings = [effects.Setting(0, 0.5), effects.Setting(0, -0.5)]
    settings += [effects.Setting(2, category=0), effects.Setting(3, category=0)] if levels else []
    at = effects.at_settings(rows, free, found.theta, settings)
    for change in (of_numbers, effects.difference(at, 1, 0), effects.difference(at, len(settings) - 1, 0)):
        assert effects.standard_errors(change, robust).isfinite().all()
    influence = most_influential(rows, free, found.theta, own, 5, to_x(rows))
    assert influence.spread <= maximum.logit_spread(rows, free, own)
    assert maximum.distance_bound(found.decrement, influence.spread) < 1e-6
    gram = design.gram(rows, sums.columns)
    chosen, left_out = design.independent(gram, range(rows.columns), intercept=True)
    assert len(left_out) == len(levels)
    assert len(inflation.factors(gram, [[column] for column in chosen], intercept=True)) == len(chosen)
    assert (units.diagonal() > 0).all()


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: x.sum(),
        lambda x: x.cumsum(0),
        lambda x: x.mean(),
        lambda x: x.norm(),
        lambda x: x.exp(),
        lambda x: x.sqrt(),
        lambda x: x.reciprocal(),
        lambda x: x.softmax(0),
        lambda x: x**3,
        lambda x: 2**x,
        lambda x: x[:, None] @ x[None],
        lambda x: x @ x,
        lambda x: x.add(x, alpha=2),
        lambda x: x.addcmul(x, x),
        lambda x: x.lerp(x, 0.5),
        lambda x: x.index_add(0, torch.tensor([0, 0, 1]), x),
        lambda x: x.scatter_add(0, torch.tensor([0, 0, 1]), x),
        lambda x: x.index_put((torch.tensor([0, 0, 1]),), x, accumulate=True),
        lambda x: torch.bincount(torch.tensor([0, 0, 1]), x.double()),
        lambda x: torch.linspace(0, 1, 5),
        lambda x: x.uniform_(-1, 1),
    ],
)
@pytest.mark.parametrize("inference", [True, False])
def test_the_watch_refuses(operation: Callable[[Tensor], object], inference: bool) -> None:
    """What may round more than once is named, with the line that asked for it."""
    with RoundingWatch() as watching, torch.inference_mode(inference):
        operation(torch.ones(3))
    (sentence,) = watching.refused
    assert " by tests/numerics/test_portable_operations.py:" in sentence


# Of numpy and math: moving, comparing, counting, drawing nothing, or rounding once (fsum and sqrt do).
_NUMPY = """
abs add append arange argsort argwhere array array_equal asarray ascontiguousarray bool_ clip concatenate count_nonzero
cumsum empty empty_like eye flatnonzero float32 float64 floating floor full hstack iinfo inf int16 int32 int64
integer intp isnan ix_ lexsort maximum minimum nan newaxis nextafter object_ ones ones_like partition
put_along_axis repeat searchsorted sqrt stack take_along_axis tile triu uint64 unique unravel_index vstack where
zeros zeros_like
"""
_MATH = "ceil fsum inf isfinite isnan nan prod sqrt"
_PLACES = [
    SOURCE / "pipeline/data_loader.py",
    *(SOURCE / "pipeline").glob("**/numerics/**/*.py"),
    *(SOURCE / "pipeline/decide").glob("*.py"),
    *(SOURCE / f"pipeline/scoring/{name}.py" for name in ("scaling", "prediction_sets", "costs", "decision")),
    SOURCE / "pipeline/evaluate/beta_quantile.py",
    SOURCE / "pipeline/distributions.py",
]
_PLACES += [file for room in ("train", "training_rows") for file in (SOURCE / "pipeline" / room).glob("**/*.py")]
# Weights are added up in the order of the rows of a shard; elsewhere rows are counted.
_BINCOUNT = {
    "pipeline/decide/rows.py",
    "pipeline/training_rows/class_totals.py",
    "pipeline/numerics/diagnostics/separable_columns.py",
}


@cache
def _nodes() -> list[tuple[str, ast.AST]]:
    return [
        (f"{source.relative_to(SOURCE)}:{node.lineno}", node)
        for source in _PLACES
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute | ast.BinOp | ast.AugAssign)
    ]


def _attributes(module: str, allowed: str) -> Sequence[str]:
    return [
        f"{module}.{node.attr} in {place}"
        for place, node in _nodes()
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == module
        and node.attr not in allowed.split()
    ]


def test_functions_of_numpy_and_math_round_at_most_once() -> None:
    """exp, log, powers and sums are those of pipeline/arithmetic; bincount of numpy counts in the order of the rows."""
    others = [place.rsplit(":", 1)[0] for place in [*_attributes("np", _NUMPY), *_attributes("math", _MATH)]]
    assert {*others} == {f"np.bincount in {place}" for place in _BINCOUNT}


def test_powers_are_products_and_products_of_matrices_are_those_of_arithmetic() -> None:
    """Python's ** on floats is the system's pow; @ is a BLAS. On an accelerator products are torch's."""
    found = []
    for place, node in _nodes():
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Pow | ast.MatMult):
            literals = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)
            literals = literals and isinstance(node.left, ast.Constant) and node.left.value == 2
            found += [] if literals else [f"{ast.unparse(node)} in {place}"]
    assert all("pipeline/numerics/exact/portable.py" in place for place in found), found
    assert [place.split(" in ")[0] for place in found] == ["a @ b", "a @ b"]
