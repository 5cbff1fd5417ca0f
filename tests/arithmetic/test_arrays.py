"""Arrays that a compiled function would misread are refused, compiled or not, before any memory is touched."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.arithmetic import elementary, factors, lookups, products, softmax, sums

CODES = np.array([[0, 1], [2, 0]], np.int32)
STARTS, MEMBERS = np.array([0, 1, 2], np.int32), np.array([0, 2], np.int32)
LABELS = np.array([0, 1])


def _zeros(*shape: int, dtype: Any = np.float64) -> np.ndarray:
    return np.zeros(shape, dtype)


def _misaligned(*shape: int) -> np.ndarray:
    return np.zeros(8 * int(np.prod(shape)) + 4, np.uint8)[4:].view(np.float64).reshape(shape)


def _read_only(*shape: int) -> np.ndarray:
    return np.broadcast_to(np.zeros(1), shape)


def _in_one_place(*shape: int) -> np.ndarray:
    """Writable, and every number is the same one, as torch's expand has it."""
    return np.lib.stride_tricks.as_strided(np.zeros(1), shape, (0,) * len(shape))


OTHER_TYPES: dict[str, Callable[[], object]] = {
    "float16": lambda: products.add_product(
        _zeros(2, 2, dtype="f2"), _zeros(2, 2, dtype="f2"), _zeros(2, 2, dtype="f2")
    ),
    "integers": lambda: products.add_product(_zeros(2, 2, dtype=int), _zeros(2, 2, dtype=int), _zeros(2, 2, dtype=int)),
    "foreign bytes": lambda: products.add_product(*(_zeros(2, 2, dtype=">f8"),) * 3),
    "two types": lambda: products.add_product(_zeros(2, 2), _zeros(2, 2), _zeros(2, 2, dtype="f4")),
    "float32 totals": lambda: products.add_stretches(*(_zeros(2, 2, dtype="f4") for _ in range(3))),
    "products": lambda: products.add_products(_zeros(1, 2, 2), _zeros(1, 2, 2, dtype="f4"), _zeros(1, 2, 2)),
    "sum of float16": lambda: sums.halving_sum(_zeros(3, dtype="f2"), 0),
    "sum of integers": lambda: sums.halving_sum(_zeros(3, dtype=int), 0),
    "exp of integers": lambda: elementary.exp(_zeros(3, dtype=int)),
    "log of float16": lambda: elementary.log(_zeros(3, dtype="f2")),
    "long sum of integers": lambda: sums.long_sum(_zeros(3, dtype=int), 0),
    "changes of two types": lambda: softmax.change_of_probabilities(_zeros(2, 2), _zeros(2, 2, dtype="f4")),
    "softmax": lambda: softmax.softmax(_zeros(2, 2, dtype=int)),
    "int32 labels": lambda: softmax.losses_and_residuals(_zeros(2, 2), LABELS.astype(np.int32)),
    "float labels": lambda: softmax.logistic_losses_and_residuals(_zeros(2), LABELS.astype(float)),
    "int64 codes": lambda: lookups.add_levels(_zeros(2, 3), CODES.astype(np.int64), _zeros(3, 3)),
    "int64 codes of totals": lambda: lookups.add_to_levels(_zeros(3, 3), CODES.astype(np.int64), _zeros(2, 3)),
    "levels of float32": lambda: lookups.add_levels(_zeros(2, 3), CODES, _zeros(3, 3, dtype="f4")),
    "float32 totals of levels": lambda: lookups.add_to_levels(_zeros(3, 3, dtype="f4"), CODES, _zeros(2, 3)),
    "int64 starts": lambda: lookups.add_sparse_product(
        _zeros(2, 3), STARTS.astype(np.int64), MEMBERS, _zeros(2), _zeros(3, 3)
    ),
    "factor of float32": lambda: factors.cholesky(_zeros(1, 2, 2, dtype="f4")),
    "solve of float32": lambda: factors.solve(_zeros(1, 2, 2), _zeros(1, 2, 2, dtype="f4")),
}

OTHERS: dict[str, Callable[[], object]] = {
    "inner sizes": lambda: products.add_product(_zeros(2, 2), _zeros(2, 3), _zeros(2, 2)),
    "fewer rows": lambda: products.add_product(_zeros(1, 2), _zeros(2, 3), _zeros(3, 2)),
    "fewer columns": lambda: products.add_product(_zeros(2, 1), _zeros(2, 3), _zeros(3, 2)),
    "a vector": lambda: products.add_product(_zeros(2, 2), _zeros(2, 3), _zeros(3)),
    "stretches": lambda: products.add_stretches(_zeros(2, 2), _zeros(2, 300), _zeros(299, 2)),
    "totals": lambda: products.add_stretches(_zeros(2, 3), _zeros(2, 300), _zeros(300, 2)),
    "counts": lambda: products.add_products(_zeros(2, 2, 2), _zeros(2, 2, 2), _zeros(1, 2, 2)),
    "matrices": lambda: products.add_products(_zeros(2, 2, 2), _zeros(2, 2, 3), _zeros(2, 2, 2)),
    "sign": lambda: products.add_product(_zeros(2, 2), _zeros(2, 2), _zeros(2, 2), 0.5),
    "columns apart": lambda: products.add_product(_zeros(2, 4)[:, ::2], _zeros(2, 2), _zeros(2, 2)),
    "rows of columns": lambda: products.add_stretches(_zeros(3, 2).T, _zeros(2, 2), _zeros(2, 3)),
    "read-only": lambda: products.add_product(_read_only(2, 2), _zeros(2, 2), _zeros(2, 2)),
    "one place": lambda: products.add_product(_in_one_place(2, 1), _zeros(2, 2), _zeros(2, 1)),
    "misaligned result": lambda: products.add_product(_misaligned(2, 2), _zeros(2, 2), _zeros(2, 2)),
    "own operand": lambda: products.add_product(*(_zeros(2, 2),) * 3),
    "axis": lambda: sums.halving_sum(_zeros(3), 1),
    "axis below": lambda: sums.long_sum(_zeros(3, 2), -3),
    "axis beyond": lambda: sums.long_sum(_zeros(3, 2), 2),
    "changes of other classes": lambda: softmax.change_of_probabilities(_zeros(3, 2), _zeros(3, 3)),
    "changes of no class": lambda: softmax.change_of_probabilities(_zeros(3, 0), _zeros(3, 0)),
    "changes in one place": lambda: softmax.change_of_probabilities(_zeros(2, 2), _in_one_place(2, 2)),
    "changes of themselves": lambda: softmax.change_of_probabilities(*(_zeros(2, 2),) * 2),
    "rows of logits": lambda: softmax.softmax(_zeros(2)),
    "no class": lambda: softmax.softmax(_zeros(2, 0)),
    "read-only logits": lambda: softmax.softmax(_read_only(2, 2)),
    "logits in one place": lambda: softmax.softmax(_in_one_place(2, 2)),
    "fewer labels": lambda: softmax.losses_and_residuals(_zeros(3, 2), LABELS),
    "a label too high": lambda: softmax.losses_and_residuals(_zeros(2, 2), LABELS + 1),
    "a label below 0": lambda: softmax.losses_and_residuals(_zeros(2, 2), LABELS - 1),
    "a third class": lambda: softmax.logistic_losses_and_residuals(_zeros(2), LABELS + 1),
    "fewer labels of one logit": lambda: softmax.logistic_losses_and_residuals(_zeros(3), LABELS),
    "codes apart": lambda: lookups.add_levels(_zeros(2, 3), np.zeros((2, 4), np.int32)[:, ::2], _zeros(3, 3)),
    "a code too high": lambda: lookups.add_levels(_zeros(2, 3), CODES, _zeros(2, 3)),
    "a code below 0": lambda: lookups.add_to_levels(_zeros(3, 3), CODES - np.int32(1), _zeros(2, 3)),
    "a total too few": lambda: lookups.add_to_levels(_zeros(2, 3), CODES, _zeros(2, 3)),
    "wider levels": lambda: lookups.add_levels(_zeros(2, 3), CODES, _zeros(3, 4)),
    "fewer codes": lambda: lookups.add_to_levels(_zeros(3, 3), CODES, _zeros(3, 3)),
    "levels apart": lambda: lookups.add_levels(_zeros(2, 3), CODES, _zeros(3, 6)[:, ::2]),
    "fewer starts": lambda: lookups.add_sparse_product(_zeros(3, 3), STARTS, MEMBERS, _zeros(2), _zeros(3, 3)),
    "starts beyond": lambda: lookups.add_sparse_product(_zeros(2, 3), STARTS + 1, MEMBERS, _zeros(2), _zeros(3, 3)),
    "starts that fall": lambda: lookups.add_sparse_product(
        _zeros(2, 3), np.array([0, 2, 1], np.int32), MEMBERS, _zeros(2), _zeros(3, 3)
    ),
    "fewer numbers": lambda: lookups.add_sparse_product(_zeros(2, 3), STARTS, MEMBERS, _zeros(1), _zeros(3, 3)),
    "a member too high": lambda: lookups.add_sparse_product(_zeros(2, 3), STARTS, MEMBERS, _zeros(2), _zeros(2, 3)),
    "no square": lambda: factors.cholesky(_zeros(1, 2, 3)),
    "factor of columns": lambda: factors.cholesky(_zeros(1, 2, 2).transpose(0, 2, 1)),
    "read-only matrix": lambda: factors.cholesky(_read_only(1, 1, 1)),
    "fewer factors": lambda: factors.solve(_zeros(1, 2, 2), _zeros(2, 2, 2)),
    "a smaller factor": lambda: factors.solve(_zeros(1, 2, 2), _zeros(1, 3, 2)),
    "right sides apart": lambda: factors.solve(_zeros(1, 2, 2), _zeros(1, 2, 4)[:, :, ::2]),
}


@pytest.fixture(params=[True, False], ids=["compiled", "reference"], autouse=True)
def _compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With compiled functions, where there are some, and without."""
    if not request.param:
        for module in (elementary, factors, lookups, products, softmax, sums):
            monkeypatch.setattr(module, "function", lambda *_: None)


@pytest.mark.parametrize("case", OTHER_TYPES)
def test_other_types_are_refused(case: str) -> None:
    """No number of another type is read as if it were of the expected one."""
    with pytest.raises(TypeError, match=r"^expected .*, got "):
        OTHER_TYPES[case]()


@pytest.mark.parametrize("case", OTHERS)
def test_other_shapes_and_layouts_are_refused(case: str) -> None:
    """Nothing outside of an array is read or written, and no number twice."""
    with pytest.raises(ValueError):  # noqa: PT011  (of another number of axes the message is Python's)
        OTHERS[case]()


def test_operands_at_odd_addresses_are_read_as_others_are() -> None:
    """Fields of records, say."""
    records = np.zeros(6, dtype=[("byte", "u1"), ("number", "f8")])
    records["number"] = range(6)
    odd, plain = records["number"], np.arange(6.0)
    assert not odd.flags.aligned
    assert sums.halving_sum(odd, 0) == 15.0
    assert np.array_equal(elementary.exp(odd), elementary.exp(plain))
    result = np.zeros((2, 2))
    products.add_product(result, odd.reshape(2, 3), odd.reshape(3, 2))
    assert np.array_equal(result, plain.reshape(2, 3) @ plain.reshape(3, 2))


@pytest.mark.parametrize(
    "z", [np.zeros((4, 6))[:, ::2], np.zeros((4, 5))[::-1, ::2], np.zeros((3, 4)).T, np.zeros((1, 3))]
)
def test_numbers_apart_have_places(z: np.ndarray) -> None:
    """Strided, reversed and transposed logits are changed where they lie."""
    softmax.softmax(z)
    np.testing.assert_array_equal(z, np.full(z.shape, 1 / 3))


def test_infinite_and_undefined_results_are_no_warnings() -> None:
    """A warning of numpy's is an error in these tests; compiled functions give none."""
    large, infinite = np.full((2, 2), 1e200), np.array([[np.inf, 0.0], [np.nan, 1.0]])
    result = np.zeros((2, 2))
    products.add_product(result, large, large)
    assert np.isinf(result).all()
    products.add_stretches(result, large, -large)
    assert np.isnan(result).all()
    assert np.isinf(sums.halving_sum(np.full(4, 1e308), 0))
    softmax.softmax(infinite.copy())
    softmax.losses_and_residuals(infinite.copy(), LABELS)
    softmax.logistic_losses_and_residuals(np.array([np.inf, np.nan]), LABELS)
    softmax.change_of_probabilities(large, infinite.copy())
    assert factors.cholesky(np.full((1, 2, 2), np.nan)).tolist() == [1]
    factors.solve(np.zeros((1, 2, 2)), np.ones((1, 2, 2)))
    lookups.add_levels(np.full((1, 1), 1.7e308), np.zeros((1, 1), np.int32), np.full((1, 1), 1.7e308))
