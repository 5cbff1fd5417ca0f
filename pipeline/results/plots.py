"""The tables that evaluate writes to be drawn, and the predictions of a few rows."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from pipeline.results.checks import refuse
from pipeline.results.tables import parse_table


@dataclass(frozen=True)
class Confusions:
    """Rows by (actual, predicted) class of one split; ``lines`` tells that they are lines that stand for rows."""

    split: str
    rows: dict[tuple[str, str], float]
    lines: bool


def parse_confusion_matrix(content: bytes, place: object) -> Confusions:
    """confusion_matrix.csv: a line a pair of classes. Raises: UserError that names ``place`` and the line."""
    table = parse_table(content, place, texts=("actual", "predicted", "split"), numbers=("rows",))
    pairs = {(line["actual"], line["predicted"]): line["rows"] for line in table}
    if len(pairs) != len(table):
        refuse(place, "each pair of classes once", "one twice")
    if any(rows is None or rows < 0 for rows in pairs.values()):
        refuse(place, "rows >= 0", "others")
    return Confusions(_one_split(table, place), {pair: rows for pair, rows in pairs.items() if rows}, lines=False)


def parse_confusion_lines(content: bytes, place: object) -> Confusions:
    """confusion.csv: a line a row, or for an equal share of many. Raises: UserError that names ``place``."""
    table = parse_table(content, place, texts=("actual", "predicted", "split"))
    pairs = Counter((line["actual"], line["predicted"]) for line in table)
    return Confusions(_one_split(table, place), {pair: float(count) for pair, count in pairs.items()}, lines=True)


def parse_calibration(content: bytes, place: object) -> list[dict[str, Any]]:
    """The bins of calibration.csv; ``low`` and ``high`` are None where the run has no intervals. Raises: UserError."""
    shares = ("predicted", "observed")
    table = parse_table(content, place, texts=("split",), numbers=(*shares, "rows"), optional=("low", "high"))
    for line in table:
        if any(line[name] is None for name in (*shares, "rows")):
            refuse(place, "numbers in every line", "an empty cell")
        if any(line[name] is not None and not 0 <= line[name] <= 1 for name in (*shares, "low", "high")):
            refuse(place, "shares from 0 to 1", "others")
    _one_split(table, place)
    return table


def parse_cost_curve(content: bytes, place: object) -> dict[str, list[tuple[float, float]]]:
    """Points of cost_curve.csv by rule, all from 0 to 1; none of rows that have no curve. Raises: UserError."""
    numbers = ("probability_cost", "normalised_expected_cost")
    curves: dict[str, list[tuple[float, float]]] = {}
    for line in parse_table(content, place, texts=("rule",), numbers=numbers):
        point = tuple(line[name] for name in numbers)
        if any(value is None or not 0 <= value <= 1 for value in point):
            refuse(place, "shares from 0 to 1", "others")
        curves.setdefault(line["rule"], []).append(point)
    return {rule: points for rule, points in curves.items() if len(points) > 1}


def parse_predictions(content: bytes, place: object, classes: list[str]) -> list[dict[str, Any]]:
    """The lines of a short predictions.csv, with ``probability_`` and ``logit_`` of each class. Raises: UserError."""
    by_class = tuple(f"{what}_{label}" for what in ("probability", "logit") for label in classes)
    return parse_table(content, place, texts=("row", "split", "actual", "predicted"), numbers=by_class)


def _one_split(table: list[dict[str, Any]], place: object) -> str:
    splits = {line["split"] for line in table}
    if len(splits) > 1:
        refuse(place, "lines of one split", f"lines of {len(splits)}")
    return str(next(iter(splits), ""))
