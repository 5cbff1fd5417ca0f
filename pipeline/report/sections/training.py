"""How training went, and what is proven of where it ended."""

from collections.abc import Iterator
from typing import Any

from pipeline.report.blocks import Block, Cell, Facts, Figure, Heading, Listing, Paragraph, Sentence, Table
from pipeline.report.charts.axes import fits
from pipeline.report.charts.curves import Series, line_chart
from pipeline.report.documents import Documents
from pipeline.report.text import file_text, number, number_text, plural
from pipeline.results.outcome import FIRST_ORDER

_LINES, _MOST_FINDINGS = 11, 20
# Columns of history.csv that are costs, and their names in the chart.
_COSTS = {"cost": "training", "validation_cost": "validation"}


def blocks(documents: Documents) -> list[Block]:
    """Solver and end, the proof, the cost by epoch, what was odd."""
    if documents.model is None:
        return [Paragraph("This run has no model.")]
    outcome = documents.outcome
    written: list[Block] = [Facts(list(_facts(documents)))]
    written.append(Paragraph(_proof(outcome)))
    written += _curve(documents.history)
    if outcome["findings"]:
        findings: list[Sentence] = [[file_text(finding), "."] for finding in outcome["findings"][:_MOST_FINDINGS]]
        more = len(outcome["findings"]) - _MOST_FINDINGS
        written += [Heading("What is odd"), Listing([*findings, *([f"And {more:,} more."] if more > 0 else [])])]
    return written


def _facts(documents: Documents) -> Iterator[tuple[str, Sentence]]:
    outcome = documents.outcome
    assert documents.model is not None
    params = documents.model.params
    asked = params.get("solver")
    chosen = f"{outcome['method']}" + (f" (asked for: {asked})" if asked not in (None, outcome["method"]) else "")
    yield "Solver", file_text(chosen)
    steps = "epoch" if outcome["method"] in FIRST_ORDER else "step"
    yield "Length", f"{plural(outcome['epochs'], steps)}, {plural(outcome['passes'], 'pass', 'passes')} over the rows"
    l2 = outcome["l2"] if outcome["l2"] is not None else params.get("l2")
    penalties = {"l2": l2, "l1": params.get("l1") or None}
    in_force = [
        f"{name} {value:g}" for name, value in penalties.items() if isinstance(value, int | float) and fits(value)
    ]
    if in_force:
        yield "Penalty", ", ".join(in_force)
    if outcome["l2_search"]:
        yield "l2 auto", file_text(outcome["l2_search"]["reason"])
    if outcome["nonzero_weights"] is not None:
        yield "Weights of W that are not 0", f"{outcome['nonzero_weights']:,} of {documents.model.weights.size:,}"
    if outcome["cost"] is not None:
        yield "Cost at the end", f"{number_text(outcome['cost'], 6)} nats"
    yield "Status", ["", Cell(outcome["status"].replace("_", " "), is_strong=True), ": ", file_text(outcome["meaning"])]


def _proof(outcome: dict[str, Any]) -> str:
    if outcome["bound"] is None or outcome["relative_bound"] is None:
        norm = outcome["gradient_norm"]
        length = "" if norm is None else f" The gradient's norm there is {norm:.2e}."
        return f"No bound on the distance from the optimum is proven.{length}"
    if outcome["relative_bound"] >= 1:
        return "The bound on the distance from the optimum is larger than the objective, which proves nothing."
    proof = f"Proof: the objective is at most {outcome['relative_bound']:.1e} of itself above its optimum"
    if outcome["probability_bound"] is not None:
        proof += (
            f", so the probabilities are within {outcome['probability_bound']:.1e} of the optimum's (root mean square "
            "over the training rows)"
        )
    return f"{proof}."


def _curve(history: dict[str, list[float]] | None) -> list[Block]:
    if history is None:
        return [Paragraph("This run has no history.csv, so there is no curve of its cost.")]
    finite = [fits(value) for value in history["cost"]]
    columns = {name: history[name] for name in _COSTS if name in history}
    series = [
        Series(_COSTS[name], [(e, c) for e, c in zip(history["epoch"], costs, strict=True) if fits(c)])
        for name, costs in columns.items()
    ]
    series = [each for each in series if each.points]
    epochs, costs = history["epoch"], history["cost"]
    positions = _spread(len(epochs))
    table = Table(
        "Cost before an epoch's update (nats)",
        ["epoch", *(_COSTS[name] for name in columns)],
        [[number(int(epochs[at])), *(number(values[at], 6) for values in columns.values())] for at in positions],
    )
    if not series or not all(finite):
        return [Paragraph("The cost is not a number in some epochs."), table]
    description = (
        f"The cost {'rises' if costs[-1] > costs[0] else 'falls'} from {number_text(costs[0])} nats in epoch "
        f"{epochs[0]:.0f} to {number_text(costs[-1])} in epoch {epochs[-1]:.0f}."
    )
    chart = line_chart("Cost by epoch", description, ("epoch", "cost (nats)"), series)
    return [Figure(chart, description), table]


def _spread(count: int) -> list[int]:
    """Positions of about eleven lines, evenly spaced, the first and the last among them."""
    step = max(1, (count - 1) // (_LINES - 1))
    return sorted({*range(0, count, step), count - 1})
