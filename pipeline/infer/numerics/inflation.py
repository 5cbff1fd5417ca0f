"""How much longer confidence intervals are because columns go together: variance inflation factors.

R (e, e) are the correlations of a design's columns but b's: about the weighted means where there is an intercept, else
about 0. Of a number, VIF = 1 / (1 - R^2), R^2 that of its regression on all other columns; of a category, whose levels
stand for one question, the same of the volume of their joint confidence region:

    GVIF = det R_11 det R_22 / det R = det R_11 det (R^-1)_11

which does not depend on the base level. GVIF^(1 / (2 df)), of df levels, compares like sqrt(VIF). They tell of the
columns alone, as for a linear regression: a softmax regression weighs rows by p (1 - p), too.
Source: Fox and Monette 1992, Generalized collinearity diagnostics, J. American Statistical Association 87.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.infer.numerics.maximum import Factor
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.roots import square_root


@dataclass(frozen=True)
class Inflation:
    """``factor`` is VIF or GVIF, of so many ``degrees`` of freedom; ``per_degree`` is factor^(1 / (2 degrees))."""

    factor: float
    degrees: int
    per_degree: float


def factors(gram: Tensor, groups: Sequence[Sequence[int]], intercept: bool) -> list[Inflation]:
    """Of each group of rows of theta: a number's own, or the levels of a category that are in the design.

    ``gram`` (d + 1, d + 1) is design.gram's, b's last; all groups together are the design's columns but b, none empty.
    Raises: maximum.SingularError if a column follows from others.
    """
    columns = [column for group in groups for column in group]
    if not columns:
        return []
    correlations = _correlations(gram, torch.tensor(columns), intercept)
    inverse = Factor(correlations).inverse()
    result, first = [], 0
    for group in groups:
        own = slice(first, first + len(group))
        logarithm = _log_determinant(correlations[own, own]) + _log_determinant(inverse[own, own])
        per_degree = portable.exp_of(logarithm / (2 * len(group)))
        result.append(Inflation(portable.exp_of(logarithm), len(group), per_degree))
        first += len(group)
    return result


def _correlations(gram: Tensor, columns: Tensor, intercept: bool) -> Tensor:
    products = gram[columns][:, columns]
    if intercept:
        sums = gram[columns, -1]
        products = products - sums[:, None] * sums / gram[-1, -1]
    roots = square_root(products.diagonal().clamp(min=0.0).contiguous())
    scaled = products / (roots[:, None] * roots)
    return scaled.fill_diagonal_(1.0)


def _log_determinant(matrix: Tensor) -> float:
    """Of a positive definite matrix."""
    lower, _ = portable.cholesky(matrix)
    return 2 * float(portable.total(portable.log(lower.diagonal().contiguous())))
