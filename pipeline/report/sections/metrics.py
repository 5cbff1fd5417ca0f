"""Metrics of every split with their intervals, and of each class on the rows that judge."""

from typing import Any

from pipeline.dataset.columns import Class
from pipeline.dataset.shard import SPLITS
from pipeline.report.blocks import Block, Cell, Listing, Paragraph, Sentence, Span, Table
from pipeline.report.documents import Documents
from pipeline.report.text import NONE, count, estimate, file_text, name, number, plural
from pipeline.results import verdict

# In reading order, with their units; others follow by name.
_TITLES = {
    "rows": "rows",
    "log_loss": "log loss (nats)",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "roc_auc_ovr": "ROC AUC, one against the rest",
    "brier": "Brier score",
    "expected_calibration_error": "expected calibration error",
}
_MOST_METRICS, _MOST_CLASSES, _MOST_REASONS = 24, 30, 10
_INTERVAL = "interval"  # what a reason is of, where a number is there and its interval is not
_BELOW = "Below a number: its 95 % interval, where other rows could change it."
_OF_CLASS = ("precision", "recall", "f1")

_Intervals = dict[tuple[str, str], tuple[float | None, float | None]]


def blocks(documents: Documents) -> list[Block]:
    """Tables of splits and of classes, and why a metric is not defined."""
    metrics = documents.metrics
    if metrics is None:
        return [Paragraph("This run has no metrics.json: it was not evaluated.")]
    written: list[Block] = [_splits(metrics, documents.judged), *_classes(metrics, documents.judged)]
    written += _without_interval(metrics)
    if not metrics["intervals"]:
        written.append(Paragraph("This run was evaluated without intervals of its metrics.", "note"))
    return [*written, *_undefined(metrics)]


def _splits(metrics: dict[str, Any], judged: str) -> Table:
    splits = [split for split in SPLITS if split in metrics]
    known = {*(key for split in splits for key in metrics[split])}
    keys = [*(key for key in _TITLES if key in known), *sorted(known - {*_TITLES})][:_MOST_METRICS]
    shares = verdict.baseline(metrics, judged)
    bounds = {(r["split"], r["metric"]): (r["low"], r["high"]) for r in metrics["intervals"] if r["class"] is None}
    rows = []
    for key in keys:
        cells = [Cell(_TITLES.get(key) or name(key.replace("_", " ")).text)]
        for split in splits:
            value = metrics[split].get(key)
            known_bounds = bounds.get((split, key), (None, None))
            cells.append(count(value) if key == "rows" else estimate(value, *known_bounds))
        value = shares.get(key)
        cells.append(NONE if key == "rows" or isinstance(value, str) else number(value))
        rows.append(cells)
    note = f"Class shares: what knowing only how frequent each class is in training gives on {judged}."
    return Table("Metrics of each split", ["metric", *splits, "class shares"], rows, f"{note} {_BELOW}")


def _classes(metrics: dict[str, Any], judged: str) -> list[Block]:
    records = [record for record in metrics["per_class"] if record["split"] == judged]
    if not records:
        return []
    bounds: dict[Any, _Intervals] = {}
    for record in metrics["intervals"]:
        if record["split"] == judged and record["class"] is not None:
            of_class = bounds.setdefault((type(record["class"]), record["class"]), {})
            of_class[judged, record["metric"]] = record["low"], record["high"]
    rows = []
    for record in sorted(records, key=lambda record: -(record["support"] or 0))[:_MOST_CLASSES]:
        of_class = bounds.get((type(record["class"]), record["class"]), {})
        cells = [name(record["class"]), count(record["support"])]
        cells += [estimate(record[measure], *of_class.get((judged, measure), (None, None))) for measure in _OF_CLASS]
        rows.append(cells)
    more = len(records) - len(rows)
    note = f"And {plural(more, 'class', 'classes')} more with fewer rows." if more else ""
    return [Table(f"Each class on {judged}", ["class", "rows", *map(_class_title, _OF_CLASS)], rows, note)]


def _of_class(label: Class | None) -> list[Span]:
    return [] if label is None else [" of class ", name(label)]


def _class_title(measure: str) -> str:
    return "F1" if measure == "f1" else measure


def _without_interval(metrics: dict[str, Any]) -> list[Block]:
    """Each reason once, with what it is of."""
    measures: dict[str, list[list[Span]]] = {}
    for record in metrics["undefined"]:
        if record["of"] == _INTERVAL:
            title = _TITLES.get(record["metric"]) or name(_class_title(record["metric"])).text
            measure = [title, *_of_class(record["class"]), f" ({name(record['split']).text})"]
            measures.setdefault(record["reason"], []).append(measure)
    written: list[Block] = []
    for reason, listed in list(measures.items())[:_MOST_REASONS]:
        parts = [part for measure in listed[:_MOST_REASONS] for part in (", ", *measure)][1:]
        more = len(listed) - _MOST_REASONS
        rest = [f" and {more:,} more"] if more > 0 else []
        written.append(Paragraph(["No interval, as ", file_text(reason), ": ", *parts, *rest, "."], "note"))
    return written


def _undefined(metrics: dict[str, Any]) -> list[Block]:
    reasons: list[Sentence] = [
        [
            f"{name(record['split']).text}, {_TITLES.get(record['metric']) or name(record['metric']).text}"
            f"{' of the class shares' if record['of'] == 'baseline' else ''}",
            *_of_class(record["class"]),
            ": ",
            file_text(record["reason"]),
            ".",
        ]
        for record in metrics["undefined"]
        if record["of"] != _INTERVAL
    ]
    if not reasons:
        return []
    more = len(reasons) - _MOST_REASONS
    rest = [f"And {more:,} more."] if more > 0 else []
    return [Paragraph("Not defined:"), Listing([*reasons[:_MOST_REASONS], *rest])]
