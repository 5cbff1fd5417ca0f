"""The choice of a method from sizes."""

import numpy as np
import pytest

from pipeline.numerics.data.layout import Rows
from pipeline.numerics.solvers.auto import Sizes, choose, sizes_of
from tests.problems import numbers_only

GIBIBYTE = 1 << 30


@pytest.mark.parametrize(
    ("sizes", "preconditioner"),
    [
        (Sizes(327_346, 119, 16, (3, 104)), "hessian"),
        (Sizes(1_000_000, 28, 2, ()), "hessian"),
        (Sizes(1_797, 64, 10, ()), "by_class"),
        (Sizes(60_000, 784, 10, ()), "kronecker"),
        (Sizes(60_000, 784, 10, (), sparse=True), "diagonal"),
        (Sizes(60_000, 8_000, 10, ()), "diagonal"),
        (Sizes(50_000, 20, 1_000, ()), "by_class"),
        (Sizes(100_000, 10, 5_000, ()), "by_class"),
        (Sizes(100_000, 784, 1_000, ()), "kronecker"),
        (Sizes(100_000, 784, 5_000, ()), "diagonal"),
        (Sizes(100_000, 5_000, 4, (2_000, 3_000)), "class_blocks"),
        (Sizes(100_000, 20_003, 3, (20_000,)), "hessian"),
        (Sizes(19_500, 1_209, 30, (5, 1_200)), "class_blocks"),
        (Sizes(4_914, 1_757, 7, (3, 253, 18, 15, 13)), "diagonal"),
    ],
)
def test_auto_takes_a_hessian_where_it_pays_off(sizes: Sizes, preconditioner: str) -> None:
    """Flights and many levels of one category do; wide tables, two large categories and many classes do not."""
    plan = choose("auto", sizes, 8 * GIBIBYTE)
    assert plan.preconditioner == preconditioner
    assert str(sizes) in plan.reason


@pytest.mark.parametrize("memory", [8 << 20, 64 * GIBIBYTE])
def test_auto_chooses_the_same_on_every_machine(memory: int) -> None:
    """Whatever its memory; a Hessian past the fixed budget is not taken on any."""
    assert choose("auto", Sizes(327_346, 119, 16, (3, 104)), memory).solver == "newton"
    plan = choose("auto", Sizes(100_000, 100_100, 8, (100_000,)), memory)
    assert plan.solver == "lbfgs"
    assert "MiB costs more than the passes it saves" in plan.reason


def test_what_was_asked_for_is_taken() -> None:
    """lbfgs where newton would pay off, newton where it would not."""
    assert choose("lbfgs", Sizes(1_000_000, 28, 2, ()), GIBIBYTE).solver == "lbfgs"
    assert choose("newton", Sizes(1_797, 64, 10, ()), GIBIBYTE).solver == "newton"
    with pytest.raises(MemoryError, match=r"1000 rows, 50000 columns, 100 classes: its Hessian needs .* MiB"):
        choose("newton", Sizes(1000, 50_000, 100, ()), GIBIBYTE)


@pytest.mark.parametrize(("dense", "sparse"), [(0, True), (37, True), (150, False)])
def test_few_dense_columns_among_many_flags_leave_a_table_sparse(dense: int, sparse: bool) -> None:
    """Up to an eighth of 300; a pass over more is no longer one over the flags."""
    random = np.random.default_rng(0)
    x = (random.random((600, 300)) < 0.02).astype(float)
    x[:, :dense] = random.normal(size=(600, dense))
    rows = Rows(numbers_only(x, np.arange(600) % 3).blocks(), (), 3, 1)
    assert sizes_of(rows).sparse is sparse
