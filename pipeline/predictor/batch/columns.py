"""The columns of a table of predictions that are asked for, with those of the source that are kept, in Arrow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.dataset.columns import Class, class_text
from pipeline.errors import UserError, listed, quoted
from pipeline.predictor import output_columns
from pipeline.predictor.scorer import ScoredRows, Scorer

# Why a group may not be there.
_ABSENT = {
    **dict.fromkeys(output_columns.INTERVALS, "they are columns of --interval"),
    "decision": "the model has no costs to decide by (decide.costs)",
    **dict.fromkeys(("in_set", "set_size"), "the model has no prediction sets (decide.sets)"),
}


@dataclass(frozen=True)
class OutputColumn:
    """One column: its group, and of groups by class the class's position."""

    name: str
    group: str
    position: int = 0


@dataclass(frozen=True)
class OutputColumns:
    """The columns that are written of each row; ``kept`` are columns of the source, carried through."""

    classes: tuple[Class, ...]
    columns: tuple[OutputColumn, ...]
    kept: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The header: the row's number, what is kept, then the others."""
        own = [column.name for column in self.columns]
        place = self._kept_place
        return [*own[:place], *self.kept, *own[place:]]

    @property
    def has_texts(self) -> bool:
        """Whether kept texts are among them, which may hold anything."""
        return bool(self.kept)

    @property
    def _kept_place(self) -> int:
        return int(bool(self.columns) and self.columns[0].group == "row")

    def table(self, scored: ScoredRows, kept: Any) -> Any:
        """The columns of scored rows (n,) as an Arrow table; ``kept`` is an Arrow table of those that are kept.

        Classes are dictionaries, so that no row costs an object of Python. Nothing is computed that is not asked for.
        """
        by_group: dict[str, Sequence[Any]] = {}
        arrays = []
        for column in self.columns:
            if column.group not in by_group:
                by_group[column.group] = self._arrays(column.group, scored)
            arrays.append(by_group[column.group][column.position])
        place = self._kept_place
        arrays[place:place] = [] if kept is None else [kept.column(name).combine_chunks() for name in self.kept]
        return pa.Table.from_arrays(arrays, names=self.names)

    def _arrays(self, group: str, scored: ScoredRows) -> Sequence[Any]:
        """The columns of a group: one, or one a class."""
        values = output_columns.values(group, scored)
        if group in output_columns.CLASS_NAMES:
            return [self._class_names(values)]
        columns = np.ascontiguousarray(values.T) if group in output_columns.BY_CLASS else [values]
        return [pa.array(column, from_pandas=True) for column in columns]  # NaN is no value

    def _class_names(self, indices: NDArray[np.int64]) -> Any:
        """Texts of positions (n,); -1 is no class."""
        names = pa.array([class_text(label) for label in self.classes], pa.string())
        return pa.DictionaryArray.from_arrays(pa.array(indices.astype(np.int32), mask=indices < 0), names)


def choose(scorer: Scorer, asked: Sequence[str] | None = None, keep: Sequence[str] = ()) -> OutputColumns:
    """The columns that are asked for by names or groups, else all that the scorer has, and those to keep.

    Raises: UserError for one that is unknown or asked for twice, and for one to keep that is named as another.
    """
    classes = tuple(scorer.model.classes)
    available = _available(scorer)
    chosen = available if asked is None else _chosen(available, asked)
    output_columns.require_own_names(keep, [column.name for column in chosen])
    return OutputColumns(classes, tuple(chosen), tuple(keep))


def _available(scorer: Scorer) -> list[OutputColumn]:
    return [
        OutputColumn(name, group, position)
        for group in output_columns.groups(scorer.decision, scorer.fit is not None)
        for position, name in enumerate(output_columns.names(group, scorer.model.classes))
    ]


def _chosen(available: Sequence[OutputColumn], asked: Sequence[str]) -> list[OutputColumn]:
    groups = list(dict.fromkeys(column.group for column in available))
    names = {column.name for column in available}
    for name in asked:
        if name not in groups and name not in names:
            why = _ABSENT.get(name)
            possible = listed(groups, most=len(groups))
            reason = f"{why}; there are {possible}" if why else f"there are {possible}, and the full names of columns"
            raise UserError(f"--columns {quoted(name)}: expected a column of the predictions: {reason}")
        if asked.count(name) > 1:
            raise UserError(f"--columns {quoted(name)}: expected it once, got it {asked.count(name)} times")
    return [column for column in available if column.group in asked or column.name in asked]
