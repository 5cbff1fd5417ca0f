"""Sets of classes that hold the right one at a promised rate, and decisions at a cost."""

from typing import Any

from pipeline.report.blocks import Block, Cell, Figure, Heading, Paragraph, Span, Table
from pipeline.report.charts.curves import Series, line_chart
from pipeline.report.documents import Documents
from pipeline.report.text import (
    NONE,
    capitalised,
    count,
    estimate,
    file_text,
    name,
    number,
    number_text,
    plural,
    share,
    share_text,
)

_MOST_CLASSES, _MOST_LINES = 15, 20
_MOST_RULES = 3
_SHOWN_COSTS = (0.1, 0.3, 0.5, 0.7, 0.9)


def blocks(documents: Documents) -> list[Block]:
    """Sets, then costs and decisions; one sentence where a run has neither."""
    metrics, decision = documents.metrics or {}, documents.decision
    written = [*_sets(metrics, decision), *_costs(metrics, decision), *_cost_curve(documents)]
    return written or [Paragraph("This run makes no prediction sets and weighs no costs.")]


def _sets(metrics: dict[str, Any], decision: dict[str, Any] | None) -> list[Block]:
    settings = (decision or {}).get("sets")
    records = metrics.get("prediction_sets", [])[:_MOST_LINES]
    if not settings and not records:
        return []
    written: list[Block] = [Heading("Prediction sets")]
    if settings:
        written.append(Paragraph(_promise(settings)))
    if records:
        rows = [
            [
                name(r["split"]), share(r["coverage"]), count(r["rows"]),
                share(r["covered"]), _shares(r["low"], r["high"]),
                _shares(r["expected_low"], r["expected_high"]), number(r["mean_size"], 3),
            ]
            for r in records
        ]  # fmt: skip
        header = ["split", "promised", "rows", "covered", "95 % interval", "expected", "mean size"]
        written.append(Table("Sets that hold the right class", header, rows))
        written += [_sizes(r) for r in records[-1:] if r["sizes"]]
        written += [_of_classes(r) for r in records[-1:] if r["per_class"]]
    return written


def _promise(settings: dict[str, Any]) -> list[Any]:
    if settings["quantiles"] is None:
        return [file_text(capitalised(settings["reason"])), "."]
    by_class = ", of each class" if settings["by_class"] else ""
    promise = f"A set holds the right class in at least {share_text(settings['coverage'])} of new rows{by_class}, "
    sentence: list[Any] = [promise, "if these are like the validation rows: ", file_text(settings["reason"]), "."]
    return sentence + [part for note in settings["notes"] for part in (" ", file_text(capitalised(note)), ".")]


def _shares(low: float | None, high: float | None) -> Cell:
    if low is None or high is None:
        return NONE
    return Cell(f"{share_text(low)} to {share_text(high)}", is_number=True)


def _sizes(record: dict[str, Any]) -> Table:
    sizes = record["sizes"][:_MOST_LINES]
    total = sum(s["rows"] for s in record["sizes"])  # of weights, which are not as many as the rows
    rows = [[number(s["size"]), count(s["rows"]), share(s["rows"] / total) if total else NONE] for s in sizes]
    return Table(f"Sizes of the sets, {name(record['split']).text}", ["classes in the set", "rows", "share"], rows)


def _of_classes(record: dict[str, Any]) -> Table:
    classes = sorted(record["per_class"], key=lambda one: -one["rows"])
    rows = [
        [name(c["class"]), count(c["rows"]), share(c["covered"]), number(c["mean_size"], 3)]
        for c in classes[:_MOST_CLASSES]
    ]
    more = len(classes) - len(rows)
    note = f"And {plural(more, 'class', 'classes')} more with fewer rows." if more else ""
    caption = f"Sets of each class, {name(record['split']).text}"
    return Table(caption, ["class", "rows", "covered", "mean size"], rows, note)


def _costs(metrics: dict[str, Any], decision: dict[str, Any] | None) -> list[Block]:
    costs, records = (decision or {}).get("costs"), metrics.get("decisions", [])[:_MOST_LINES]
    if not costs and not records:
        return []
    written: list[Block] = [Heading("Decisions and costs")]
    if costs:
        written += _cost_matrix(costs)
    if records:
        rows = [
            [
                name(r["policy"]), name(r["split"]), number(r["expected_cost"]), number(r["realised_cost"]),
                estimate(r["difference"], r["low"], r["high"]), share(r["no_decision"]),
            ]
            for r in records
        ]  # fmt: skip
        header = ["policy", "split", "expected", "realised", "more than decided", "no decision"]
        written.append(Table("Cost a row of each policy", header, rows))
    return written


def _cost_curve(documents: Documents) -> list[Block]:
    """What mistakes cost of two classes, whatever they cost; nothing of other models."""
    classes = documents.model.classes if documents.model else []
    if len(classes) != 2:
        return []
    curves = dict(list(documents.cost_curves.items())[:_MOST_RULES])
    if not curves:
        return []
    middle = {rule: points[len(points) // 2] for rule, points in curves.items()}
    described = "; ".join(f"{rule}: {cost:.3f} at {x:.2f}" for rule, (x, cost) in middle.items())
    chart = line_chart(
        "Cost curve",
        f"Normalised expected cost against the share of missing the second class in all possible cost; {described}.",
        ("share of missing the second class in all possible cost", "cost, 1 for always wrong"),
        [Series(name(rule, 24).text, points) for rule, points in curves.items()],
        has_legend=True,
    )
    rows = [[name(rule), *(number(_cost_at(points, x), 3) for x in _SHOWN_COSTS)] for rule, points in curves.items()]
    caption = (
        f"The second class is {name(classes[1]).text}. Costs are met by a threshold on its probability; the best "
        "threshold of these rows is one that nobody knows before. Source: Drummond and Holte 2006."
    )
    header = ["rule", *(f"at {x:g}" for x in _SHOWN_COSTS)]
    return [Heading("Cost curve"), Figure(chart, caption), Table("Costs along the curve", header, rows)]


def _cost_at(points: list[tuple[float, float]], x: float) -> float:
    """The cost of the point that is nearest to x."""
    return min(points, key=lambda point: abs(point[0] - x))[1]


def _cost_matrix(costs: dict[str, Any]) -> list[Block]:
    classes, matrix = costs["classes"], costs["matrix"]
    fits = len(matrix) == len(classes) and all(len(row) == len(matrix[0]) for row in matrix)
    if not fits or not matrix or len(matrix[0]) != len(classes) or len(classes) > _MOST_CLASSES:
        abstaining = "" if costs["abstain"] is None else f", of no decision {number_text(costs['abstain'])}"
        return [Paragraph(f"decision.json has the costs of {plural(len(classes), 'class', 'classes')}{abstaining}.")]
    rows = [
        [name(label, 24), *(Cell(f"{value:g}", is_number=True) for value in row)]
        for label, row in zip(classes, matrix, strict=True)
    ]
    note = "" if costs["abstain"] is None else f"No decision costs {number_text(costs['abstain'])}."
    header: list[Span] = ["actual", *(name(label, 14) for label in classes)]
    return [Table("Cost by actual and decided class", header, rows, note, "matrix", over="decided")]
