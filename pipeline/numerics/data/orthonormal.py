"""An orthonormal basis of the rows of a matrix, by Gram and Schmidt, in groups of rows: nearly all is matrix products.

A turn takes the part along the basis out of a group's rows. A row that it leaves at least half of its length joins the
basis: what rounding left along the others is then as small as the rounding of the row. What is left of other rows takes
another turn. Rows that are far from dependent join all at once, by the Cholesky factor of their products.
Source: Giraud, Langou, Rozložník and van den Eshof 2005, "Rounding error analysis of the classical Gram-Schmidt
orthogonalization process": a second turn is enough, unless rows depend on each other.
"""

import torch
from torch import Tensor

from pipeline.numerics.exact import portable
from pipeline.numerics.exact.roots import square_root

_GROUP = 64
_TURNS = 4
_SMALLEST = 2.0**-50  # rest of a row, as a share of its length
_KEPT = 0.5  # of a row's length


def rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """V' (n, d) and R' (n, n) with X = R' V', X (n, d) float64.

    A row that depends on the others has a row of 0 in V'.
    """
    basis, shares = torch.zeros_like(x), x.new_zeros(len(x), len(x))
    for first in range(0, len(x), _GROUP):
        here = slice(first, first + _GROUP)
        _join(x[here].clone(), basis[:first], basis[here], shares[here, :first], shares[here, here])
    return basis, shares


def _join(group: Tensor, basis: Tensor, joined: Tensor, of_basis: Tensor, of_joined: Tensor) -> None:
    """Fill in ``joined``, the group's part of the basis, and the group's shares of the basis and of ``joined``."""
    smallest = _SMALLEST * _lengths(group)
    waiting = torch.arange(len(group))
    for turn in range(_TURNS):
        rest = group[waiting]
        before = _lengths(rest)
        of_basis[waiting] += _taken(rest, basis)
        if turn == 0 and _join_at_once(rest, before, joined, of_joined):
            return
        waits = []
        for place, row, length in zip(waiting.tolist(), rest, before.tolist(), strict=True):
            of_joined[place] += _taken(row[None], joined)[0]
            left = portable.norm(row)
            if left <= smallest[place]:
                continue
            if left < _KEPT * length:
                group[place] = row
                waits.append(place)
            else:
                joined[place] = row / left
                of_joined[place, place] = left
        if not waits:
            return
        waiting = torch.tensor(waits)


def _join_at_once(group: Tensor, lengths: Tensor, joined: Tensor, of_joined: Tensor) -> bool:
    """Do so by L^-1 G, with L L' = G G'; not where too little is left of a row."""
    factor, failed = portable.cholesky(portable.long_matmul(group, group.T))
    if bool(failed) or bool((factor.diagonal() < _KEPT * lengths).any()):
        return False
    joined.copy_(portable.solve_triangular(factor, group))
    of_joined.copy_(factor)
    return True


def _taken(part: Tensor, basis: Tensor) -> Tensor:
    """The shares of the basis (m, d) in rows (n, d), (n, m), and take them out, in place."""
    shares = portable.long_matmul(part, basis.T)
    portable.add_matmul(part, shares, basis, sign=-1.0)
    return shares


def _lengths(x: Tensor) -> Tensor:
    return square_root(portable.total(x.square(), 1))
