"""Tensors of the Open Inference Protocol: row-major, as JSON or, by Triton's extension, as bytes behind the JSON.

Sources: kserve/open-inference-protocol, specification/protocol/inference_rest.md; triton-inference-server/server,
docs/protocol/extension_binary_data.md.
"""

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from pipeline.errors import listed, quoted
from pipeline.serving.answers import number_texts
from pipeline.serving.requests import RequestError

_DTYPES = {
    "BOOL": "?",
    **{f"UINT{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
    **{f"INT{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": f"<f{size}" for size in (2, 4, 8)},
}
_BYTES = "BYTES"
_MOST_DIMENSIONS = 2


@dataclass(frozen=True)
class Tensor:
    """``values`` in row-major order, prod(shape) of them: numbers, booleans, texts, None for no value."""

    name: str
    shape: tuple[int, ...]
    values: Sequence[Any]


def read(document: dict[str, Any], binary: memoryview, start: int) -> tuple[Tensor, int]:
    """A tensor of a request, and where in its bytes the next one begins. Raises: RequestError (400)."""
    name, shape, datatype = (document.get(key) for key in ("name", "shape", "datatype"))
    if type(name) is not str:
        raise RequestError(400, "inputs: expected a text as name of each tensor")
    place = f"input {quoted(name)}"
    if datatype not in (*_DTYPES, _BYTES):
        known = listed([*_DTYPES, _BYTES], 20)
        raise RequestError(400, f"{place}: expected a datatype of {known}, got {quoted(datatype)}")
    if type(shape) is not list or not shape or not all(type(size) is int and size >= 0 for size in shape):
        raise RequestError(400, f"{place}: expected a shape such as [1] or [1, 4], got {quoted(shape)}")
    if len(shape) > _MOST_DIMENSIONS:
        raise RequestError(400, f"{place}: expected a shape of one or two dimensions, got {len(shape)}")
    parameters = document.get("parameters")
    size = parameters.get("binary_data_size") if type(parameters) is dict else None
    if size is None:
        values = _flat(place, document.get("data"))
    else:
        if type(size) is not int or not 0 <= size <= len(binary) - start:
            came = len(binary) - start
            raise RequestError(400, f"{place}: expected {quoted(size)} bytes behind the JSON, got {came}")
        values = _of_bytes(place, datatype, binary[start : start + size])
        start += size
    if len(values) != math.prod(shape):
        raise RequestError(400, f"{place}: expected {math.prod(shape):,} values of shape {shape}, got {len(values):,}")
    return Tensor(name, tuple(shape), values), start


def _flat(place: str, data: Any) -> list[Any]:
    """The values of a list, or of the lists in it, which the protocol lets a client send as well."""
    if type(data) is not list:
        raise RequestError(400, f"{place}: expected a list as data")
    if any(type(each) is list for each in data):
        if not all(type(each) is list for each in data) or any(type(value) is list for each in data for value in each):
            raise RequestError(400, f"{place}: expected values or lists of values as data, got deeper or mixed lists")
        return [value for each in data for value in each]
    return data


def _of_bytes(place: str, datatype: str, content: memoryview) -> list[Any]:
    if datatype == _BYTES:
        return _texts(place, content)
    dtype = np.dtype(_DTYPES[datatype])
    if len(content) % dtype.itemsize:
        raise RequestError(400, f"{place}: expected {dtype.itemsize} bytes a value, got {len(content)} bytes")
    values = np.frombuffer(content, dtype=dtype)
    if dtype.kind == "f" and np.isnan(values).any():  # as in a frame, no value
        return [None if math.isnan(value) else value for value in values.tolist()]
    return values.tolist()  # type: ignore[no-any-return]


def _texts(place: str, content: memoryview) -> list[str]:
    """Texts in UTF-8, each behind its length in four bytes."""
    texts, start = [], 0
    while start < len(content):
        end = start + 4
        if end > len(content) or end + (length := struct.unpack_from("<I", content, start)[0]) > len(content):
            raise RequestError(400, f"{place}: expected texts behind their lengths, got bytes that end within one")
        try:
            texts.append(str(content[end : end + length], "utf-8"))
        except UnicodeDecodeError:
            raise RequestError(400, f"{place}: expected texts in UTF-8, got other bytes") from None
        start = end + length
    return texts


@dataclass(frozen=True)
class Output:
    """A tensor of an answer: an array of FP64, INT64 or BOOL, or a list of texts as BYTES, one a row."""

    name: str
    datatype: str
    values: Any

    @property
    def shape(self) -> list[int]:
        """(n,) or (n, k)."""
        return list(np.shape(self.values)) if self.datatype != _BYTES else [len(self.values)]

    def as_json(self) -> bytes:
        """The tensor with its data; numbers in the text of predictions.csv."""
        head = orjson.dumps({"name": self.name, "datatype": self.datatype, "shape": self.shape})
        return b'%b,"data":%b}' % (head[:-1], self._data())

    def _data(self) -> bytes:
        if self.datatype == "FP64":
            return f"[{','.join(number_texts(self.values))}]".encode()
        return orjson.dumps(self.values if self.datatype == _BYTES else self.values.ravel().tolist())

    def as_bytes(self) -> tuple[bytes, bytes]:
        """The tensor without its data, as JSON, and the data."""
        content = _packed(self.values) if self.datatype == _BYTES else self._little_endian()
        parameters = {"binary_data_size": len(content)}
        head = {"name": self.name, "datatype": self.datatype, "shape": self.shape, "parameters": parameters}
        return orjson.dumps(head), content

    def _little_endian(self) -> bytes:
        return np.ascontiguousarray(self.values, dtype=_DTYPES[self.datatype]).tobytes()


def _packed(texts: Iterable[str]) -> bytes:
    return b"".join(struct.pack("<I", len(text)) + text for text in (each.encode() for each in texts))
