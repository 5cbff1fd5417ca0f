"""The first thing in which two files differ, in words: which row, class, key or line, and by how many ulps.

An ulp, unit in the last place, is the step from one floating-point number to the next. k is the number of classes, d
the number of features, n the number of rows.
"""

import csv
import math
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import TypeAdapter
from safetensors import SafetensorError

from pipeline.documents import json_documents
from pipeline.errors import quoted, shortened
from pipeline.nested import leaves
from pipeline.output_files import METADATA_FILE

_NOTHING = object()

# The axes of W, and what the model's metadata calls their names.
_NEIGHBOURS = {"class": "classes", "feature": "features"}
_NAMES = TypeAdapter(list[str | int | bool])


def first(recorded: Path, now: Path, path: str) -> str:
    """The first difference between two files, in the terms of their format; ``path`` is the output's name."""
    readers = {".safetensors": _tensors, ".json": _json, ".csv": _csv}
    reader = readers.get(Path(path).suffix)
    try:
        sentence = reader(recorded, now) if reader else None
    except (ValueError, TypeError, LookupError, RecursionError, SafetensorError, csv.Error):
        sentence = None  # not what its name says: then bytes are all there is
    return sentence or _bytes(recorded, now)


def ulps(first_value: float, second_value: float) -> int | None:
    """The distance of two numbers in float64 numbers; None if one is NaN or infinite."""
    if not (math.isfinite(first_value) and math.isfinite(second_value)):
        return None
    before, after = (_ordered(np.array([value], np.float64))[0] for value in (first_value, second_value))
    return abs(int(after) - int(before))


def _ordered(values: NDArray[Any]) -> NDArray[Any]:
    """Floats as integers (object, so that no difference overflows) in the same order, neighbours one apart."""
    bits = values.view({4: np.int32, 8: np.int64}[values.dtype.itemsize])
    lowest = np.iinfo(bits.dtype).min
    ordered: NDArray[Any] = np.where(bits < 0, lowest - bits, bits).astype(object)
    return ordered


def _tensors(recorded: Path, now: Path) -> str | None:
    before, after = (safetensors.numpy.load(path.read_bytes()) for path in (recorded, now))
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after:
            return f"tensor {shortened(name)} is only in the {'recorded' if name in before else 'new'} file"
        old, new = before[name], after[name]
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            sides = (f"{side.dtype} {shortened(list(side.shape))}" for side in (old, new))
            return f"{shortened(name)}: {' recorded, '.join(sides)} now"
        if old.tobytes() != new.tobytes():
            return _numbers(name, old, new, after, _neighbours(now))
    return None


def _numbers(
    name: str, old: NDArray[Any], new: NDArray[Any], others: dict[str, NDArray[Any]], names: dict[str, list[str]]
) -> str:
    """The place of a tensor's first different number, both values, and the distance of all its numbers.

    ``others`` are the tensors of the same file, ``names`` the classes and features beside it.
    """
    before, after = (side.view(np.uint8).reshape(side.size, -1) for side in (old, new))
    places = np.flatnonzero((before != after).any(axis=1))
    where = _where(name, tuple(map(int, np.unravel_index(places[0], old.shape))), others, names)
    before, after = old.flat[places], new.flat[places]
    sentence = f"{shortened(name)}: {where}: {before[0]!s} recorded, {after[0]!s} now{_distance(before, after)}"
    return f"{sentence}; {len(places):,} of {old.size:,} numbers differ"


def _where(name: str, index: tuple[int, ...], others: dict[str, NDArray[Any]], names: dict[str, list[str]]) -> str:
    if name not in ("W", "b"):
        row = f"row {others['rows'][index[0]]} of the data" if "rows" in others else f"row {index[0] + 1}"
        return row + "".join(f", column {number + 1}" for number in index[1:])
    words = [f"epoch {others['epoch'][index[0]]}"] if "epoch" in others else []
    for axis, number in zip(_NEIGHBOURS, index[len(words) :], strict=False):
        known = names.get(axis, [])
        words.append(f"{axis} {shortened(known[number]) if number < len(known) else f'number {number + 1}'}")
    return ", ".join(words)


def _distance(old: NDArray[Any], new: NDArray[Any]) -> str:
    """The distance of floats: of the first pair, and the widest of all that are finite."""
    if old.dtype.kind != "f":
        return ""
    finite = np.isfinite(old) & np.isfinite(new)
    if not finite.all():
        return ""
    steps = np.abs(_ordered(new) - _ordered(old))
    most = f" (at most {steps.max():,})" if len(steps) > 1 else ""
    return f", {steps[0]:,} ulp{'' if steps[0] == 1 else 's'} apart{most}"


def _neighbours(now: Path) -> dict[str, list[str]]:
    """Classes and features of the model that lies beside a file of weights; nothing where there is none."""
    try:
        document = json_documents.decoded((now.parent / METADATA_FILE).read_bytes())
        names = {kind: _NAMES.validate_python(document[key], strict=True) for kind, key in _NEIGHBOURS.items()}
        return {kind: [str(name) for name in known] for kind, known in names.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _json(recorded: Path, now: Path) -> str | None:
    documents = (json_documents.decoded(path.read_bytes()) for path in (recorded, now))
    before, after = (
        {".".join(map(str, place)): value for place, value in leaves(document, into_lists=True)}
        for document in documents
    )
    pairs = {place: (before.get(place, _NOTHING), after.get(place, _NOTHING)) for place in {**before, **after}}
    different = [place for place, (old, new) in pairs.items() if repr(old) != repr(new)]
    if not different:
        return None  # other spaces or another order of keys
    place = different[0]
    return f"{shortened(place)}: {_pair(*pairs[place])}; {len(different):,} of {len(pairs):,} values differ"


def _pair(old: Any, new: Any) -> str:
    sentence = f"{_text(old)} recorded, {_text(new)} now"
    if isinstance(old, float) and isinstance(new, float):
        steps = ulps(old, new)
        return sentence if steps is None else f"{sentence}, {steps:,} ulp{'' if steps == 1 else 's'} apart"
    return sentence


def _text(value: Any) -> str:
    return "nothing" if value is _NOTHING else quoted(value)


def _csv(recorded: Path, now: Path) -> str | None:
    with recorded.open(encoding="utf-8", newline="") as left, now.open(encoding="utf-8", newline="") as right:
        old_rows, new_rows = csv.reader(left), csv.reader(right)
        header: list[str] = []
        for old, new in zip_longest(old_rows, new_rows):
            line = max(old_rows.line_num, new_rows.line_num)
            if old is None or new is None:
                return f"the {'recorded' if new is None else 'new'} file has more lines: line {line} is the first"
            if old != new:
                return f"line {line}{_cell(header or old, old, new)}"
            header = header or old
    return None


def _cell(header: list[str], old: list[str], new: list[str]) -> str:
    if len(old) != len(new):
        return f": {len(old)} cells recorded, {len(new)} now"
    column = next(position for position, (a, b) in enumerate(zip(old, new, strict=True)) if a != b)
    name = header[column] if column < len(header) else str(column + 1)
    return f", column {shortened(name)}: {_pair(_number(old[column]), _number(new[column]))}"


def _number(cell: str) -> float | str:
    """A cell as the number that it spells; other texts, and two spellings of one number, stay texts."""
    try:
        value = float(cell)
    except ValueError:
        return cell
    return value if repr(value) == cell else cell


def _bytes(recorded: Path, now: Path) -> str:
    old, new = recorded.read_bytes(), now.read_bytes()
    shorter = min(len(old), len(new))
    different = np.frombuffer(old, np.uint8)[:shorter] != np.frombuffer(new, np.uint8)[:shorter]
    if different.any():
        place = int(different.argmax())
        return f"byte {place + 1:,}: {old[place]:02x} recorded, {new[place]:02x} now"
    return f"{len(old):,} bytes recorded, {len(new):,} now, equal up to the shorter one's end"
