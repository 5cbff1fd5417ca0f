"""What the arithmetic that is every processor's costs beside torch's own: `python -m benchmarks.arithmetic`.

torch's operations (its BLAS is MKL on x86-64) take the place of those of numerics/exact/portable.py, in the same
solvers on the same tables, in turn and in one go: passes on one thread, whole trainings down to 1e-9 of the optimum,
and the tutorial. Ratios are of medians; the aim is at most twice the time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.scaling import medians
from pipeline.numerics.data.block import Parameters
from pipeline.numerics.data.layout import Rows
from pipeline.numerics.exact import portable
from pipeline.numerics.objective.packed import PackedObjective
from pipeline.numerics.objective.plain import PlainObjective
from pipeline.numerics.solvers import loop
from pipeline.train.params import TrainParams
from pipeline.train.solvers import FirstOrderSolver
from tests.problems import Problem, numbers_only, solve, synthetic


def _total(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    return x.sum() if dim is None else x.sum(dim, keepdim)


def _levels_sum(codes: Tensor, levels: Tensor) -> Tensor:
    first, *others = (levels.index_select(0, column) for column in codes.unbind(1))
    return sum(others, first)


def _sum_by_code(codes: Tensor, values: Tensor, count: int) -> Tensor:
    result = values.new_zeros(count, values.shape[1], dtype=torch.float64)
    for column in codes.unbind(1):
        result.index_add_(0, column, values.to(torch.float64))
    return result


def _change_of_probabilities(p: Tensor, u: Tensor, dim: int) -> Tensor:
    u *= p
    return u.sub_(p * u.sum(dim, keepdim=True))


def _cholesky(matrix: Tensor) -> tuple[Tensor, Tensor]:
    factor, failed = torch.linalg.cholesky_ex(matrix)
    return factor, failed > 0


def _solve_triangular(lower: Tensor, right: Tensor, transposed: bool = False) -> Tensor:
    return torch.linalg.solve_triangular(lower.mT if transposed else lower, right, upper=transposed).contiguous()


TORCH: dict[str, Callable[..., object]] = {
    "exp": torch.exp,
    "log": torch.log,
    "sigmoid": torch.sigmoid,
    "total": _total,
    "long_total": lambda x, dim=None: _total(x.to(torch.float64), dim),
    "dot": lambda a, b: float(a.reshape(-1).dot(b.reshape(-1))),
    "matmul": torch.matmul,
    "add_matmul": lambda c, a, b, sign=1.0: c.addmm_(a, b, alpha=sign),
    "long_matmul": lambda a, b: (a @ b).to(torch.float64),
    "bmm": torch.bmm,
    "levels_sum": _levels_sum,
    "sum_by_code": _sum_by_code,
    "softmax_": lambda z, dim: z.copy_(z.softmax(dim)),
    "losses_and_residuals_": lambda z, labels, dim: portable._losses_and_residuals_on_accelerator(
        z, labels.unsqueeze(dim), dim
    ).reshape(-1),
    "change_of_probabilities_": _change_of_probabilities,
    "logistic_losses_and_residuals_": portable._logistic_losses_and_residuals_on_accelerator,
    "cholesky": _cholesky,
    "solve_triangular": _solve_triangular,
    "cholesky_solve": torch.cholesky_solve,
    "cholesky_inverse": torch.cholesky_inverse,
}


@contextmanager
def torchs_operations() -> Iterator[None]:
    """In place of the portable ones."""
    own = {name: getattr(portable, name) for name in TORCH}
    try:
        for name, operation in TORCH.items():
            setattr(portable, name, operation)
        yield
    finally:
        for name, operation in own.items():
            setattr(portable, name, operation)


def _numbers(rows: int, numbers: int, classes: int) -> Problem:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, numbers))
    scores = x @ random.normal(size=(numbers, classes))
    return numbers_only(x, (scores + random.gumbel(size=scores.shape)).argmax(1))


TABLES: dict[str, Callable[[], Problem]] = {
    "131,072 rows, 7 numbers, 124 levels, 16 classes": lambda: synthetic(131_072, 7, (16, 108), 16),
    "54,000 rows, 6 numbers, 20 levels, 5 classes": lambda: synthetic(54_000, 6, (5, 7, 8), 5),
    "16,384 rows, 784 numbers, 10 classes": lambda: _numbers(16_384, 784, 10),
    "131,072 rows, 28 numbers, 2 classes": lambda: _numbers(131_072, 28, 2),
    "20,000 rows, 16 numbers, 26 classes": lambda: _numbers(20_000, 16, 26),
    "20,000 rows, 20 numbers, 1,000 classes": lambda: _numbers(20_000, 20, 1_000),
}
TRAININGS: dict[str, Callable[[], Problem]] = {
    **{name: TABLES[name] for name in list(TABLES) if name.startswith(("131,072 rows, 7", "20,000 rows, 16"))},
    "60,000 rows, 54 numbers, 7 classes": lambda: _numbers(60_000, 54, 7),
    "100,000 rows, 28 numbers, 2 classes": lambda: _numbers(100_000, 28, 2),
    "500 rows, 2,000 numbers, 3 classes": lambda: _numbers(500, 2_000, 3),
    "944 rows, 11 numbers, 7 classes": lambda: _numbers(944, 11, 7),
}


def _passes(problem: Problem) -> dict[str, Callable[[], object]]:
    rows = Rows(problem.blocks(), problem.levels, problem.classes, threads=1)
    objective = PackedObjective(rows, 1e-3)
    drawn = torch.from_numpy(np.random.default_rng(1).normal(size=(rows.columns + 1, rows.classes)) * 0.1)
    theta = drawn - drawn.mean(1, keepdim=True)
    return {
        "a pass in float32": lambda: objective.loss_gradient(theta, torch.float32),
        "a pass in float64": lambda: objective.loss_gradient(theta, torch.float64),
        "a product with the Hessian": lambda: objective.hessian_product(theta, torch.float32)(theta),
    }


def _trainings(problem: Problem) -> dict[str, Callable[[], object]]:
    return {
        solver: lambda solver=solver: solve(problem, solver=solver, l2=1e-4, tolerance=1e-9)
        for solver in ("newton", "lbfgs")
    }


def _tutorial() -> object:
    table = np.loadtxt("data/raw/tutorial.csv", delimiter=",", skiprows=1)
    data = numbers_only(table[:, :4], table[:, 4]).data()
    params = TrainParams(solver="sgd", seed=1, lr=0.1, epochs=1001, snapshot_every=50)
    start = Parameters(torch.zeros(3, 4, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))
    method = FirstOrderSolver(params, data, start, lambda blocks: PlainObjective(blocks, 4, 0.0, 1, torch.float64))
    return loop.run(method, params.epochs, lambda *_: None)


def main() -> None:
    """Print the table."""
    table = Table("table", "work", "here, ms", "torch's, ms", "ratio", "aim")

    def line(name: str, what: str, work: Callable[[], object]) -> None:
        def torchs() -> object:
            with torchs_operations():
                return work()

        here, there = medians(work, torchs)
        table.add_row(name, what, f"{1e3 * here:.1f}", f"{1e3 * there:.1f}", f"{here / there:.2f}", "<= 2")

    with torch.inference_mode():
        for name, make in TABLES.items():
            for what, work in _passes(make()).items():
                line(name, what, work)
    for name, make in TRAININGS.items():
        for what, work in _trainings(make()).items():
            line(name, what, work)
    line("the tutorial", "1,001 epochs", _tutorial)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
