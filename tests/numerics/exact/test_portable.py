"""Operations on tensors against torch's own, which differ from them by rounding, and what they refuse."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from pipeline.numerics.exact import portable

TYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
SIZES = st.integers(0, 40)


def _layouts(x: Tensor) -> dict[str, Tensor]:
    """The same numbers as they may lie in memory."""
    apart = x.new_zeros(*(2 * size for size in x.shape))[tuple(slice(None, None, 2) for _ in x.shape)]
    return {"one piece": x.contiguous(), "apart": apart.copy_(x), "transposed": x.T.contiguous().T}


def _drawn(*shape: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def _close(ours: Tensor, theirs: Tensor, scale: float = 1.0) -> None:
    """Within the rounding of some dozens of sums of numbers around 1, or ``scale``."""
    tolerance = 100 * scale * torch.finfo(ours.dtype).eps
    torch.testing.assert_close(ours, theirs.to(ours.dtype), rtol=tolerance, atol=tolerance)


@TYPES
@pytest.mark.parametrize("name", ["exp", "log", "sigmoid"])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (0, 3), (5, 4), (2, 3, 4)])
def test_elementary_functions_are_torchs(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """Of tensors with and without axes, entries and gaps; the argument stays as it is."""
    x = _drawn(*shape, dtype=dtype).abs() + 0.1
    for laid in (x, x.expand(2, *shape), x.mT if len(shape) > 1 else x):
        before = laid.clone()
        ours = getattr(portable, name)(laid)
        assert (ours.shape, ours.dtype) == (laid.shape, dtype)
        _close(ours, getattr(torch, name)(laid.double()))
        assert torch.equal(laid, before)


def test_functions_of_one_number_are_maths() -> None:
    """Within a unit in the last place."""
    for x in (1e-300, 1e-9, 0.3, 1.0, 700.0):
        assert portable.log_of(x) == pytest.approx(math.log(x), rel=3e-16)
        assert portable.log1p_of(x) == pytest.approx(math.log1p(x), rel=3e-16)
        assert portable.exp_of(x) == pytest.approx(math.exp(x), rel=3e-16)


@TYPES
@given(m=SIZES, n=SIZES, seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_sums_are_torchs(dtype: torch.dtype, m: int, n: int, seed: int) -> None:
    """Of all entries, along either dimension, which may stay, and of vectors; 0 of nothing."""
    for x in _layouts(_drawn(m, n, dtype=dtype, seed=seed)).values():
        _close(portable.total(x), x.double().sum())
        for dim in (0, 1, -1):
            for keepdim in (False, True):
                ours, theirs = portable.total(x, dim, keepdim), x.double().sum(dim, keepdim)
                assert (ours.shape, ours.dtype) == (theirs.shape, dtype)
                _close(ours, theirs)
                if x.shape[dim]:
                    _close(portable.mean(x, dim, keepdim), x.double().mean(dim, keepdim))
            long = portable.long_total(x, dim)
            assert long.dtype == torch.float64
            _close(long.to(dtype), x.double().sum(dim))
        _close(portable.long_total(x).to(dtype), x.double().sum())
        if m and n:
            _close(portable.mean(x), x.double().mean())
            _close(portable.total(x[:, 0]), x[:, 0].double().sum())
            _close(portable.total(x[0], 0), x[0].double().sum())


def test_sums_of_one_number_that_is_many() -> None:
    """Entries that torch expands to take no memory."""
    assert portable.total(torch.full((1, 1), 3.0).expand(5, 7)) == 105.0
    assert portable.long_total(torch.full((1, 1), 3.0).expand(5, 7), 1).tolist() == [21.0] * 5


@TYPES
def test_dot_products_and_lengths_are_of_all_entries(dtype: torch.dtype) -> None:
    """Matrices as if they were vectors; the length of nothing is 0."""
    a, b = _drawn(5, 4, dtype=dtype), _drawn(4, 5, dtype=dtype, seed=1).T
    assert portable.dot(a, b) == pytest.approx(float((a.double() * b.double()).sum()), rel=1e-5)
    assert portable.norm(a) == pytest.approx(float(a.double().norm()), rel=1e-6)
    assert portable.norm(a[:0]) == 0.0


@TYPES
@given(m=SIZES, d=SIZES, n=SIZES, seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_products_are_torchs(dtype: torch.dtype, m: int, d: int, n: int, seed: int) -> None:
    """Of matrices in any layout, added to what is there, in float64, and of many at once."""
    a, b, c = _drawn(m, d, dtype=dtype, seed=seed), _drawn(d, n, dtype=dtype, seed=seed + 1), _drawn(m, n, dtype=dtype)
    expected = a.double() @ b.double()
    for left, right in zip(_layouts(a).values(), reversed(_layouts(b).values()), strict=True):
        _close(portable.matmul(left, right), expected, 10)
        added = c.clone()
        assert portable.add_matmul(added, left, right, sign=-1.0) is added
        _close(added, c - expected, 10)
        long = portable.long_matmul(left, right)
        assert long.dtype == torch.float64
        _close(long.to(dtype), expected, 10)
    three = a.expand(3, m, d)
    _close(portable.bmm(three, torch.stack([b, 2 * b, -b])), torch.stack([expected, 2 * expected, -expected]), 10)


def test_products_of_vectors_have_the_shapes_of_torchs() -> None:
    """A vector on either side, or on both; nothing has a product of 0."""
    a, x, y = _drawn(3, 4, dtype=torch.float64), _drawn(4, dtype=torch.float64), _drawn(3, dtype=torch.float64)
    for left, right in ((a, x), (y, a), (x, x), (a[:0], x), (a[:, :0], x[:0])):
        ours = portable.matmul(left, right)
        assert ours.shape == (left @ right).shape
        _close(ours, left @ right)


def test_a_product_is_added_to_a_part_of_a_matrix() -> None:
    """What lies beside it stays."""
    whole, a = torch.zeros(6, 8), torch.ones(3, 2)
    portable.add_matmul(whole[1:4, 2:7], a, torch.ones(2, 5))
    assert whole.sum() == whole[1:4, 2:7].sum() == 30


@TYPES
def test_levels_are_looked_up_and_added_up(dtype: torch.dtype) -> None:
    """One code a category; values in memory of any layout."""
    codes = torch.tensor([[0, 3], [2, 3], [0, 4]], dtype=torch.int32)
    levels, values = _drawn(5, 4, dtype=dtype), _drawn(3, 4, dtype=dtype)
    _close(portable.levels_sum(codes, levels), levels[codes.long()].sum(1))
    expected = torch.zeros(5, 4, dtype=torch.float64)
    for column in codes.long().T:
        expected.index_add_(0, column, values.double())
    for laid in _layouts(values).values():
        _close(portable.sum_by_code(codes, laid, 5), expected)
    assert portable.levels_sum(codes[:0], levels).shape == (0, 4)
    assert not portable.sum_by_code(codes[:0], values[:0], 5).any()


def test_a_sparse_product_is_the_dense_one() -> None:
    """Rows without numbers included."""
    dense = torch.tensor([[0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, -3.0]])
    starts, members = (torch.tensor(values, dtype=torch.int32) for values in ([0, 1, 1, 3], [1, 0, 2]))
    b, c = _drawn(3, 2, dtype=torch.float32), torch.ones(3, 2)
    assert portable.add_sparse_matmul(c, starts, members, torch.tensor([2.0, 1.0, -3.0]), b) is c
    _close(c, 1 + dense @ b)


@TYPES
@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("classes", [1, 2, 5, 70])
def test_softmax_and_losses_are_torchs(dtype: torch.dtype, dim: int, classes: int) -> None:
    """With classes along either dimension, also in a part of other memory."""
    z = 3 * _drawn(50, classes, dtype=dtype)
    labels = torch.arange(50) % classes
    expected = functional.softmax(z.double(), 1)
    residuals = expected - functional.one_hot(labels, classes)
    around = torch.zeros(2 * classes, 60, dtype=dtype) if dim == 0 else torch.zeros(60, 2 * classes, dtype=dtype)
    part = around[:classes, :50] if dim == 0 else around[:50, :classes]
    for place in (z.clone() if dim else z.T.contiguous(), part):
        place.copy_(z if dim else z.T)
        assert portable.softmax_(place, dim) is place
        _close(place if dim else place.T, expected)
        change = _drawn(*place.shape, dtype=dtype, seed=3)
        u, p = (change if dim else change.T).double().clone(), expected
        moved = portable.change_of_probabilities_(place, change, dim)
        assert moved is change
        _close(moved if dim else moved.T, p * (u - (p * u).sum(1, keepdim=True)))
        place.copy_(z if dim else z.T)
        losses = portable.losses_and_residuals_(place, labels, dim)
        _close(losses, functional.cross_entropy(z.double(), labels, reduction="none"))
        _close(place if dim else place.T, residuals)
    assert not around[classes:].any() if dim == 0 else not around[:, classes:].any()


@TYPES
def test_one_logit_is_two_classes(dtype: torch.dtype) -> None:
    """Losses and p - y of the second class, in the memory of the logit."""
    z, labels = 3 * _drawn(30, dtype=dtype), torch.arange(30) % 2
    residuals = z.clone()
    losses = portable.logistic_losses_and_residuals_(residuals, labels)
    _close(losses, functional.binary_cross_entropy_with_logits(z.double(), labels.double(), reduction="none"))
    _close(residuals, z.double().sigmoid() - labels)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (0,), (2, 2)])
@pytest.mark.parametrize("q", [0, 1, 5, 70])
def test_factors_and_solutions_are_torchs(q: int, shape: tuple[int, ...]) -> None:
    """Of one matrix, of none, and of many; what comes in stays as it is."""
    root = _drawn(*shape, q, q + 3, dtype=torch.float64)
    matrix, right = root @ root.mT, _drawn(*shape, q, 4, dtype=torch.float64, seed=1)
    before = matrix.clone(), right.clone()
    lower, failed = portable.cholesky(matrix.mT)
    assert failed.shape == shape
    assert not failed.any()
    torch.testing.assert_close(lower, torch.linalg.cholesky(matrix), rtol=1e-10, atol=1e-10)
    for transposed in (False, True):
        triangle = lower.mT if transposed else lower
        ours = portable.solve_triangular(lower, right, transposed)
        torch.testing.assert_close(triangle @ ours, right, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(matrix @ portable.cholesky_solve(right, lower), right, rtol=1e-7, atol=1e-7)
    assert torch.equal(matrix, before[0])
    assert torch.equal(right, before[1])
    if q:
        inverse = portable.cholesky_inverse(lower)
        assert torch.equal(inverse, inverse.mT)
        torch.testing.assert_close(matrix @ inverse, torch.eye(q).double().expand(*shape, q, q), rtol=1e-6, atol=1e-6)


def test_matrices_without_a_factor_are_told_apart() -> None:
    """Indefinite ones, and those of which a number is NaN."""
    good = torch.eye(3, dtype=torch.float64)
    _, failed = portable.cholesky(torch.stack([good, -good, good * torch.nan, good]))
    assert failed.tolist() == [False, True, True, False]


def _ones(*shape: int, dtype: Any = torch.float64) -> Tensor:
    return torch.ones(shape, dtype=dtype)


CODES = torch.zeros(2, 1, dtype=torch.int32)
REFUSED: dict[str, Callable[[], object]] = {
    "exp of integers": lambda: portable.exp(_ones(2, dtype=torch.int64)),
    "log of float16": lambda: portable.log(_ones(2, dtype=torch.float16)),
    "exp of bfloat16": lambda: portable.exp(_ones(2, dtype=torch.bfloat16)),
    "total of integers": lambda: portable.total(_ones(2, dtype=torch.int64)),
    "mean of truths": lambda: portable.mean(_ones(2, dtype=torch.bool)),
    "total of float16": lambda: portable.total(_ones(2, 2, dtype=torch.float16), 1),
    "total along a third dimension": lambda: portable.total(_ones(2, 2), 2),
    "matmul of integers": lambda: portable.matmul(_ones(2, 2, dtype=torch.int64), _ones(2, 2, dtype=torch.int64)),
    "matmul of two types": lambda: portable.matmul(_ones(2, 2), _ones(2, 2, dtype=torch.float32)),
    "matmul of other sizes": lambda: portable.matmul(_ones(2, 3), _ones(2, 3)),
    "matmul of a longer vector": lambda: portable.matmul(_ones(2, 3), _ones(4)),
    "add_matmul to other rows": lambda: portable.add_matmul(_ones(3, 2), _ones(2, 2), _ones(2, 2)),
    "add_matmul to one place": lambda: portable.add_matmul(_ones(1, 1).expand(2, 2), _ones(2, 2), _ones(2, 2)),
    "add_matmul to columns": lambda: portable.add_matmul(_ones(2, 3).T, _ones(3, 2), _ones(2, 2)),
    "add_matmul to an operand": lambda: (lambda x: portable.add_matmul(x, x, _ones(2, 2)))(_ones(2, 2)),
    "add_matmul of a half": lambda: portable.add_matmul(_ones(2, 2), _ones(2, 2), _ones(2, 2), sign=0.5),
    "long_matmul of other sizes": lambda: portable.long_matmul(_ones(2, 300), _ones(299, 2)),
    "bmm of other counts": lambda: portable.bmm(_ones(2, 2, 2), _ones(3, 2, 2)),
    "int64 codes": lambda: portable.levels_sum(CODES.long(), _ones(1, 2)),
    "a code beyond the levels": lambda: portable.levels_sum(CODES + 1, _ones(1, 2)),
    "a code below 0": lambda: portable.sum_by_code(CODES - 1, _ones(2, 2), 1),
    "codes of other rows": lambda: portable.sum_by_code(CODES, _ones(3, 2), 1),
    "softmax of integers": lambda: portable.softmax_(_ones(2, 2, dtype=torch.int64), 1),
    "softmax of one place": lambda: portable.softmax_(_ones(1, 1).expand(2, 2), 1),
    "a label beyond the classes": lambda: portable.losses_and_residuals_(_ones(2, 2), torch.tensor([0, 2]), 1),
    "labels of the other dimension": lambda: portable.losses_and_residuals_(_ones(2, 3), torch.tensor([0, 1]), 0),
    "int32 labels": lambda: portable.losses_and_residuals_(_ones(2, 2), torch.tensor([0, 1], dtype=torch.int32), 1),
    "a third class of one logit": lambda: portable.logistic_losses_and_residuals_(_ones(2), torch.tensor([0, 2])),
    "changes of other rows": lambda: portable.change_of_probabilities_(_ones(2, 2), _ones(3, 2), 1),
    "cholesky of float32": lambda: portable.cholesky(_ones(2, 2, dtype=torch.float32)),
    "cholesky of no square": lambda: portable.cholesky(_ones(2, 3)),
    "solutions of other sizes": lambda: portable.solve_triangular(_ones(2, 2), _ones(3, 1)),
    "solutions of other counts": lambda: portable.solve_triangular(_ones(1, 2, 2), _ones(3, 2, 1)),
    "an autograd variable": lambda: portable.total(_ones(2).requires_grad_()),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_be_misread_is_refused(case: str) -> None:
    """Before any memory is touched, and never as silently wrong numbers."""
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        REFUSED[case]()


def test_bits_do_not_depend_on_the_layout() -> None:
    """The same numbers, wherever they lie."""
    a, b = _drawn(33, 300, dtype=torch.float32), _drawn(300, 19, dtype=torch.float32, seed=1)
    for operation in (portable.matmul, portable.long_matmul):
        results = {
            operation(left, right).numpy().tobytes() for left in _layouts(a).values() for right in _layouts(b).values()
        }
        assert len(results) == 1
    sums = {portable.total(x, 1).numpy().tobytes() for x in _layouts(a).values()}
    assert len(sums | {np.ascontiguousarray(portable.total(a.T, 0).numpy()).tobytes()}) == 1
