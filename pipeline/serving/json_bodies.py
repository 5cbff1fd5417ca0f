"""JSON of a request, read strictly: one object, every key once, finite numbers."""

import json
from collections.abc import Iterable
from typing import Any

import orjson

from pipeline.errors import quoted, shortened
from pipeline.serving.requests import RequestError


def parse(body: bytes) -> dict[str, Any]:
    """The object that a body is.

    Raises: RequestError (400) for another text or value, NaN and infinities, lists that are nested too deeply, and a
    key that stands twice.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(400, _sentence(body, error)) from None
    if type(document) is not dict:
        raise RequestError(400, f"expected a JSON object, got {_kind(document)}")
    # Each key of the text has a colon: as many as the keys that were read is a text that has every key once. Colons in
    # texts are counted, too, so that more of them prove nothing.
    if body.count(b":") != _count(document):
        _require_each_once(body)
    return document


def repeated(names: Iterable[str]) -> str | None:
    """The first name that stands there for the second time; None if each stands once."""
    known = set()
    for name in names:
        if name in known:
            return name
        known.add(name)
    return None


def _count(document: dict[str, Any]) -> int:
    """The keys of the document, of the objects in it, and of those in lists in it, as rows are sent."""
    count = len(document)
    for value in document.values():
        if type(value) is dict:
            count += len(value)
        elif type(value) is list:
            count += sum(len(each) for each in value if type(each) is dict)
    return count


def _require_each_once(body: bytes) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document = dict(pairs)
        if len(document) != len(pairs):
            twice = repeated(name for name, _ in pairs)
            raise RequestError(400, f"expected every key once, got {quoted(twice)} twice in an object")
        return document

    try:
        json.loads(body, object_pairs_hook=unique, parse_int=str)
    except RecursionError:
        raise RequestError(400, "expected lists and objects that are not nested so deeply") from None


def _sentence(body: bytes, error: orjson.JSONDecodeError) -> str:
    if not body.strip():
        return "expected a JSON object, got an empty body"
    at = error.doc[error.pos :][:9] if isinstance(error.doc, str) else ""
    if at.lstrip("-").startswith(("NaN", "Infinity")):
        place = f"line {error.lineno}, column {error.colno}"
        word = "NaN" if "NaN" in at else "Infinity"
        return f"{place}: expected JSON, got {word}, which JSON does not have; write null for no value"
    return f"expected JSON, got something else: {shortened(error)}"


def _kind(value: Any) -> str:
    kinds = {list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")
