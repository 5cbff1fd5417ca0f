"""The differences between two sides, as plain data for programs and for the pages."""

from collections import Counter
from typing import Any

import numpy as np

from pipeline.commands.compare import estimates
from pipeline.commands.compare.side import ComparisonSide, rows
from pipeline.dataset.shard import SPLITS
from pipeline.evaluate.params import EvaluateParams
from pipeline.output_files import PREDICTIONS_FILE

_COEFFICIENTS = 10

# Comparing rows of larger tables takes longer than a person waits; their md5 says that they differ.
_TABLE_BYTES = 50_000_000

_USUAL_BINS = EvaluateParams().calibration_bins

Record = dict[str, Any]


def between(a: ComparisonSide, b: ComparisonSide) -> Record:
    """Everything that differs from ``a`` to ``b``; sections are empty where nothing does."""
    shared = a.partial or b.partial
    return {
        "a": a.name,
        "b": b.name,
        "params": _pairs(a.params, b.params, shared),
        "data": _data(a, b),
        "schema": _pairs(a.schema, b.schema, False) if a.schema and b.schema else [],
        "code": _pairs(a.code, b.code, shared) if a.code and b.code else [],
        "versions": _pairs(a.versions, b.versions, shared) if a.versions and b.versions else [],
        "metrics": _metrics(a, b),
        "coefficients": _coefficients(a, b),
        "estimates": _estimates(a, b),
    }


def _pairs(a: dict[str, Any], b: dict[str, Any], shared: bool) -> list[Record]:
    """Names whose values differ; None where a side has no such name, unless only ``shared`` names are asked for."""
    names = sorted({*a} & {*b} if shared else {*a, *b})
    return [{"name": name, "a": a.get(name), "b": b.get(name)} for name in names if a.get(name) != b.get(name)]


def _data(a: ComparisonSide, b: ComparisonSide) -> Record:
    """The raw table: its md5, and how many rows were added, are gone, or stand changed in their place.

    Where no one knows the raw table of a run any more, the digests of the prepared data.
    """
    if not (a.source and b.source):
        known = a.prepared and b.prepared and a.prepared != b.prepared
        return {"prepared_a": a.prepared, "prepared_b": b.prepared} if known else {}
    if a.source == b.source:
        return {}
    change: Record = {"a": a.source, "b": b.source}
    one, other = a.table(), b.table()
    if one is None or other is None or max(len(one), len(other)) > _TABLE_BYTES or b"\0" in one + other:
        return change
    return change | _row_changes(rows(one), rows(other))


def _row_changes(a: list[list[str]], b: list[list[str]]) -> Record:
    before, after = Counter(map(tuple, a[1:])), Counter(map(tuple, b[1:]))
    gone, added = (before - after).total(), (after - before).total()
    moved = sum(one != other for one, other in zip(a[1:], b[1:], strict=False))
    # The same number of rows, and each that differs stands where the other stood: these were edited.
    if len(a) == len(b) and gone == added == moved:
        return {"rows_added": 0, "rows_gone": 0, "rows_changed": moved}
    return {"rows_added": added, "rows_gone": gone, "rows_changed": 0}


def _metrics(a: ComparisonSide, b: ComparisonSide) -> list[Record]:
    changed = [
        {"split": split, "metric": name, "a": one, "b": other, "difference": _difference(one, other)}
        for split in SPLITS
        for name in sorted({*a.metrics.get(split, {}), *b.metrics.get(split, {})})
        if (one := a.metrics.get(split, {}).get(name)) != (other := b.metrics.get(split, {}).get(name))
    ]
    known = _intervals(a, b) if any(record["difference"] is not None for record in changed) else {}
    for record in changed:
        interval = known.get((record["split"], record["metric"]))
        record["interval"] = None if record["difference"] is None else interval
    return changed


def _intervals(a: ComparisonSide, b: ComparisonSide) -> dict[tuple[str, str], list[float]]:
    one, other = a.predictions(), b.predictions()
    if one is None or other is None:
        return {}
    # Not before it is known that a metric differs: scikit-learn takes half a second to import.
    from pipeline.commands.compare import intervals

    places = (f"{a.name}: {PREDICTIONS_FILE}", f"{b.name}: {PREDICTIONS_FILE}")
    weighted = bool(a.params.get("prepare.weights") or b.params.get("prepare.weights"))
    bins, others = (side.params.get("evaluate.calibration_bins", _USUAL_BINS) for side in (a, b))
    if isinstance(bins, int) and bins == others:
        return intervals.paired(one, other, places, bins=bins, weighted=weighted)
    # Errors of other bins are other numbers.
    known = intervals.paired(one, other, places, bins=_USUAL_BINS, weighted=weighted)
    return {key: value for key, value in known.items() if key[1] != intervals.CALIBRATION_ERROR}


def _difference(a: Any, b: Any) -> float | None:
    return b - a if isinstance(a, int | float) and isinstance(b, int | float) else None


def _coefficients(a: ComparisonSide, b: ComparisonSide) -> list[Record]:
    """The coefficients of W and b that moved most, in units of the encoded columns; those that both models have."""
    one, other = a.coefficients, b.coefficients
    if one is None or other is None:
        return []
    classes = [name for name in one.classes if name in other.classes]
    columns = [name for name in one.features[:-1] if name in other.features[:-1]]
    features = [*columns, one.features[-1]]  # b by its place: a column may be called bias, too
    before, after = (
        side.values[np.ix_([side.classes.index(c) for c in classes], [*map(side.features.index, columns), -1])]
        for side in (one, other)
    )
    size = np.abs(after - before).ravel()
    largest = [int(place) for place in np.argsort(-size, kind="stable")[:_COEFFICIENTS] if size[place] > 0]
    return [
        {
            "class": classes[place // len(features)],
            "feature": features[place % len(features)],
            "a": float(before.flat[place]),
            "b": float(after.flat[place]),
            "difference": float(after.flat[place] - before.flat[place]),
        }
        for place in largest
    ]


def _estimates(a: ComparisonSide, b: ComparisonSide) -> Record:
    """Which coefficients of the two inferences moved by more than their errors; empty where one is missing."""
    one, other = a.estimates(), b.estimates()
    return {} if one is None or other is None or one == other else estimates.moved(one, other)
