"""What the readers share: forms that may hold more, tensors, and the sentence of a refusal."""

from typing import Any, NoReturn

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import ConfigDict
from safetensors import SafetensorError

from pipeline.documents.json_documents import Form
from pipeline.errors import UserError, listed, shortened

REMEDY = "the file was cut short or edited; run `dvc repro`"


class OpenForm(Form):
    """A document that may hold more than its readers count on, as those of other versions do."""

    model_config = ConfigDict(extra="allow")


def parse_tensors(content: bytes, place: object, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """A safetensors file that has these tensors alone. Raises: UserError that names ``place``."""
    try:
        tensors: dict[str, NDArray[Any]] = safetensors.numpy.load(content)
    except (SafetensorError, ValueError, TypeError, KeyError):  # the last two of a dtype that numpy lacks
        refuse(place, "safetensors", "something else")
    if tensors.keys() != set(names):
        expected = f"the tensors {', '.join(names[:-1])} and {names[-1]}"
        refuse(place, expected, listed(sorted(tensors)) or "none")
    return tensors


def require_tensor(
    tensors: dict[str, NDArray[Any]], name: str, kind: str, size: tuple[int, ...], place: object
) -> None:
    """Check type, shape and that all numbers are finite. Raises: UserError that names ``place`` and the tensor."""
    tensor = tensors[name]
    if (str(tensor.dtype), tensor.shape) != (kind, size):
        refuse(f"{place}: tensor {name}", f"{kind} {size}", f"{tensor.dtype} {shortened(tensor.shape)}")
    if not np.isfinite(tensor).all():
        refuse(f"{place}: tensor {name}", "finite numbers", "NaN or infinity")


def refuse(place: object, expected: str, came: str) -> NoReturn:
    """Raise UserError: what was expected at ``place``, what came, and what to do."""
    raise UserError(f"{place}: expected {expected}, got {came}: {REMEDY}")
