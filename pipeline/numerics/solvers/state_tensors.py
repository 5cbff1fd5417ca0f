"""A dataclass of numbers and tensors as the named tensors of a checkpoint, and back."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

State = TypeVar("State", bound="DataclassInstance")


def to_tensors(state: "DataclassInstance") -> dict[str, Tensor]:
    """A tensor a field, by its name: bool and int (int64) as (), float as float64 (), a list of floats as (n,)."""
    return {field.name: _tensor(getattr(state, field.name)) for field in fields(state)}


def _tensor(value: Tensor | bool | int | float | list[float]) -> Tensor:
    if isinstance(value, Tensor):
        return value
    return torch.tensor(value, dtype=torch.float64 if isinstance(value, float | list) else None)


def from_tensors(kind: type[State], tensors: Mapping[str, Tensor]) -> State:
    """The inverse; tensors of other names are left alone."""
    return kind(
        **{
            field.name: tensors[field.name] if field.type is Tensor else tensors[field.name].tolist()
            for field in fields(kind)
        }
    )
