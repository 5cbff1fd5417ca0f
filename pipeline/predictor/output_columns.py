"""The columns of a table of predictions: their groups, names and order, and what a group says of scored rows.

n is the number of rows, k the number of classes.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.columns import Class, class_text
from pipeline.errors import UserError, quoted
from pipeline.predictor.scorer import ScoredRows
from pipeline.scoring import predictions
from pipeline.scoring.decision import Decision

# Those of the inference fit.
INTERVALS = ("fitted", "low", "high")

# In the order in which they are written.
GROUPS = ("row", "predicted", "probability", "logit", "rank", *INTERVALS, "decision", "in_set", "set_size")

# Of these there is a column a class, of the others one.
BY_CLASS = frozenset(("probability", "logit", "rank", *INTERVALS, "in_set"))

# Their values are positions of classes.
CLASS_NAMES = frozenset(("predicted", "decision"))

_VALUES: Mapping[str, Callable[[ScoredRows], NDArray[Any]]] = {
    "row": lambda scored: scored.rows,
    "predicted": lambda scored: scored.predicted,
    "probability": lambda scored: scored.probabilities,
    "logit": lambda scored: scored.logits,
    "rank": lambda scored: scored.ranks,
    "fitted": lambda scored: scored.bounds["fitted"],
    "low": lambda scored: scored.bounds["low"],
    "high": lambda scored: scored.bounds["high"],
    "decision": lambda scored: _present(scored.decided),
    "in_set": lambda scored: _present(scored.contained).astype(np.int64),
    "set_size": lambda scored: np.count_nonzero(_present(scored.contained), axis=1),
}


def groups(decision: Decision, has_intervals: bool) -> list[str]:
    """The groups that there are for a model with this decision, in order."""
    absent = set() if has_intervals else {*INTERVALS}
    if decision.policy is None:
        absent.add("decision")
    if decision.sets is None:
        absent |= {"in_set", "set_size"}
    return [group for group in GROUPS if group not in absent]


def names(group: str, classes: Sequence[Class]) -> list[str]:
    """The names of a group's columns: one, or one a class."""
    return [f"{group}_{class_text(label)}" for label in classes] if group in BY_CLASS else [group]


def require_own_names(keep: Sequence[str], taken: Iterable[str], spelled: Callable[[str], str] = str) -> None:
    """Check that no column to keep is named as another, or as one ``taken`` by the predictions, once ``spelled``.

    Raises: UserError.
    """
    own, names_so_far = {spelled(name) for name in taken}, set[str]()
    for name in keep:
        if spelled(name) in own | names_so_far:
            is_own = spelled(name) in own
            what = "the predictions have one of this name; rename it in the table" if is_own else "it is named twice"
            raise UserError(f"--keep {quoted(name)}: expected a column of its own, but {what}")
        names_so_far.add(spelled(name))


def values(group: str, scored: ScoredRows) -> NDArray[Any]:
    """What a group says of rows: (n, k) of BY_CLASS, else (n,); NaN or, of CLASS_NAMES, -1 is no value.

    Computed now. Raises: ValueError for a group that the model has not.
    """
    return _VALUES[group](scored)


def block(scored: ScoredRows, classes: Sequence[Class], chosen: Collection[str] = GROUPS) -> predictions.Block:
    """The columns, by name, of those of the ``chosen`` groups that there are."""
    columns: dict[str, NDArray[Any]] = {}
    for group in groups(scored.decision, scored.intervals is not None):
        if group in chosen:
            array = values(group, scored)
            if group in CLASS_NAMES:
                array = predictions.decision_names(classes, array)
            columns |= zip(names(group, classes), array.T if group in BY_CLASS else [array], strict=True)
    return columns


def _present(array: NDArray[Any] | None) -> NDArray[Any]:
    if array is None:
        raise ValueError("expected a group that the model has")
    return array
