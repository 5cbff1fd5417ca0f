"""Which entries of theta are free, so that the likelihood has one maximum, and matrices over them.

A softmax regression holds more numbers than it has degrees of freedom: all classes may be moved together, and the
levels of a category add up to b's column. In reference coding the reference class has theta 0, and so has a base level
of each category; columns that follow from others, or in which no row counts, are left out, too. The vector of free
entries, of q = (k - 1) e, goes class by class, as statsmodels and Stata have it.

In full coding, for a penalised fit, every class and every column in which a row counts is free: the penalty decides,
but for b, which may be moved in all classes together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pipeline.infer.numerics import column_sums
from pipeline.infer.numerics.rows import InferenceRows
from pipeline.numerics.curvature import pair_sums
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.roots import square_root

_UNEXPLAINED = 1e-9  # share of a column's variance that float32's rounding of the others can leave


@dataclass(frozen=True)
class Design:
    """``columns`` (e,) are the free rows of theta, ``labels`` the free classes, both ascending; theta is (d + 1, k)."""

    columns: Tensor
    labels: Tensor
    shape: tuple[int, int]

    @property
    def size(self) -> int:
        """q."""
        return len(self.columns) * len(self.labels)

    def vector(self, theta: Tensor) -> Tensor:
        """The free entries of theta, (q,)."""
        return theta[self.columns][:, self.labels].T.reshape(-1)

    def theta(self, vector: Tensor) -> Tensor:
        """theta of free entries, 0 elsewhere."""
        result = torch.zeros(self.shape, dtype=torch.float64)
        result[self.columns[:, None], self.labels] = vector.view(len(self.labels), len(self.columns)).T
        return result

    def places(self, columns: Sequence[int], labels: Sequence[int] | None = None) -> Tensor:
        """Where the free entries of these rows of theta and classes, None for all, stand in a vector."""
        in_columns = torch.isin(self.columns, torch.tensor(list(columns), dtype=torch.int64))
        in_labels = torch.ones(len(self.labels), dtype=torch.bool)
        if labels is not None:
            in_labels = torch.isin(self.labels, torch.tensor(list(labels), dtype=torch.int64))
        return torch.nonzero((in_labels[:, None] & in_columns).reshape(-1)).flatten()

    def without(self, columns: Sequence[int]) -> "Design":
        """The design whose rows ``columns`` of theta are 0, too."""
        left = self.columns[~torch.isin(self.columns, torch.tensor(list(columns), dtype=torch.int64))]
        return Design(left, self.labels, self.shape)

    def matrix(self, rows: InferenceRows, parts: Sequence[Tensor]) -> Tensor:
        """(q, q) of sums over pairs of classes and pairs of columns, as likelihood.py has them."""
        classes, e = self.shape[1], len(self.columns)
        position = {int(label): place for place, label in enumerate(self.labels)}
        result = torch.zeros(len(self.labels), e, len(self.labels), e, dtype=torch.float64)
        first, second = torch.triu_indices(classes, classes, 1)
        for quantity, (j, m) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
            block = column_sums.matrix(rows, parts, quantity)[self.columns][:, self.columns]
            for label in (j, m):
                if label in position:
                    result[position[label], :, position[label]] += block
            if j in position and m in position:
                result[position[j], :, position[m]] = -block
                result[position[m], :, position[j]] = -block
        return result.view(self.size, self.size)

    @cached_property
    def is_full(self) -> bool:
        """Whether every class is free."""
        return len(self.labels) == self.shape[1]


def full(rows: InferenceRows, columns: Tensor) -> Design:
    """Full coding, of the rows of theta in which a row counts."""
    return Design(columns, torch.arange(rows.classes), (rows.columns + 1, rows.classes))


def used(rows: InferenceRows, gram: Tensor) -> Tensor:
    """The rows of theta in which a row counts, and b's where there is one; ``gram`` (d + 1, d + 1) of the weights."""
    counted = gram.diagonal() > 0
    counted[-1] = rows.intercept
    return torch.nonzero(counted).flatten()


def independent(gram: Tensor, candidates: Sequence[int], intercept: bool) -> tuple[list[int], list[int]]:
    """The rows of theta among ``candidates`` that do not follow from those before them, and those that do.

    ``gram`` (d + 1, d + 1) is of columns about their means, b's last. A column follows where what the others leave of
    its squares is at most a 1e-9 of them. By Cholesky's factor, column by column.
    """
    order = [len(gram) - 1, *candidates] if intercept else list(candidates)
    chosen: list[int] = []
    left_out: list[int] = []
    reduced = torch.zeros(len(order), len(gram), dtype=torch.float64)  # rows of the factor, over all columns
    for column in order:
        row = gram[column].clone()
        before = reduced[: len(chosen)]
        if chosen:
            row -= portable.matmul(before[:, column][None], before)[0]
        own = float(row[column])
        if own <= _UNEXPLAINED * float(gram[column, column]) or not own > 0:
            left_out.append(column)
            continue
        reduced[len(chosen)] = row / square_root(row[column : column + 1])
        chosen.append(column)
    return [column for column in chosen if column != len(gram) - 1], left_out


def gram(rows: InferenceRows, columns: Sequence[Tensor]) -> Tensor:
    """sum_i v_i x_i x_i', (d + 1, d + 1), of the part ``columns`` of a pass."""
    return column_sums.matrix(rows, columns, 0)


def pairs(classes: int) -> int:
    """Pairs of classes."""
    return pair_sums.count(classes, 1)
