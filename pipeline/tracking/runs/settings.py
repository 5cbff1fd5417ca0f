"""The settings that tell runs apart, out of all that stand in params.yaml.

MLflow shows the params of a run wherever it shows the run, above each picture too, and takes three of those that
differ for its comparison. Forty of them, most with their usual value, say less than seven; params.json among the
artifacts has all.
"""

import json
from typing import Any

from pipeline.nested import flatten

# Said with every value, so that runs of other solvers differ in what matters; the rest only where it is not as usual.
_ALWAYS = ("train.solver", "train.lr", "train.l2", "train.epochs")

# Values that mean "nothing special".
_NEUTRAL: tuple[Any, ...] = (None, False, 0, "", "none", "full", "all", "constant", [], {})
_USUAL: dict[str, Any] = {
    "train.intercept": True,
    "train.tolerance": 1e-8,
    "train.device": "cpu",
    "train.precision": "float64",
    "train.seed": 1,
    "prepare.files": "*",
    "prepare.dtype": "float32",
    "prepare.missing_target": "error",
    "prepare.split.method": "seed",
}

# How the table is read, how often a snapshot is taken and what share of the rows is held out tell few runs of a data
# set apart; the digest of the data does.
_NEVER = (
    *("train.snapshot_every", "train.start.key", "prepare.source", "prepare.files", "prepare.separator"),
    *("prepare.encoding", "prepare.decimal", "prepare.target", "prepare.missing_values", "prepare.date_parts"),
    *("prepare.max_levels", "prepare.split.validation", "prepare.split.test"),
)

BY_STEPS = ("sgd", "adam")

# Keys that stand in every params.yaml and mean something to these values of another key only.
_READ_BY = {
    "train.lr": ("train.solver", BY_STEPS),
    "train.seed": ("train.solver", BY_STEPS),
    "train.momentum": ("train.solver", ("sgd",)),
    "train.schedule.every": ("train.schedule.method", ("step",)),
    "train.schedule.factor": ("train.schedule.method", ("step", "exponential")),
    "prepare.split.seed": ("prepare.split.method", ("seed", "hash")),
    "prepare.split.column": ("prepare.split.method", ("column",)),
    "prepare.split.key": ("prepare.split.method", ("hash",)),
}

# Above this many, such as a weight for each of a hundred classes, they hide what they stand beside.
_MOST = 16


def telling(document: dict[str, Any]) -> dict[str, Any]:
    """The settings of prepare and train that say what is special, by dotted key, the most telling first."""
    sections = {name: document[name] for name in ("train", "prepare") if isinstance(document.get(name), dict)}
    values = {key: value for key, value in flatten(sections).items() if not _is_idle(key, sections)}
    first = {key: values[key] for key in _ALWAYS if values.get(key) is not None}
    special = {key: value for key, value in values.items() if key not in (*_ALWAYS, *_NEVER) and is_special(key, value)}
    return dict([*first.items(), *special.items()][:_MOST])


def is_special(key: str, value: Any) -> bool:
    """Whether a setting has a value that is not its usual one."""
    return value not in _NEUTRAL and value != _USUAL.get(key)


def _is_idle(key: str, sections: dict[str, Any]) -> bool:
    """Whether nothing reads the setting: the solver, schedule or split that is chosen beside it does not."""
    chooser, readers = _READ_BY.get(key, ("", ()))
    if not chooser:
        return False
    return flatten(sections).get(chooser) not in readers


def short(value: Any) -> str:
    """A value in a few characters: numbers as short as they go, lists by their length."""
    if isinstance(value, list):
        return f"{len(value)} columns"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value)
