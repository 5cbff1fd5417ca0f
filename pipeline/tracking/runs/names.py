"""Names that MLflow keeps, made from names that people gave: unique, short enough, and as readable as they can be.

MLflow 3 takes letters and digits of any script and ``_ - . space :`` in a part of a metric or param name, ``/`` between
parts, and 250 characters in all; a part must not be one that a file system would resolve to another (``.``, ``..``).
"""

import json
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from pipeline import credentials
from pipeline.nested import flatten

KEY_LENGTH = 250
PARAM_LENGTH = 6000

# A key has at most two parts that come from data, a class and a feature, beside a few letters of ours.
_PART_LENGTH = 100

_REFUSED = re.compile(r"[^\w.\- :]+")
_SPACES = re.compile(r" {2,}")


def part(text: str) -> str:
    """One part of a key: ``island=Biscoe`` becomes ``island:Biscoe``, ``price (USD)`` becomes ``price USD``."""
    composed = unicodedata.normalize("NFC", text).replace("=", ":")
    name = _SPACES.sub(" ", _REFUSED.sub(" ", composed)).strip()[:_PART_LENGTH].strip()
    return name if name.strip(".") else f"{len(name)} dots" if name else "unnamed"


def unique_parts(texts: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """A part for each text, in order; the second of two that would share a part gets `` 2`` behind it, and so on."""
    used = set(taken)
    parts = []
    for text in texts:
        base = name = part(text)
        count = 1
        while name in used:
            count += 1
            name = f"{base} {count}"
        used.add(name)
        parts.append(name)
    return parts


def params(document: dict[str, Any]) -> dict[str, str]:
    """A params document as MLflow params, without secrets; a value longer than MLflow keeps ends in ``...``."""
    flat = flatten(document)
    texts = (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in flat.values())
    values = map(credentials.masked, texts)
    return dict(zip(unique_parts(flat), map(_shortened, values), strict=True))


def _shortened(text: str) -> str:
    return text if len(text) <= PARAM_LENGTH else f"{text[: PARAM_LENGTH - 3]}..."
