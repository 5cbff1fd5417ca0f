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
from typing import Any, NoReturn

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from pipeline import files
from pipeline.encoding import Encoder
from pipeline.errors import UserError
from pipeline.table.columns import Class

FORMAT = "softmax-model/1"
METADATA_FILE = "softmax.json"
WEIGHTS_FILE = "softmax.safetensors"

# Rows whose logits are computed together. Every row has the same arithmetic whatever this is; 4,096 rows of ten
# classes stay within a second-level cache.
_ROWS_AT_ONCE = 4096


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


def load(folder: Path) -> Model:
    """Read a model that ``save`` wrote.

    Raises: UserError if a file is missing, cut short, edited, from another model, or of another format version.
    """
    document = _read_document(folder / METADATA_FILE)
    tensors = _read_weights(folder / WEIGHTS_FILE, document["weights"])
    return Model(
        weights=tensors["W"],
        bias=tensors["b"],
        encoder=Encoder.from_json(document["encoder"]),
        params=document["params"],
        data_digest=document["data_digest"],
        result=document["result"],
    )


def logits(model: Model, numbers: NDArray[np.float32], codes: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """x W' + b of encoded rows, in float64.

    Shapes: numbers (n, p) float32, codes (n, c) local level indices, one column a category; returns (n, k).
    Each logit is bias, then number columns, then categories, added in that order, each product and each sum rounded by
    itself. A BLAS product would be faster, but its order of addition depends on build, processor and threads.
    """
    result = np.empty((len(numbers), len(model.bias)))
    for start in range(0, len(numbers), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        result[rows] = _block_logits(model, numbers[rows], codes[rows]).T
    return result


def _block_logits(model: Model, numbers: NDArray[np.float32], codes: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Logits of one block, (k, n): classes lie first so that every inner loop runs along the rows."""
    total = np.repeat(model.bias[:, np.newaxis], len(numbers), axis=1)
    for column, values in enumerate(numbers.T.astype(np.float64)):
        total += np.multiply.outer(model.weights[:, column], values)
    offset = model.encoder.number_count
    for levels, code in zip(model.encoder.level_counts, codes.T, strict=True):
        total += model.weights[:, offset : offset + levels].take(code, axis=1)
        offset += levels
    return total


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


def _read_document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(_read_bytes(path), parse_constant=_refuse_constant)
    except ValueError:
        raise UserError(f"{path}: expected JSON, got something else: {_DAMAGED}") from None
    if not isinstance(document, dict) or "format" not in document:
        raise UserError(f"{path}: expected a model's metadata, got JSON without 'format': {_DAMAGED}")
    if document["format"] != FORMAT:
        raise UserError(f"{path}: expected format {FORMAT}, got {document['format']!r}: run `dvc repro` to train anew")
    digest = document.pop("digest", None)
    if digest != files.sha256_text(files.canonical_json(document)):
        raise UserError(f"{path}: digest does not match its content: {_DAMAGED}")
    return document


def _read_weights(path: Path, sha256: str) -> dict[str, NDArray[np.float64]]:
    content = _read_bytes(path)
    if _sha256(content) != sha256:
        raise UserError(
            f"{path}: SHA-256 is not the one in {METADATA_FILE}: "
            "file was cut short, edited, or belongs to another model; run `dvc repro`"
        )
    return safetensors.numpy.load(content)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise UserError(f"{path}: no such file; train a model with `dvc repro`, or name its folder") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DAMAGED = "file was cut short or edited; run `dvc repro`"
