"""What the state of a training looks like: a file below .cache may be another's, or forged with a matching digest.

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
_OPTIMUM: _Form = {
    "method theta": ("float64", ("d + 1", "k")),
    "method factor at": ("float64", ("d + 1", "k")),
    "method has factor": ("bool", ()),
    "method steps": ("float64", ("pairs", "(d + 1) k")),
    "method changes": ("float64", ("pairs", "(d + 1) k")),
    "method decrements": ("float64", ("decrements",)),
    "method counts": ("int64", (8,)),
    "method numbers": ("float64", (2,)),
}
_SPARSE: _Form = {
    "method theta": ("float64", ("d + 1", "k")),
    "method columns": ("int64", ("columns",)),
    "method curvature": ("float64", ("(columns + 1) k", "(columns + 1) k")),
    "method decrements": ("float64", ("decrements",)),
    "method counts": ("int64", (2,)),
    "method last subgradient": ("float64", ()),
}
_NO_PAIRS = ("method steps", "method changes")

# Where a number that is not finite means that there is none yet.
_OPEN = ("records", "method numbers")


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
    return form | (_SPARSE if params.l1 else _OPTIMUM)


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
    if "method counts" in state:
        _require_counts(state["method counts"].tolist(), epochs, state["method decrements"].numel())
    if "method numbers" in state:
        _require(not bool(torch.isnan(state["method numbers"]).any()))
    _require("method last subgradient" not in state or float(state["method last subgradient"]) >= 0)
    if "method columns" in state:
        columns = state["method columns"].tolist()
        _require(columns == sorted(set(columns)) and all(column >= 0 for column in columns))
        _require(not columns or columns[-1] < state["snapshot W"].shape[2])


def _require_counts(counts: list[int], epochs: int, decrements: int) -> None:
    """Of an optimum's eight: refreshes of the factor, at most one an epoch; epochs since; bytes of a float; flags."""
    _require(decrements <= epochs and all(0 <= count <= 2**53 for count in counts))
    if len(counts) == 8:
        refreshes, since, _, _, _, size, has_facts, has_means = counts
        _require(refreshes <= epochs and since <= decrements)
        _require(size in (4, 8) and has_facts <= 1 and has_means <= 1)
