"""An orthonormal basis of the rows of a matrix, by Gram and Schmidt, each row twice or until nothing is left to take.

Rows are taken in groups, so that nearly all of the work is products of matrices. Source: Giraud, Langou, Rozložník and
van den Eshof 2005, "Rounding error analysis of the classical Gram-Schmidt orthogonalization process": two turns keep
the basis orthogonal to rounding, where the rows are independent to rounding.
"""

import torch
from torch import Tensor

from pipeline.numerics.exact import portable

_GROUP = 64
_TURNS = 4
_SMALLEST = 2.0**-50  # rest of a row, as a share of its length
_KEPT = 0.5  # of a row's length: a turn that takes no more has left nothing of the basis in it


def rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """V' (n, d) and R' (n, n), lower triangular, with X = R' V', X (n, d) float64.

    A row that depends on those before it has a row of 0 in V'.
    """
    basis, triangle = torch.zeros_like(x), x.new_zeros(len(x), len(x))
    for first in range(0, len(x), _GROUP):
        group = x[first : first + _GROUP].clone()
        for _ in range(2 if first else 0):
            _take(group, basis[:first], triangle[first : first + _GROUP, :first])
        for place, row in enumerate(group, first):
            length = portable.norm(x[place])
            for _ in range(_TURNS):
                before = portable.norm(row)
                _take(row[None], basis[:place], triangle[place : place + 1, :place])
                if portable.norm(row) >= _KEPT * before:
                    break
            rest = portable.norm(row)
            if rest >= _KEPT * before and rest > _SMALLEST * length:
                basis[place] = row / rest
                triangle[place, place] = rest
    return basis, triangle


def _take(part: Tensor, basis: Tensor, shares: Tensor) -> None:
    """Take the part along the basis (m, d) out of some rows, and add it to their ``shares`` of it, in place."""
    along = portable.long_matmul(part, basis.T)
    portable.add_matmul(part, along, basis, sign=-1.0)
    shares += along
