"""What fit and predict are given: X and y of many libraries, and what none of them may hold."""

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.utils._missing import is_pandas_na, is_scalar_nan


def in_memory(X: Any) -> Any:
    """X; a batch of Arrow as a table. Raises: ValueError for a query whose rows nobody has asked for."""
    if isinstance(X, pa.RecordBatch):
        return pa.Table.from_batches([X])
    if isinstance(nw.from_native(X, pass_through=True), nw.LazyFrame):
        raise ValueError(f"X: expected rows in memory, got {type(X).__name__}; collect it first")
    return X


def is_frame(X: Any) -> bool:
    """Whether X is a data frame that narwhals knows."""
    return nw.from_native(X, eager_only=True, pass_through=True) is not X


def divide(X: Any, y: Any) -> tuple[str, Any, Any]:
    """The name of the labels, X without them, and the labels."""
    if isinstance(y, str) and is_frame(X):
        frame = nw.from_native(X, eager_only=True)
        if y not in frame.columns:
            raise ValueError(f"y: expected a column of X, got {y!r}")
        return y, frame.drop(y).to_native(), frame[y].to_native()
    name = getattr(y, "name", None)
    return name if isinstance(name, str) and name else "y", X, y


def free_name(name: str, taken: set[str]) -> str:
    """The name, with as many underscores as make it another than those ``taken``."""
    while name in taken:
        name += "_"
    return name


def require_labels(labels: NDArray[Any]) -> None:
    """Raises: ValueError for None, NaN or pandas' NA among labels of several types; of numbers scikit-learn tells."""
    for row, label in enumerate(labels, 1) if labels.dtype == object else ():
        if label is None or is_pandas_na(label) or is_scalar_nan(label):
            raise ValueError(f"y: expected a label in every row, got {label} in row {row}; leave out rows without one")


def refuse_nan(X: Any) -> None:
    """Raises: ValueError for a sparse X with NaN."""
    if np.isnan(X.data).any():
        raise ValueError("X: expected a sparse matrix of numbers, got NaN in it; give gaps in an array or a data frame")
