"""A trained softmax regression: its weights, everything needed to apply them, and the two files that hold it.

``softmax.safetensors`` holds W (k, d) and b (k,), float64. ``softmax.json`` holds the rest, the SHA-256 of the weights
file, and a digest of its own content, so that neither file can be cut short, edited or exchanged without being noticed.
k is the number of classes, d the number of features, n the number of rows; x are inputs, w weights.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import ConfigDict, JsonValue, NonNegativeInt
from safetensors import SafetensorError

from pipeline import files
from pipeline.dataset.columns import Class
from pipeline.dataset.encoder import Encoder
from pipeline.documents import json_documents
from pipeline.documents.json_documents import Digest, Form
from pipeline.errors import UserError, listed, shortened
from pipeline.output_files import METADATA_FILE, WEIGHTS_FILE

FORMAT = "softmax-model/1"


@dataclass(frozen=True)
class Model:
    """A softmax regression as trained; ``encoder`` turns a table into the columns that ``weights`` expect.

    Shapes: weights (k, d) float64 in the order of ``features``, bias (k,) float64 in the order of ``classes``.
    ``params`` are the resolved train params, ``data_digest`` names the prepared data, ``result`` says how training
    ended.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    encoder: Encoder
    params: dict[str, Any]
    data_digest: str
    result: dict[str, Any]

    def __post_init__(self) -> None:
        expected = (len(self.classes), len(self.features))
        if self.weights.shape != expected or self.bias.shape != expected[:1]:
            raise ValueError(f"weights {self.weights.shape} and bias {self.bias.shape} do not fit {expected}")

    @property
    def classes(self) -> list[Class]:
        """The k labels as the source had them, in the order of the rows of W."""
        return list(self.encoder.classes)

    @property
    def features(self) -> list[str]:
        """The d feature names, in the order of the columns of W."""
        return list(self.encoder.features)

    @cached_property
    def key(self) -> str:
        """SHA-256 over metadata and weights; two models share it only if they are equal in both.

        It is the ``digest`` in softmax.json, so that it can be found there by search.
        """
        digest: str = _document(self, _weights_bytes(self))["digest"]
        return digest


def save(folder: Path, model: Model) -> None:
    """Write the two model files into ``folder``; the same model gives the same bytes."""
    weights = _weights_bytes(model)
    files.write_bytes(folder / WEIGHTS_FILE, weights)
    files.write_json(folder / METADATA_FILE, _document(model, weights))


class _Result(Form):
    """The part of a training's result that readers of a model count on; train says more."""

    model_config = ConfigDict(extra="allow")

    status: str
    meaning: str = ""
    reason: str = ""
    epochs: NonNegativeInt = 0
    passes: NonNegativeInt = 0
    best_epoch: NonNegativeInt | None = None
    cost: float = 0.0
    objective: float = 0.0
    gradient_norm: float = 0.0
    bound: float | None = None
    relative_bound: float | None = None
    findings: tuple[str, ...] | list[str] = ()


class _Document(Form):
    """The content of softmax.json beside its digest; ``classes`` and ``features`` repeat the encoder's, for readers."""

    format: str
    classes: list[int | str | bool]
    features: list[str]
    encoder: dict[str, Any]
    params: dict[str, JsonValue]
    data_digest: str
    result: _Result
    weights: Digest


def load(folder: Path) -> Model:
    """Read a model that ``save`` wrote.

    Raises: UserError if a file is missing, cut short, edited, from another model, or of another format version, and if
    it was forged: its digests match, but not what they are of.
    """
    document = json_documents.read_bytes(folder / METADATA_FILE, _MISSING)
    weights = json_documents.read_bytes(folder / WEIGHTS_FILE, _MISSING)
    return parse(document, weights, folder)


def parse(metadata: bytes, weights: bytes, folder: Path) -> Model:
    """The model that the content of the two files of ``folder`` is; the errors are those of ``load``."""
    path = folder / METADATA_FILE
    sealed = json_documents.parse(metadata, path, _DAMAGED)
    document = json_documents.unsealed(sealed, FORMAT, path, _DAMAGED, "run `dvc repro` to train anew")
    with json_documents.faults_named(path, _DAMAGED):
        _Document.model_validate(document)
        encoder = Encoder.from_json(document["encoder"])
        if (document["classes"], document["features"]) != ([*encoder.classes], [*encoder.features]):
            raise ValueError("classes, features: expected those of the encoder, got others")
    tensors = _tensors(weights, folder / WEIGHTS_FILE, document["weights"], encoder)
    return Model(
        weights=tensors["W"],
        bias=tensors["b"],
        encoder=encoder,
        params=document["params"],
        data_digest=document["data_digest"],
        result=document["result"],
    )


def _weights_bytes(model: Model) -> bytes:
    tensors = {
        "W": np.ascontiguousarray(model.weights, dtype=np.float64),
        "b": np.ascontiguousarray(model.bias, dtype=np.float64),
    }
    return safetensors.numpy.save(tensors)


def _document(model: Model, weights: bytes) -> dict[str, Any]:
    content: dict[str, Any] = {
        "format": FORMAT,
        "classes": model.classes,
        "features": model.features,
        "encoder": model.encoder.to_json(),
        "params": model.params,
        "data_digest": model.data_digest,
        "result": model.result,
        "weights": _sha256(weights),
    }
    # As it will be read back: JSON turns integer keys into text, and text sorts differently.
    content = json.loads(json.dumps(content))
    return content | {"digest": files.sha256_text(files.canonical_json(content))}


def _tensors(content: bytes, path: Path, sha256: str, encoder: Encoder) -> dict[str, NDArray[np.float64]]:
    """W and b. Raises: UserError unless they are the ones in the metadata, of float64, finite and of its shapes."""
    if _sha256(content) != sha256:
        raise UserError(
            f"{path}: SHA-256 is not the one in {METADATA_FILE}: "
            "file was cut short, edited, or belongs to another model; run `dvc repro`"
        )
    try:
        tensors: dict[str, NDArray[Any]] = safetensors.numpy.load(content)
    except (SafetensorError, ValueError, TypeError, KeyError):  # the last two of a dtype that numpy lacks
        raise UserError(f"{path}: expected safetensors, got something else: {_DAMAGED}") from None
    shapes = {"W": (len(encoder.classes), len(encoder.features)), "b": (len(encoder.classes),)}
    if tensors.keys() != shapes.keys():
        raise UserError(f"{path}: expected the tensors W and b, got {listed(sorted(tensors))}: {_DAMAGED}")
    for name, shape in shapes.items():
        tensor = tensors[name]
        if (tensor.dtype, tensor.shape) != (np.dtype(np.float64), shape):
            came = f"{tensor.dtype} {shortened(tensor.shape)}"
            raise UserError(f"{path}: tensor {name}: expected float64 {shape}, got {came}: {_DAMAGED}")
        if not np.isfinite(tensor).all():
            raise UserError(f"{path}: tensor {name}: expected finite numbers, got NaN or infinity: {_DAMAGED}")
    return tensors


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


_DAMAGED = "file was cut short or edited; run `dvc repro`"
_MISSING = "train a model with `dvc repro`, or name its folder"
