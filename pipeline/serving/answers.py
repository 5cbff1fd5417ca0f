"""What an answer says of a row, in the text of predictions.csv.

n rows, k classes. Numbers are written by the formatter that writes predictions.csv, Arrow's: the shortest digits that
read back as the same float64. orjson finds the same digits and spells a tenth of numbers otherwise (1.0 for 1,
10000000000.0 for 1e+10, 1e-6 for 0.000001).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute  # casts, which would load it with the first request
from numpy.typing import NDArray

from pipeline.dataset.columns import Class, class_text
from pipeline.errors import UserError, listed
from pipeline.predictor import output_columns
from pipeline.predictor.scorer import ScoredRows
from pipeline.scoring.costs import NO_DECISION
from pipeline.scoring.decision import Decision

_DOUBLE, _STRING = pa.float64(), pa.string()

# Cells of n rows, of one column or of one a class, as JSON.
Cells = list[list[Any]]


def number_texts(values: NDArray[np.float64]) -> list[str]:
    """The texts of any number of values, ``null`` for NaN, and for an infinity, which JSON lacks."""
    flat = np.ascontiguousarray(values).ravel()
    # pa.array takes twice as long for a row.
    texts: list[str] = pa.Array.from_buffers(_DOUBLE, len(flat), [None, pa.py_buffer(flat)]).cast(_STRING).to_pylist()
    if not np.isfinite(flat).all():
        return [text if finite else "null" for text, finite in zip(texts, np.isfinite(flat).tolist(), strict=True)]
    return texts


def _numbers(values: NDArray[np.float64]) -> Cells:
    texts, k = number_texts(values), values.shape[1]
    return [texts[start : start + k] for start in range(0, len(texts), k)]


@dataclass(frozen=True)
class _Group:
    """Columns of one kind: their names, and the cells of rows."""

    columns: list[str]
    cells: Callable[[ScoredRows], Cells]


class RowWriter:
    """Writes rows as JSON objects with the columns of predictions.csv, but its row numbers."""

    def __init__(self, classes: Sequence[Class], decision: Decision, chosen: Sequence[str] = ()) -> None:
        """``chosen``: the groups of columns, all where there are none.

        Raises: UserError for a group that the model lacks.
        """
        groups = _groups(classes, decision)
        unknown = [name for name in chosen if name not in groups]
        if unknown:
            raise UserError(f"--columns: expected some of {listed(groups, len(groups))}, got {listed(unknown)}")
        self._groups = [groups[name] for name in (chosen or groups)]
        names = [name for group in self._groups for name in group.columns]
        pairs = ",".join(f"{_json(name).replace('%', '%%')}:%s" for name in names)
        self._row = f"{{{pairs}}}"

    def rows(self, scored: ScoredRows) -> Iterable[str]:
        """The rows, each as JSON."""
        parts = [group.cells(scored) for group in self._groups]
        return (self._row % tuple(chain.from_iterable(row)) for row in zip(*parts, strict=True))


def _groups(classes: Sequence[Class], decision: Decision) -> dict[str, _Group]:
    texts = [_json(class_text(label)) for label in classes]

    def of_group(group: str) -> list[str]:
        return output_columns.names(group, classes)

    groups = {
        "predicted": _Group(["predicted"], lambda scored: [[texts[place]] for place in scored.predicted.tolist()]),
        "probability": _Group(of_group("probability"), lambda scored: _numbers(scored.probabilities)),
        "logit": _Group(of_group("logit"), lambda scored: _numbers(scored.logits)),
        "rank": _Group(of_group("rank"), lambda scored: scored.ranks.tolist()),
    }
    if decision.policy is not None:
        decided = [*texts, "null"]  # no decision is the last, -1
        assert NO_DECISION == -1
        groups["decision"] = _Group(["decision"], lambda scored: [[decided[place]] for place in _list(scored.decided)])
    if decision.sets is not None:
        groups["in_set"] = _Group([*of_group("in_set"), "set_size"], _sets)
    return groups


def _sets(scored: ScoredRows) -> Cells:
    contained = np.asarray(scored.contained).astype(np.int64)
    return np.column_stack([contained, contained.sum(axis=1)]).tolist()  # type: ignore[no-any-return]


def _list(values: NDArray[Any] | None) -> list[Any]:
    return np.asarray(values).tolist()  # type: ignore[no-any-return]


def _json(text: str) -> str:
    return orjson.dumps(text).decode()
