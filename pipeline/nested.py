"""Nested mappings and lists, made flat."""

from collections.abc import Iterator
from typing import Any


def leaves(value: Any, *, into_lists: bool, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Each innermost value with the keys and positions that lead to it; an empty mapping or list is a value."""
    if isinstance(value, dict) and value:
        items = iter(value.items())
    elif isinstance(value, list) and value and into_lists:
        items = enumerate(value)
    else:
        yield path, value
        return
    for key, inner in items:
        yield from leaves(inner, into_lists=into_lists, path=(*path, key))


def flatten(document: dict[str, Any]) -> dict[str, Any]:
    """One mapping with dotted keys; lists stay values."""
    return {".".join(map(str, path)): value for path, value in leaves(document, into_lists=False) if path}
