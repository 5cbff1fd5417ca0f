"""The table: where it is from, its columns, and how its rows lie in splits and classes."""

from collections.abc import Iterator
from typing import Any

from pipeline import credentials
from pipeline.dataset.columns import is_date, is_number
from pipeline.report.blocks import Block, Cell, Facts, Paragraph, Sentence, Table
from pipeline.report.documents import Documents
from pipeline.report.text import MINUS, NONE, count, name, names, plural, share, share_text

_MOST_COLUMNS, _MOST_CLASSES, _MOST_LEVELS = 40, 30, 3


def blocks(documents: Documents) -> list[Block]:
    """Facts, rows by split and class, columns."""
    if documents.prepared is None:
        return [Paragraph("This run has no prepared.json, so nothing is known of its table.")]
    written: list[Block] = [Facts(list(_facts(documents))), *_rows(documents)]
    if documents.schema is None:
        return [*written, Paragraph("This run has no schema.json, so nothing is known of its columns.")]
    return [*written, *_columns(documents.schema)]


def _facts(documents: Documents) -> Iterator[tuple[str, Sentence]]:
    index, schema = documents.prepared, documents.schema
    assert index is not None
    prepare = documents.params.get("prepare")
    if isinstance(prepare, dict) and prepare.get("source"):
        yield "Source", name(credentials.masked(str(prepare["source"])), 120)
    yield "Digest of the data", Cell(index.digest, is_code=True)
    yield "Rows", ", ".join(f"{split} {rows:,}" for split, rows in index.rows.items())
    if schema is None:
        return
    if schema["rows_without_label"]:
        yield "Left out", f"{plural(schema['rows_without_label'], 'row')} without a label"
    gaps = [column for column in schema["columns"] if column.get("missing")]
    yield "Missing values", f"in {plural(len(gaps), 'column')}" if gaps else "none"
    if schema["ignored"]:
        yield "Columns not read", names(schema["ignored"])


def _rows(documents: Documents) -> Iterator[Block]:
    """Rows by class and split, as metrics.json counts them."""
    index, metrics = documents.prepared, documents.metrics
    assert index is not None
    if metrics is None or not metrics["per_class"]:
        return
    splits = [split for split in index.rows if split in metrics]
    support: dict[Any, dict[str, float]] = {}
    for record in metrics["per_class"]:
        support.setdefault(record["class"], {})[record["split"]] = record["support"] or 0
    totals = {split: sum(rows.get(split, 0) for rows in support.values()) for split in splits}
    ordered = sorted(support.items(), key=lambda item: -item[1].get("train", 0))
    yield Table(
        "Rows by class and split",
        ["class", *(head for split in splits for head in (split, "share"))],
        [
            [name(label), *(cell for split in splits for cell in _with_share(rows.get(split, 0), totals[split]))]
            for label, rows in ordered[:_MOST_CLASSES]
        ],
        _rest(len(ordered) - _MOST_CLASSES, "class", "classes", "with fewer training rows"),
    )
    if len(splits) > 1 and not _keeps_equal_rows_together(documents):
        yield Paragraph(_straddling(documents.schema), "note")


def _straddling(schema: dict[str, Any] | None) -> str:
    rows = None if schema is None else schema["straddling_rows"]
    if rows is None:
        return "How many held-out rows equal a training row, and so flatter the metrics, was not counted in this run."
    if not rows:
        return "No held-out row equals a training row in features and label."
    verb = "equals" if rows == 1 else "equal"
    return f"{plural(rows, 'held-out row')} {verb} a training row in features and label, which flatters the metrics."


def _keeps_equal_rows_together(documents: Documents) -> bool:
    prepare = documents.params.get("prepare")
    split = prepare.get("split") if isinstance(prepare, dict) else None
    return isinstance(split, dict) and split.get("method") == "hash" and not split.get("key")


def _with_share(rows: float, total: float) -> tuple[Cell, Cell]:
    return count(rows), share(rows / total) if total else NONE


def _columns(schema: dict[str, Any]) -> Iterator[Block]:
    columns = schema["columns"]
    yield Table(
        "Columns",
        ["column", "role", "type", "missing", "content"],
        [
            [
                name(column["name"]),
                Cell(str(column.get("role", ""))),
                name(column["kind"], 30),
                share(column.get("missing", 0) / schema["rows"]) if schema["rows"] else NONE,
                Cell(_content(column), is_isolated=True),
            ]
            for column in columns[:_MOST_COLUMNS]
        ],
        _rest(len(columns) - _MOST_COLUMNS, "column", "columns", "in schema.json"),
    )


def _content(column: dict[str, Any]) -> str:
    """The range of numbers, the largest levels of a category, the years of a date."""
    levels = column.get("levels")
    if levels is not None:
        largest = sorted(levels, key=lambda level: -level["rows"])[:_MOST_LEVELS]
        total = sum(level["rows"] for level in levels)
        levels_text = ", ".join(
            f"{name(level['level'], 20).text} {share_text(level['rows'] / total)}" for level in largest
        )
        return f"{plural(len(levels), 'level')}: {levels_text}" if total else plural(len(levels), "level")
    if is_date(column["kind"]):
        years = (column.get("parts") or {}).get("year") or {}
        return _range(years | {"mean": None})
    return _range(column) if is_number(column["kind"]) or "mean" in column else ""


def _range(moments: dict[str, Any]) -> str:
    low, high, mean = (moments.get(key) for key in ("minimum", "maximum", "mean"))
    if low is None or high is None:
        return "no value"
    text = f"{low:.6g} to {high:.6g}"
    return (text if mean is None else f"{text}, mean {mean:.6g}").replace("-", MINUS)


def _rest(more: int, one: str, many: str, where: str) -> str:
    return f"And {plural(more, one, many)} more, {where}." if more > 0 else ""
