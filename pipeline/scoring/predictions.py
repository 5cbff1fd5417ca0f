"""Predictions as a CSV table: its columns, and writing it a block of rows at a time.

n is the number of rows of a block, k the number of classes. Floats are written as the shortest text that reads back as
the same number, NaN as an empty cell.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from pipeline import files
from pipeline.dataset.columns import Class, class_text

# Rounding leaves a row's sum within k * 2^-53 of 1; this is the looser promise made to readers of the table.
SUM_TOLERANCE = 1e-6

STANDARD_OUTPUT = Path("-")

# Spreadsheet programs take a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

# Columns of a block by name, each (n,).
Block = Mapping[str, NDArray[Any]]


def formula_warning(path: Path, classes: Sequence[Class]) -> str | None:
    """One line that names a class which a spreadsheet program would run as a formula, or None if there is none.

    Names are written as they are all the same: programs must read back the class that was trained, and a sign before
    it would make it another. Source: OWASP, CSV Injection.
    """
    name = next((label for label in classes if isinstance(label, str) and label.startswith(_FORMULA)), None)
    if name is None:
        return None
    return f"warning: {path}: class {name[:200]!r} is a formula to spreadsheet programs: import the column as text"


def class_names(classes: Sequence[Class], indices: NDArray[np.integer[Any]]) -> NDArray[np.object_]:
    """The classes at ``indices`` (n,), as text."""
    names: NDArray[np.object_] = np.array([class_text(label) for label in classes], dtype=object)[indices]
    return names


def class_columns(prefix: str, classes: Sequence[Class], values: NDArray[Any]) -> Block:
    """Columns ``<prefix>_<class>`` of values (n, k)."""
    return {f"{prefix}_{class_text(label)}": values[:, index] for index, label in enumerate(classes)}


def decision_columns(
    classes: Sequence[Class], decided: NDArray[np.int64] | None, contained: NDArray[np.bool_] | None
) -> Block:
    """Columns of predictions.csv of decisions (n,) and prediction sets (n, k), where there are any.

    ``decision``, an empty cell for none; ``in_set_<class>``, 0 or 1, and ``set_size``.
    """
    block: dict[str, NDArray[Any]] = {}
    if decided is not None:
        block["decision"] = decision_names(classes, decided)
    if contained is not None:
        block |= class_columns("in_set", classes, contained.astype(np.int64))
        block["set_size"] = np.count_nonzero(contained, axis=1)
    return block


def decision_names(classes: Sequence[Class], decided: NDArray[np.int64]) -> NDArray[np.object_]:
    """The classes at ``decided`` (n,) as text, None for no decision."""
    # No decision is the last index, -1.
    names: NDArray[np.object_] = np.array([*map(class_text, classes), None], dtype=object)[decided]
    return names


def check_sums(probabilities: NDArray[np.float64]) -> None:
    """Raises: ArithmeticError if the probabilities (n, k) of a row do not sum to 1 within SUM_TOLERANCE."""
    sums = probabilities.sum(axis=1)
    wrong = np.flatnonzero(~(np.abs(sums - 1) <= SUM_TOLERANCE))
    if len(wrong):
        raise ArithmeticError(f"probabilities of row {wrong[0]} of the block sum to {sums[wrong[0]]}, not to 1")


def need_quotes(classes: Sequence[Class]) -> bool:
    """Whether any class, in a cell or in a column's name, has to stand in quotes."""
    return any(set(class_text(label)) & set(',"\r\n') for label in classes)


def header_line(names: Iterable[str], quoted: bool) -> bytes:
    """The header of a CSV, all names in quotes or none."""
    line = io.StringIO()
    # QUOTE_MINIMAL leaves a bare carriage return unquoted, and readers take it for the end of the line.
    all_quoted = csv.writer(line, lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain = csv.writer(line, lineterminator="\n", quoting=csv.QUOTE_NONE)
    (all_quoted if quoted else plain).writerow(names)
    return line.getvalue().encode()


def write_options(quoted: bool) -> Any:
    """pyarrow's, for the rows below ``header_line``: all texts in quotes, which it calls needed, or none."""
    return pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed" if quoted else "none")


@contextmanager
def open_csv(path: Path, classes: Sequence[Class]) -> Iterator[Callable[[Block], None]]:
    """Yield a function that appends a block; every block has the columns of the first, and no class but ``classes``.

    The file appears, whole, when the ``with`` block ends without an exception; otherwise ``path`` stays as it was.
    ``-`` is standard output.
    Raises: UserError if it cannot be written.
    """
    quoted = need_quotes(classes)
    options = write_options(quoted)
    with files.standard_output() if path == STANDARD_OUTPUT else files.replacing(path) as file:
        has_header = False

        def append(block: Block) -> None:
            nonlocal has_header
            if not has_header:
                file.write(header_line(block, quoted))
                has_header = True
            table = pa.table(
                {name: pa.array(np.ascontiguousarray(values), from_pandas=True) for name, values in block.items()}
            )
            pyarrow.csv.write_csv(table, file, options)

        yield append
