"""One-hot columns of a sparse matrix are found whatever stands beside them."""

from itertools import combinations, pairwise
from typing import Any

import numpy as np
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from pipeline import SoftmaxRegression
from pipeline.estimator.one_hot import Group, groups_of

ENTRIES = st.sampled_from([0.0, 0.0, 1.0, 1.0, 2.0])


@st.composite
def matrices(draw: st.DrawFn) -> NDArray[np.float64]:
    """One-hot blocks and columns of anything, side by side."""
    rows = draw(st.integers(1, 4))
    blocks = []
    for width in draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)):
        codes = arrays.arrays(np.int64, rows, elements=st.integers(0, width - 1)).map(lambda c, w=width: np.eye(w)[c])
        blocks.append(draw(codes | arrays.arrays(np.float64, (rows, width), elements=ENTRIES)))
    return np.hstack(blocks)


def is_category(X: NDArray[np.float64]) -> bool:
    return bool(((X != 0).sum(axis=1) == 1).all() and np.isin(X, (0, 1)).all())


def most_categories(X: NDArray[np.float64]) -> int:
    """By trying every way to cut the columns."""
    width = X.shape[1]
    cuts = (cut for size in range(width) for cut in combinations(range(1, width), size))
    runs = (zip((0, *cut), (*cut, width), strict=True) for cut in cuts)
    return max(
        (sum(stop - start > 1 and is_category(X[:, start:stop]) for start, stop in cut) for cut in runs), default=0
    )


@given(matrices())
def test_groups_are_categories_and_no_way_to_cut_gives_more(X: NDArray[np.float64]) -> None:
    groups = list(groups_of(scipy.sparse.csr_array(X)))
    assert all(is_category(X[:, group.start : group.stop]) for group in groups)
    assert all(group.stop <= following.start for group, following in pairwise(groups))
    # Of columns that no row has, which belong to any run beside them.
    assert len(groups) >= most_categories(X[:, X.any(axis=0)])


def fitted_groups(X: Any) -> tuple[Group, ...]:
    fitted = SoftmaxRegression().fit(X, np.arange(X.shape[0]) % 2)
    groups: tuple[Group, ...] = fitted._columns_.groups
    return groups


def test_flags_before_a_code_and_levels_without_a_row_do_not_hide_it() -> None:
    code = np.eye(5)[[0, 1, 3, 1, 0, 3]]  # no row has levels 2 and 4
    flag = np.array([[1.0], [0], [0], [1], [0], [1]])
    assert fitted_groups(scipy.sparse.csr_array(np.hstack([flag, code, flag]))) == (Group(1, 6),)


def test_a_zero_that_is_stored_is_none() -> None:
    X = scipy.sparse.csr_array(np.eye(3)[[0, 1, 2, 0]])
    stored = scipy.sparse.coo_array((np.append(X.data, 0.0), (np.append(X.tocoo().row, 0), np.append(X.indices, 2))))
    assert fitted_groups(stored.tocsr()) == fitted_groups(X) == (Group(0, 3),)
