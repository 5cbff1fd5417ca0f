"""The choice of a method for the data: sizes in, a plan with its reason out.

n rows, k classes, d columns of W, q the size of the dense part of the Hessian (arrowhead.py), L the levels of the
largest category. The limits were found on seven data sets, from 1,797 x 64 to 1,000,000 x 28.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.numerics.curvature import class_blocks
from pipeline.numerics.data.layout import Rows

Name = Literal["hessian", "by_class", "class_blocks", "kronecker", "diagonal"]

_LARGEST_DENSE = 1200  # q: above, a factor costs more than the passes it saves
AUTO_BYTES = 1 << 30  # what a Hessian may take where auto chooses: a constant, so that every machine chooses the same
_SMALL_DENSE = 200
# L k q^2, the multiplications that eliminate the largest category's levels: above, factors of the classes are faster.
# 19,500 rows, 30 classes: 0.5 in place of 7.0 s with 1,200 levels and q = 300; 40,000 rows, 16 classes: 0.4 in place of
# 1.1 s with 105 levels and q = 432; at 4e7 the two take the same time.
_MOST_ELIMINATION = 2e8
_WORTH_SAMPLING = 2_000_000  # n * q below which per-class factors are faster
_BY_CLASS_WORK = 2e9  # multiplications
_PASSES_WORTH = 16  # that the factors of all classes save
_ROWS_A_CLASS = 16  # in a sample, at least
_BYTES_AN_ENTRY = 40  # of those factors: int64 totals of two threads, and what becomes of them
_LARGEST_GRAM = 4000  # columns, or classes
_MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Plan:
    """The preconditioner of steps, and the reason for it as a sentence; ``dense_size`` is q."""

    preconditioner: Name
    dense_size: int
    reason: str
    conjugate: bool = False

    @property
    def solver(self) -> str:
        """newton or lbfgs: the family of its steps."""
        return "newton" if self.preconditioner == "hessian" or self.conjugate else "lbfgs"


@dataclass(frozen=True)
class Sizes:
    """n, d, k, the levels of each category, and whether nearly all number columns are sparse."""

    rows: int
    columns: int
    classes: int
    levels: Sequence[int]
    sparse: bool = False

    @property
    def dense(self) -> int:
        """q."""
        return self.classes * (self.columns - max(self.levels, default=0) + 1)

    @property
    def elimination(self) -> int:
        """L k q^2."""
        return max(self.levels, default=0) * self.classes * self.dense * self.dense

    @property
    def hessian_bytes(self) -> int:
        """Memory of the Hessian, its factor and what is added up on the way, with two threads."""
        coupling = max(self.levels, default=0) * self.classes * self.dense * 8
        return 6 * self.dense * self.dense * 8 + 5 * coupling

    def __str__(self) -> str:
        codes = f", of which {sum(self.levels)} of categories" if self.levels else ""
        return f"{self.rows} rows, {self.columns} columns{codes}, {self.classes} classes"


def sizes_of(rows: Rows) -> Sizes:
    """The sizes that the choice is made from."""
    return Sizes(rows.count, rows.columns, rows.classes, rows.levels, rows.nearly_all_sparse)


def choose(solver: str, sizes: Sizes, memory: int) -> Plan:
    """The plan for ``solver``: auto, newton or lbfgs. ``memory`` in bytes bounds a Hessian that was asked for by name.

    Raises: MemoryError if newton was asked for and its Hessian does not fit.
    """
    if solver == "newton":
        if sizes.hessian_bytes > memory:
            needed, given = _mebibytes(sizes.hessian_bytes), _mebibytes(memory)
            raise MemoryError(f"{sizes}: its Hessian needs {needed}, half of this machine's memory is {given}")
        return Plan("hessian", sizes.dense, "as asked for")
    if solver == "lbfgs":
        return Plan(_cheap(sizes), sizes.dense, "as asked for")
    return _automatic(sizes)


def _automatic(sizes: Sizes) -> Plan:
    q = sizes.dense
    if q > _LARGEST_DENSE or sizes.hessian_bytes > AUTO_BYTES:
        reason = f"{sizes}: a Hessian of {_mebibytes(sizes.hessian_bytes)} costs more than the passes it saves"
        return _without_hessian(sizes, reason)
    if sizes.elimination > _MOST_ELIMINATION and _cheap(sizes) == "class_blocks":
        return _without_hessian(sizes, f"{sizes}: eliminating the levels takes longer than the passes it saves")
    if sizes.rows * q > _WORTH_SAMPLING or q <= _SMALL_DENSE:
        return Plan("hessian", q, f"{sizes}: a Hessian of {_mebibytes(sizes.hessian_bytes)} pays off")
    return _without_hessian(sizes, f"{sizes}: so few rows that a Hessian does not pay off")


def _without_hessian(sizes: Sizes, reason: str) -> Plan:
    """Conjugate gradients where a good stand-in for the Hessian is at hand: factors for each class."""
    name = _cheap(sizes)
    if name in {"by_class", "class_blocks"}:
        return Plan(name, sizes.dense, f"{reason}; conjugate gradients do without", conjugate=True)
    return Plan(name, sizes.dense, reason)


def _cheap(sizes: Sizes) -> Name:
    numbers = sizes.columns - sum(sizes.levels)
    if sizes.levels and _class_blocks_fit(sizes, numbers):
        return "class_blocks"
    if not sizes.levels and _by_class_fits(sizes):
        return "by_class"
    # Sparse columns hardly overlap, and 100 passes over them take less than the products of every two: 4,914 rows of
    # 1,758 columns of 0 and 1, 7 classes: 0.6 in place of 3.8 seconds.
    diagonal = sizes.levels or sizes.sparse or max(sizes.columns, sizes.classes) > _LARGEST_GRAM
    return "diagonal" if diagonal else "kronecker"


def _class_blocks_fit(sizes: Sizes, numbers: int) -> bool:
    """As for ``by_class``: products of numbers are made class by class, for rows and for levels."""
    factored = (_sample_rows(sizes) + sum(sizes.levels)) * (numbers + 1) * (numbers + 1)
    needed = class_blocks.needed_bytes(sizes.levels, numbers, sizes.classes)
    return _factors_pay(sizes, factored, numbers + len(sizes.levels), needed)


def _by_class_fits(sizes: Sizes) -> bool:
    width = sizes.columns + 1
    square = width * width
    return _factors_pay(sizes, _sample_rows(sizes) * square, width, _BYTES_AN_ENTRY * square * sizes.classes)


def _sample_rows(sizes: Sizes) -> int:
    """Rows that factors of the classes are built from."""
    return min(sizes.rows, max(8 * sizes.columns, 2048, _ROWS_A_CLASS * sizes.classes))


def _factors_pay(sizes: Sizes, factored: int, width: int, needed: int) -> bool:
    """Whether the factors of all classes take little work, or no more than some passes, and no more than AUTO_BYTES.

    Multiplications a class: ``factored`` for the factors, ``width`` for a row in a pass; ``needed`` in bytes.
    """
    work, one_pass = 2 * factored * sizes.classes, 2 * sizes.rows * width * sizes.classes
    return work <= max(_BY_CLASS_WORK, _PASSES_WORTH * one_pass) and needed <= AUTO_BYTES


def _mebibytes(count: int) -> str:
    return f"{max(1, round(count / _MEBIBYTE))} MiB"
