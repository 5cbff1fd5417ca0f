"""The columns of a table of predictions: which there are, which are asked for, and their values in Arrow.

n is the number of rows, k the number of classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.dataset.columns import Class, class_text
from pipeline.errors import UserError, listed, quoted
from pipeline.predictor.scorer import ScoredRows, Scorer

# In the order in which they are written; those of BY_CLASS are a column a class.
GROUPS = (
    *("row", "predicted", "probability", "logit", "rank", "fitted", "low", "high"),
    *("decision", "in_set", "set_size"),
)
BY_CLASS = frozenset(("probability", "logit", "rank", "fitted", "low", "high", "in_set"))

# Why a group may not be there.
_ABSENT = {
    **dict.fromkeys(("fitted", "low", "high"), "they are columns of --interval"),
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
        if group == "row":
            return [pa.array(scored.rows)]
        if group == "predicted":
            return [self._class_names(scored.predicted)]
        if group == "decision":
            return [self._class_names(scored.decided)]
        if group == "set_size":
            return [pa.array(np.count_nonzero(_present(scored.contained), axis=1))]
        if group == "in_set":
            return _by_class(_present(scored.contained).astype(np.int64))
        if group in ("probability", "logit", "rank"):
            values = {"probability": "probabilities", "logit": "logits", "rank": "ranks"}[group]
            return _by_class(getattr(scored, values))
        return _by_class(scored.bounds[group])

    def _class_names(self, indices: NDArray[np.int64] | None) -> Any:
        """(n,) texts; -1 is no class."""
        indices = _present(indices)
        names = pa.array([class_text(label) for label in self.classes], pa.string())
        return pa.DictionaryArray.from_arrays(pa.array(indices.astype(np.int32), mask=indices < 0), names)


def choose(scorer: Scorer, asked: Sequence[str] | None = None, keep: Sequence[str] = ()) -> OutputColumns:
    """The columns that are asked for by names or groups, else all that the scorer has, and those to keep.

    Raises: UserError for one that is unknown or asked for twice, and for one to keep that is named as another.
    """
    classes = tuple(scorer.model.classes)
    available = _available(scorer)
    chosen = available if asked is None else _chosen(available, asked)
    taken = {column.name for column in chosen}
    for name in keep:
        if name in taken:
            own = any(column.name == name for column in chosen)
            what = "the predictions have a column of this name; rename it in the table" if own else "it is named twice"
            raise UserError(f"--keep {quoted(name)}: expected a column of its own, but {what}")
        taken.add(name)
    return OutputColumns(classes, tuple(chosen), tuple(keep))


def _available(scorer: Scorer) -> list[OutputColumn]:
    absent = set()
    if scorer.fit is None:
        absent |= {"fitted", "low", "high"}
    if scorer.decision.policy is None:
        absent.add("decision")
    if scorer.decision.sets is None:
        absent |= {"in_set", "set_size"}
    columns = []
    for group in GROUPS:
        texts = [f"_{class_text(label)}" for label in scorer.model.classes] if group in BY_CLASS else [""]
        if group not in absent:
            columns += [OutputColumn(group + text, group, position) for position, text in enumerate(texts)]
    return columns


def _chosen(available: Sequence[OutputColumn], asked: Sequence[str]) -> list[OutputColumn]:
    groups = {column.group for column in available}
    names = {column.name for column in available}
    for name in asked:
        if name not in groups and name not in names:
            why = _ABSENT.get(name)
            possible = listed([group for group in GROUPS if group in groups], most=len(GROUPS))
            reason = f"{why}; there are {possible}" if why else f"there are {possible}, and the full names of columns"
            raise UserError(f"--columns {quoted(name)}: expected a column of the predictions: {reason}")
        if asked.count(name) > 1:
            raise UserError(f"--columns {quoted(name)}: expected it once, got it {asked.count(name)} times")
    return [column for column in available if column.group in asked or column.name in asked]


def _by_class(values: NDArray[Any]) -> Sequence[Any]:
    """The k columns of (n, k); NaN is no value."""
    return [pa.array(column, from_pandas=True) for column in np.ascontiguousarray(values.T)]


def _present(values: NDArray[Any] | None) -> NDArray[Any]:
    if values is None:
        raise ValueError("expected a column that the scorer has")
    return values
