"""The columns of X as those of a table, for training and for later rows. n rows, d columns of X, k classes."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import scipy.sparse
from numpy.typing import NDArray

from pipeline.arithmetic import lookups
from pipeline.dataset.columns import Chunk
from pipeline.errors import UserError
from pipeline.estimator.one_hot import Group, groups_of
from pipeline.model import Model
from pipeline.predictor import frames
from pipeline.predictor.predictor import Predictor
from pipeline.predictor.scorer import Scorer
from pipeline.table import locate

# Cells of a sparse X that are no codes, and so are held as numbers.
MOST_CELLS = 1 << 31


class Columns(Protocol):
    """How X was given to fit."""

    def table(self, X: Any) -> Any:
        """X as an Arrow table."""

    def logits(self, model: Model, X: Any) -> NDArray[np.float64]:
        """The model's logits (n, k) of the rows of X. Raises: UserError for rows that do not fit."""

    def coefficients(self, model: Model) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
        """Coefficients (k, D), intercepts (k,) and the names of the D columns, of numbers as X has them."""


@dataclass(frozen=True)
class FrameColumns:
    """The named columns of a data frame: numbers, booleans, dates, texts."""

    def table(self, X: Any) -> Any:
        """The frame as Arrow has it."""
        return frames.arrow_of(X)

    def logits(self, model: Model, X: Any) -> NDArray[np.float64]:
        """As a predictor's; columns may come in any order."""
        return Predictor(Scorer(model)).logits(X)

    def coefficients(self, model: Model) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
        """Of all columns of W."""
        weights, bias = in_own_units(model)
        return weights, bias, model.features


@dataclass(frozen=True)
class ArrayColumns(FrameColumns):
    """The d columns of an array of numbers, called x0, x1, ... as scikit-learn does; NaN is no value."""

    count: int

    def table(self, X: Any) -> Any:
        """One column of float64 for each of X."""
        return pa.table({f"x{place}": pa.array(X[:, place], from_pandas=True) for place in range(self.count)})

    def logits(self, model: Model, X: Any) -> NDArray[np.float64]:
        """Without a table of as many columns, which takes a row ten milliseconds."""
        if not (np.isnan(X) | (np.abs(X) <= locate.LARGEST)).all():
            return super().logits(model, self.table(X))  # which says where
        columns = np.ascontiguousarray(X.T)
        chunk = Chunk(1, len(X), {f"x{place}": column for place, column in enumerate(columns)}, {})
        return Scorer(model).logits(chunk)


@dataclass(frozen=True)
class SparseColumns:
    """The d columns of a sparse X: groups that hold a single 1 in every row are categories, the others numbers."""

    count: int
    groups: tuple[Group, ...]

    @classmethod
    def of(cls, X: Any) -> "SparseColumns":
        """The columns of X in compressed rows, sorted and without duplicates.

        Raises: UserError for more cells of numbers than memory is meant to hold.
        """
        columns = cls(X.shape[1], tuple(groups_of(X)))
        cells = X.shape[0] * len(columns.numbers)
        if cells > MOST_CELLS:
            raise UserError(
                f"X: expected a sparse matrix of at most {MOST_CELLS:,} cells in columns that are no codes of a "
                f"one-hot encoding, got {cells:,}; give categories as columns of a data frame"
            )
        return columns

    @property
    def numbers(self) -> list[int]:
        """The columns that are numbers."""
        coded = {column for group in self.groups for column in group.columns}
        return [column for column in range(self.count) if column not in coded]

    def table(self, X: Any) -> Any:
        """A column of numbers as it is, a group as the column that each row has."""
        by_column = X.tocsc()
        arrays = {f"x{column}": pa.array(by_column[:, [column]].toarray()[:, 0]) for column in self.numbers}
        for group in self.groups:
            arrays[f"x{group.start}"] = pa.array(group.members(X)).cast(pa.string())
        return pa.table(arrays)

    def logits(self, model: Model, X: Any) -> NDArray[np.float64]:
        """b plus coefficients times values, the columns of a row one after the other."""
        coefficients, intercepts, _ = self.coefficients(model)
        X = scipy.sparse.csr_matrix(X, dtype=np.float64)
        X.sum_duplicates()
        result = np.repeat(intercepts[np.newaxis], X.shape[0], axis=0)
        starts, members = X.indptr.astype(np.int32), X.indices.astype(np.int32)
        lookups.add_sparse_product(result, starts, members, X.data, np.ascontiguousarray(coefficients.T))
        return result

    def coefficients(self, model: Model) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
        """Of the d columns of X; 0 for one that no row has."""
        weights, bias = in_own_units(model)
        result = np.zeros((len(bias), self.count))
        for position, name in enumerate(model.features):
            column, _, level = name.partition("=")
            if not level:
                result[:, int(column[1:])] = weights[:, position]
            elif level.isdecimal():
                result[:, int(level)] = weights[:, position]
        return result, bias, [f"x{place}" for place in range(self.count)]


def is_day(arrow: Any) -> bool:
    """Whether an Arrow type holds days or moments, which a CSV could only show as texts."""
    return bool(pa.types.is_date(arrow) or pa.types.is_timestamp(arrow))


def in_own_units(model: Model) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """W (k, d) and b (k,) for numbers as the table has them, where the encoder standardises them."""
    shift, scale = np.zeros(len(model.features)), np.ones(len(model.features))
    for position, number in enumerate(model.encoder.numbers):
        shift[position], scale[position] = number.shift, number.scale
    if not shift.any() and (scale == 1).all():
        return model.weights, model.bias
    weights = model.weights / scale
    return weights, model.bias - (weights * shift).sum(axis=1)
