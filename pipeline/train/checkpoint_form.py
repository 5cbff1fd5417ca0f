"""The form of a training's state: a file below .cache may be another's, or forged with a matching digest.

k is the number of classes, d the number of features.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from pipeline.train.params import FIRST_ORDER, TrainParams

# Name: type and shape. Letters stand for sizes: those given, and others that must be the same wherever they stand.
_Form = dict[str, tuple[str, tuple[str | int, ...]]]

_COURSE: _Form = {
    "epochs": ("int64", ()),
    "records": ("float64", ("epochs", 6)),
    "snapshot epochs": ("int64", ("snapshots",)),
    "snapshot W": ("float64", ("snapshots", "k", "d")),
    "snapshot b": ("float64", ("snapshots", "k")),
}
_BEST: _Form = {"best": ("float64", (2,)), "best W": ("float64", ("k", "d")), "best b": ("float64", ("k",))}
_FIRST_ORDER: _Form = {
    "method W": ("float64", ("k", "d")),
    "method b": ("float64", ("k",)),
    "method epochs": ("int64", ()),
    "method generator": ("uint8", ("bytes",)),
}
_MOMENTS: _Form = {"method memory 0": ("float64", ("k", "d")), "method memory 1": ("float64", ("k",))}
_ADAM: _Form = {
    **_MOMENTS,
    "method memory 2": ("float64", ("k", "d")),
    "method memory 3": ("float64", ("k",)),
    "method memory 4": ("float32", ()),
    "method memory 5": ("float32", ()),
}
_QUASI_NEWTON: _Form = {
    "method theta": ("float64", ("d + 1", "k")),
    "method in_float64": ("bool", ()),
    "method has_statistics": ("bool", ()),
    "method knows_label_means": ("bool", ()),
    "method steps": ("float64", ("pairs", "(d + 1) k")),
    "method changes": ("float64", ("pairs", "(d + 1) k")),
    "method refreshes": ("int64", ()),
    "method has_factor": ("bool", ()),
    "method factor_theta": ("float64", ("d + 1", "k")),
    "method passes": ("int64", ()),
    "method since_refresh": ("int64", ()),
    "method stalled": ("int64", ()),
    "method products": ("int64", ()),
    "method smallest_gradient": ("float64", ()),
    "method smallest_at_last_drop": ("float64", ()),
    "method decrements": ("float64", ("decrements",)),
}
_PROXIMAL_NEWTON: _Form = {
    "method theta": ("float64", ("d + 1", "k")),
    "method columns": ("int64", ("columns",)),
    "method curvature": ("float64", ("(columns + 1) k", "(columns + 1) k")),
    "method has_sample": ("bool", ()),
    "method decrements": ("float64", ("decrements",)),
    "method last_subgradient": ("float64", ()),
    "method passes": ("int64", ()),
}
_NO_PAIRS = ("method steps", "method changes")

# Where infinity means that there is none yet; of a record NaN does.
_SMALLEST = ("method smallest_gradient", "method smallest_at_last_drop")
_OPEN = ("records", *_SMALLEST)

# Counts that are at least 0, and at most as many as are asked for or float64 can tell apart.
_COUNTS = ("method refreshes", "method since_refresh", "method stalled", "method products", "method passes")


def fits(state: Mapping[str, Tensor], params: TrainParams, k: int, d: int) -> bool:
    """Whether a training with these params can go on from a state: names, types, shapes, and ranges of what counts."""
    try:
        _require_form(state, _form(state, params), {"k": k, "d": d, "d + 1": d + 1, "(d + 1) k": (d + 1) * k})
        _require_course(state, params)
        if "method generator" in state:
            torch.Generator().set_state(state["method generator"])
    except (_OtherError, RuntimeError):
        return False
    return True


class _OtherError(Exception):
    """The state is of another form."""


def _require(condition: object) -> None:
    if not condition:
        raise _OtherError


def _form(state: Mapping[str, Tensor], params: TrainParams) -> _Form:
    form = _COURSE | (_BEST if "best" in state and params.early_stopping.patience else {})
    if params.solver in FIRST_ORDER:
        memory = _ADAM if params.solver == "adam" else _MOMENTS if params.momentum else {}
        return form | _FIRST_ORDER | memory
    return form | (_PROXIMAL_NEWTON if params.l1 else _QUASI_NEWTON)


def _require_form(state: Mapping[str, Tensor], form: _Form, sizes: dict[str, int]) -> None:
    _require(state.keys() == form.keys())
    if "method columns" in form:
        sizes["(columns + 1) k"] = (state["method columns"].numel() + 1) * sizes["k"]
    if all(state[name].shape == (0,) for name in _NO_PAIRS if name in form):
        form = {name: kind for name, kind in form.items() if name not in _NO_PAIRS}
    for name, (kind, shape) in form.items():
        tensor = state[name]
        _require(tensor.dtype == getattr(torch, kind) and tensor.dim() == len(shape))
        for size, letter in zip(tensor.shape, shape, strict=True):
            _require(size == (letter if isinstance(letter, int) else sizes.setdefault(letter, size)))
        _require(name in _OPEN or bool(torch.isfinite(tensor).all()))


def _require_course(state: Mapping[str, Tensor], params: TrainParams) -> None:
    """Check epochs, counts and places against each other."""
    epochs = int(state["epochs"])
    records, snapshots = state["records"], state["snapshot epochs"].tolist()
    _require(1 <= epochs <= params.epochs)
    _require(records[:, 0].tolist() == list(range(epochs)) and bool(torch.isfinite(records[:, 1]).all()))
    _require(snapshots == [-1, *range(0, epochs, params.snapshot_every)])
    _require("method epochs" not in state or int(state["method epochs"]) == epochs)
    _require("best" not in state or 0 <= float(state["best"][1]) < epochs)
    for name in ("method memory 4", "method memory 5"):
        _require(name not in state or float(state[name]) >= 1)
    for name in _COUNTS:
        _require(name not in state or 0 <= int(state[name]) <= 2**53)
    for name in (*_SMALLEST, "method last_subgradient"):
        _require(name not in state or float(state[name]) >= 0)
    if "method decrements" in state:
        _require(state["method decrements"].numel() <= epochs)
    if "method refreshes" in state:
        _require(int(state["method refreshes"]) <= epochs)  # at most one an epoch
        _require(int(state["method since_refresh"]) <= state["method decrements"].numel())
    if "method columns" in state:
        columns = state["method columns"].tolist()
        _require(columns == sorted(set(columns)) and all(column >= 0 for column in columns))
        _require(not columns or columns[-1] < state["snapshot W"].shape[2])
