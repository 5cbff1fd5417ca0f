"""The Hessian of the objective over some columns of W and b, of few rows: never built, its rank is at most m (k - 1).

m rows, k classes, e columns with b as the last, x_i their numbers. Vectors are (e k,), in the order of
theta[columns + b].flatten(), as in dense.py. With v_i the rows' shares of the weight and U = S'x_i a
product is sum_i v_i x_i (p_i * (u_i - p_i'u_i))', some 4 m e k multiplications where the matrix has (e k)^2 numbers;
its entry for class c of column a and class f of column b is sum_i v_i x_ia x_ib p_ic ([c = f] - p_if).
1 - p_ic is the sum of the other probabilities, so that it keeps its digits where p_ic is nearly 1. All is float64.
"""

import torch
from torch import Tensor

from pipeline.numerics.curvature.dense import with_one
from pipeline.numerics.data.block import row_weights
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.roots import square_root
from pipeline.numerics.objective.packed import PackedObjective


class RowCurvature:
    """The Hessian at theta, l2 included, in variables v_j sqrt(H_jj) of the unknowns (W, b') of data/centring.py.

    ``roots`` (e k,) are those sqrt(H_jj).
    """

    def __init__(self, objective: PackedObjective, theta: Tensor, columns: Tensor, ridge: float) -> None:
        """``columns`` (e - 1,) are ascending columns of W; ``ridge``, a share of H_jj, is added to each H_jj."""
        rows = objective.rows
        self._x = torch.cat([with_one(block, columns, rows.intercept, rows.centre.means) for block in rows.blocks])
        self._classes = rows.classes
        self._p = _probabilities(objective, theta)
        others = (portable.total(self._p, 1, keepdim=True) - self._p).clamp(min=0.0)
        surest = self._p.argmax(1, keepdim=True)
        self._others = others.scatter_(1, surest, portable.total(self._p.scatter(1, surest, 0.0), 1, keepdim=True))
        weights = [row_weights(block.weights, len(block.labels)) for block in rows.blocks]
        self._shares = torch.cat(weights) / rows.total_weight
        # b of all classes may be shifted together
        self._shift = 1.0 / (rows.classes * rows.classes) if rows.intercept else 0.0
        self._l2 = torch.full((self._x.shape[1], 1), objective.l2, dtype=torch.float64)
        self._l2[-1] = 0.0 if rows.intercept else 1.0
        self._ridge = ridge
        own_curvature = portable.matmul(self._x.square().T, self._shares[:, None] * self._p * others) + self._l2
        own_curvature[-1] += self._shift
        self.roots = square_root(torch.where(own_curvature > 0, own_curvature, 1.0)).flatten()

    def product(self, direction: Tensor) -> Tensor:
        """H times a direction, (e k,)."""
        change = (direction / self.roots).view(-1, self._classes)
        along = portable.matmul(self._x, change)
        along -= portable.total(self._p * along, 1, keepdim=True)
        image = portable.matmul(self._x.T, self._shares[:, None] * self._p * along) + self._l2 * change
        image[-1] += self._shift * portable.total(change[-1])
        return image.flatten() / self.roots + self._ridge * direction

    def column(self, place: int) -> Tensor:
        """One column of H, (e k,)."""
        column, label = divmod(place, self._classes)
        own = self._shares * self._x[:, column] * self._p[:, label]
        part = -own[:, None] * self._p
        part[:, label] = own * self._others[:, label]
        image = portable.matmul(self._x.T, part)
        image[column, label] += self._l2[column, 0]
        if column == len(image) - 1:
            image[-1] += self._shift
        result = image.flatten() / self.roots / self.roots[place]
        result[place] += self._ridge
        return result

    def block(self, places: Tensor) -> Tensor:
        """H between ``places`` (s,), (s, s)."""
        column, label = places // self._classes, places % self._classes
        x, p, shares = self._x[:, column], self._p[:, label], self._shares[:, None]
        own = x * square_root(shares * p * self._others[:, label])
        mixed = x * p * square_root(shares)
        result = torch.where(label == label[:, None], portable.matmul(own.T, own), -portable.matmul(mixed.T, mixed))
        bias = column == self._x.shape[1] - 1
        result += self._shift * (bias & bias[:, None])
        result.diagonal().add_(self._l2[column, 0])
        result /= self.roots[places] * self.roots[places][:, None]
        result.diagonal().add_(self._ridge)
        return result


def _probabilities(objective: PackedObjective, theta: Tensor) -> Tensor:
    """Of all rows, (m, k) float64."""
    rows = objective.rows
    columns = torch.nonzero((theta[:-1] != 0).any(1)).flatten()
    values = theta[torch.cat([columns, torch.tensor([rows.columns])])]
    logits = [portable.matmul(with_one(block, columns, rows.intercept), values) for block in rows.blocks]
    return torch.cat([portable.softmax_(of_block, 1) for of_block in logits])
