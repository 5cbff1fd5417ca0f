"""Operations on tensors whose last digit no processor, library or thread decides: faces of pipeline/arithmetic.

What rounds more than once (sums, products of matrices, factors, exp and log) is one fixed sequence of operations there.
torch's own element-wise +, -, *, / and comparisons are rounded once, so they need none. On an accelerator the
operations are torch's: its results hold for accelerators of its kind.
"""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.arithmetic import elementary, factors, lookups, products, softmax, sums


def exp(x: Tensor) -> Tensor:
    """e^x."""
    return torch.from_numpy(elementary.exp(x.numpy())) if x.is_cpu else x.exp()


def log(x: Tensor) -> Tensor:
    """The natural logarithm."""
    return torch.from_numpy(elementary.log(x.numpy())) if x.is_cpu else x.log()


def sigmoid(x: Tensor) -> Tensor:
    """The logistic function."""
    return torch.from_numpy(elementary.sigmoid(x.numpy())) if x.is_cpu else x.sigmoid()


def log_of(x: float) -> float:
    """The natural logarithm of one number."""
    return float(elementary.log(np.array([x], dtype=np.float64))[0])


def log1p_of(x: float) -> float:
    """ln(1 + x) of one number."""
    return float(elementary.log1p(np.array([x], dtype=np.float64))[0])


def exp_of(x: float) -> float:
    """e^x of one number."""
    return float(elementary.exp(np.array([x], dtype=np.float64))[0])


def total(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Sum by halving, of all entries or along a dimension of one of two."""
    if not x.is_cpu:
        return x.sum() if dim is None else x.sum(dim, keepdim)
    if dim is None:
        return torch.from_numpy(sums.halving_sum(x.reshape(-1).numpy(), 0))
    result = torch.from_numpy(sums.halving_sum(x.numpy(), dim))
    return result.unsqueeze(dim) if keepdim else result


def long_total(x: Tensor, dim: int | None = None) -> Tensor:
    """The total of many entries, in float64: stretches of them by halving, added one by one."""
    if not x.is_cpu:
        return total(x.to(torch.float64), dim)
    if dim is None:
        return torch.from_numpy(sums.long_sum(x.reshape(-1).numpy(), 0))
    return torch.from_numpy(sums.long_sum(x.numpy(), dim))


def mean(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The total, divided by how many entries go into it."""
    return total(x, dim, keepdim) / (x.numel() if dim is None else x.shape[dim])


def dot(a: Tensor, b: Tensor) -> float:
    """The sum of the products of all their entries."""
    return float(total(a * b))


def norm(x: Tensor) -> float:
    """Euclidean, of all entries."""
    return math.sqrt(dot(x, x))


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """A B of matrices or vectors: each entry a chain along the inner index."""
    if not a.is_cpu:
        return a @ b
    left = a if a.ndim == 2 else a[None]
    right = b if b.ndim == 2 else b[:, None]
    result = a.new_zeros(len(left), right.shape[1])
    products.add_product(result.numpy(), left.numpy(), right.numpy())
    if a.ndim == 1 or b.ndim == 1:
        return result.reshape([size for size, matrix in zip(result.shape, (a, b), strict=True) if matrix.ndim == 2])
    return result


def add_matmul(c: Tensor, a: Tensor, b: Tensor, sign: float = 1.0) -> Tensor:
    """Change C, whose rows lie in one piece each, to C + sign A B; returned, too."""
    if not c.is_cpu:
        return c.addmm_(a, b, alpha=sign)
    products.add_product(c.numpy(), a.numpy(), b.numpy(), sign)
    return c


def long_matmul(a: Tensor, b: Tensor) -> Tensor:
    """A B in float64, where the inner index is long: stretches of it in the type of A and B, added in float64."""
    if not a.is_cpu:
        return (a @ b).to(torch.float64)
    result = a.new_zeros(len(a), b.shape[1], dtype=torch.float64)
    products.add_stretches(result.numpy(), a.numpy(), b.numpy())
    return result


def bmm(a: Tensor, b: Tensor) -> Tensor:
    """A B of each of many matrices, (count, m, n) of (count, m, d) and (count, d, n)."""
    result = a.new_zeros(len(a), a.shape[1], b.shape[2])
    products.add_products(result.numpy(), a.numpy(), b.numpy())
    return result


def levels_sum(codes: Tensor, levels: Tensor) -> Tensor:
    """The sum of the rows of ``levels`` (l, k) that each row of codes (n, c) int32 names, (n, k)."""
    if not codes.is_cpu:
        first, *others = (levels.index_select(0, column) for column in codes.unbind(1))
        return sum(others, first)
    result = levels.new_zeros(len(codes), levels.shape[1])
    lookups.add_levels(result.numpy(), codes.numpy(), levels.numpy())
    return result


def sum_by_code(codes: Tensor, values: Tensor, count: int) -> Tensor:
    """Rows of ``values`` (n, k) added up by each column of codes (n, c) int32 below ``count``, (count, k) float64."""
    result = values.new_zeros(count, values.shape[1], dtype=torch.float64)
    lookups.add_to_levels(result.numpy(), codes.numpy(), values.contiguous().numpy())
    return result


def add_sparse_matmul(c: Tensor, starts: Tensor, members: Tensor, numbers: Tensor, b: Tensor) -> Tensor:
    """Change C (n, k) to C + S B, with S in compressed rows and B (l, k), both in one piece; returned, too."""
    lookups.add_sparse_product(c.numpy(), starts.numpy(), members.numpy(), numbers.numpy(), b.numpy())
    return c


def softmax_(z: Tensor, dim: int) -> Tensor:
    """Change logits, classes along ``dim`` of two, to probabilities; returned, too."""
    if not z.is_cpu:
        return z.copy_(z.softmax(dim))
    softmax.softmax(_by_row(z, dim))
    return z


def losses_and_residuals_(z: Tensor, labels: Tensor, dim: int) -> Tensor:
    """Cross-entropy in nats of labels (n,), (n,); change logits, classes along ``dim`` of two, to p - y."""
    if not z.is_cpu:
        return _losses_and_residuals_on_accelerator(z, labels.unsqueeze(dim), dim).reshape(-1)
    return torch.from_numpy(softmax.losses_and_residuals(_by_row(z, dim), labels.numpy()))


def change_of_probabilities_(p: Tensor, u: Tensor, dim: int) -> Tensor:
    """Change u, a change of logits with classes along ``dim`` of two, to that of the probabilities p; returned, too."""
    if not u.is_cpu:
        u *= p
        return u.sub_(p * u.sum(dim, keepdim=True))
    softmax.change_of_probabilities(_by_row(p, dim), _by_row(u, dim))
    return u


def logistic_losses_and_residuals_(z: Tensor, labels: Tensor) -> Tensor:
    """The same of one logit (n,), the second class's less the first's; change it to p - y of the second class."""
    if not z.is_cpu:
        return _logistic_losses_and_residuals_on_accelerator(z, labels)
    return torch.from_numpy(softmax.logistic_losses_and_residuals(z.numpy(), labels.numpy()))


def _losses_and_residuals_on_accelerator(z: Tensor, labels: Tensor, dim: int) -> Tensor:
    """As arithmetic/reference/softmax.py has it."""
    z -= z.amax(dim, keepdim=True)
    of_label = z.gather(dim, labels)
    z.exp_().scatter_(dim, labels, torch.zeros_like(of_label))
    others = z.sum(dim, keepdim=True)
    above_one = others + of_label.expm1()
    totals = above_one + 1
    z /= totals
    z.scatter_(dim, labels, others.div_(totals).neg_())
    return above_one.log1p_().sub_(of_label)


def _logistic_losses_and_residuals_on_accelerator(z: Tensor, labels: Tensor) -> Tensor:
    """As arithmetic/reference/softmax.py has it."""
    sign = 1 - 2 * labels.to(z.dtype)
    z *= sign
    losses = z.abs().neg_().exp_().log1p_() + z.clamp(min=0.0)
    z.sigmoid_().mul_(sign)
    return losses


def _by_row(z: Tensor, dim: int) -> NDArray[Any]:
    return (z if dim == 1 else z.T).numpy()


def cholesky(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The lower factors of (..., q, q) float64, in memory of their own, and where there is none, (...) bool."""
    factor = matrix.clone(memory_format=torch.contiguous_format)
    failed = factors.cholesky(_matrices(factor))
    return factor, torch.from_numpy(failed != 0).view(matrix.shape[:-2])


def solve_triangular(lower: Tensor, right: Tensor, transposed: bool = False) -> Tensor:
    """L^-1 X, or L'^-1 X: (..., q, m) of (..., q, q) and (..., q, m) float64."""
    solution = right.clone(memory_format=torch.contiguous_format)
    factors.solve(_matrices(lower.contiguous()), _matrices(solution), transposed)
    return solution


def _matrices(stacked: Tensor) -> NDArray[Any]:
    """(..., m, n) in one piece as (count, m, n)."""
    return stacked.view(math.prod(stacked.shape[:-2]), *stacked.shape[-2:]).numpy()


def cholesky_solve(right: Tensor, lower: Tensor) -> Tensor:
    """(L L')^-1 X."""
    return solve_triangular(lower, solve_triangular(lower, right), transposed=True)


def cholesky_inverse(lower: Tensor) -> Tensor:
    """(L L')^-1, symmetric to the last bit."""
    root = solve_triangular(lower, torch.eye(lower.shape[-1], dtype=lower.dtype).expand(lower.shape).contiguous())
    inverse = solve_triangular(lower, root, transposed=True)
    return torch.tril(inverse) + torch.tril(inverse, -1).mT
