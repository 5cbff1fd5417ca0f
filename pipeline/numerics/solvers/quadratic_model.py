"""The quadratic that proximal_newton.py puts in place of f: of the working columns of W and of b.

Of few rows its Hessian is never built: its rank is small, and an active set finds the minimum with products
(row_space.py, active_set.py). Where adding the Hessian up over all rows is cheap, it is built anew at every step, and
steps converge quadratically. Else it is that of a sample, corrected by BFGS with the gradients of all rows.

All is in the unknowns (W, b') of data/centring.py, columns about their means, since b has no penalty; without that a
year or a time stamp leaves b and its column a curvature that rounding drowns. Shapes are those of data/layout.py.
"""

import torch
from torch import Tensor

from pipeline.numerics.curvature import dense
from pipeline.numerics.curvature.arrowhead import ridge
from pipeline.numerics.curvature.row_space import RowCurvature
from pipeline.numerics.data.layout import Rows
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.roots import square_root
from pipeline.numerics.objective.packed import PackedObjective
from pipeline.numerics.solvers import active_set, l1_quadratic

_LARGEST = 3000  # rows of the Hessian: a factor takes 2 s, its memory is 70 MiB
_CHEAP_WORK = 3e9  # multiplications of a Hessian that may be built at every step: 0.3 s
_ROW_SPACE = 4  # rank of the Hessian, in variables, up to which rows are worked with in place of the matrix
_ROWS_A_PARAMETER, _AT_LEAST = 8, 4096  # of the sample

# What keeps the minimum unique, as a share of a variable's own curvature: where W of two classes may be shifted
# together without a change of F, the curvature is 0.
_RIDGE = 1e-10

_EXACTNESS = 1e-2  # of the minimum, as a share of the subgradient
# The same far from the optimum, where an exact minimum has several times as many weights that are not 0 as the optimum:
# the square of the last step's gain (Eisenstat and Walker 1996, "Choosing the forcing terms in an inexact Newton
# method", choice 2), but no more than this.
_LOOSEST = 0.3
_SLOW, _SLOW_STEPS = 0.1, 5


def sample_rows(rows: Rows, share: float = 1.0) -> int:
    """How many of the rows a Hessian should be of, or that share of them, if it is to stand for all."""
    size = min(_LARGEST, rows.classes * (rows.columns + 1))
    of_hessian = max(_ROWS_A_PARAMETER * size, _AT_LEAST, int(_CHEAP_WORK / (size * size)))
    return max(_AT_LEAST, int(of_hessian * share))


class QuadraticModel:
    """The Hessian ``curvature`` (e k, e k) of the working ``columns`` (e - 1,) and b, and its minimum with l1.

    ``sample`` is what the Hessian is built from where that is dear; ``decrements`` are those of F since it was built.
    """

    def __init__(self, objective: PackedObjective, l1: float) -> None:
        """Nothing is built yet."""
        self._objective, self._l1 = objective, l1
        self.sample: PackedObjective | None = None
        self.columns = torch.empty(0, dtype=torch.int64)
        self.curvature = torch.zeros(objective.rows.classes, objective.rows.classes, dtype=torch.float64)
        self.decrements: list[float] = []
        self.last_subgradient = 0.0  # its largest entry, in variables of unit curvature; 0 before the first step

    def minimise(self, theta: Tensor, gradient: Tensor, subgradient: Tensor, wish: Tensor) -> tuple[Tensor, Tensor]:
        """The way to the minimum of the quadratic at theta with the penalty, (e, k), after the rows of theta it is of.

        ``wish`` (d,) says how much each column of W wants to move.
        """
        rows, working = self._objective.rows, self._working_columns(theta, wish)
        few_rows = rows.count * (rows.classes - 1) <= min(_LARGEST, _ROW_SPACE * rows.classes * (len(working) + 1))
        curvature: RowCurvature | Tensor
        if few_rows:
            columns, curvature = working, RowCurvature(self._objective, theta, working, _RIDGE)
            roots = curvature.roots
            self.decrements.clear()
        else:
            self._build(theta, working)
            columns, curvature = self.columns, self.curvature
            roots = square_root(curvature.diagonal().clamp(min=1e-300))
        places = torch.cat([columns, torch.tensor([rows.columns])])
        l1 = torch.full((len(places), rows.classes), self._l1, dtype=torch.float64)
        l1[-1] = 0.0
        here, at = theta[places].flatten(), gradient[places].flatten()
        largest = float((subgradient[places].flatten().abs() / roots).max())
        if isinstance(curvature, RowCurvature):
            fall = largest / self.last_subgradient if self.last_subgradient else 1.0
            share = min(_LOOSEST, max(_EXACTNESS, min(1.0, fall * fall)))
            self.last_subgradient = largest
            lowest = active_set.minimise(here, at, curvature, l1.flatten(), share * largest)
        else:
            lowest = l1_quadratic.minimise(here, at, curvature, l1.flatten(), _EXACTNESS * largest)
        return places, (lowest - here).view(len(places), -1)

    def correct(self, step: Tensor, change: Tensor) -> None:
        """BFGS: the quadratic's gradient now changes along ``step`` as f's did. Nocedal and Wright 2006, eq. 6.19."""
        product = portable.matmul(self.curvature, step)
        along, curvature = portable.dot(step, product), portable.dot(step, change)
        if along > 0 and curvature > 1e-10 * along:
            self.curvature += torch.outer(change, change) / curvature - torch.outer(product, product) / along

    def _working_columns(self, theta: Tensor, wish: Tensor) -> Tensor:
        """Columns of W that are not 0 or want to leave it, ascending; those that want it most where they are many."""
        columns = torch.nonzero((wish > 0) | (theta[:-1] != 0).any(1)).flatten()
        room = max(1, _LARGEST // theta.shape[1] - 1)
        if len(columns) > room:
            columns = columns[wish[columns].argsort(descending=True, stable=True)[:room]].sort().values
        return columns

    def _build(self, theta: Tensor, working: Tensor) -> None:
        """The Hessian at every step where that is cheap; else where columns are new or progress is slow."""
        rows, k = self._objective.rows, theta.shape[1]
        size = k * (len(working) + 1)
        objective = self._objective
        if self.sample is not None and rows.count * size * size > _CHEAP_WORK:
            objective, last = self.sample, self.decrements[-_SLOW_STEPS:]
            slow = len(last) == _SLOW_STEPS and last[-1] > _SLOW * last[0]
            if not slow and bool(self.curvature.any()) and bool(torch.isin(working, self.columns).all()):
                return
        self.columns = working
        self.curvature = dense.over(objective, theta, working, rows.centre)
        diagonal = self.curvature.diagonal()
        diagonal += ridge(diagonal, _RIDGE)
        if rows.intercept:
            self.curvature[-k:, -k:] += 1.0 / (k * k)  # b of all classes may be shifted together
        else:
            diagonal[-k:] = 1.0
        self.decrements.clear()
