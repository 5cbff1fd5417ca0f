"""What a metrics document says in a sentence: the model against the class shares, on the most held-out rows.

The headline is that sentence's numbers, one each, for the columns of `dvc exp show`.
"""

from typing import Any

from pipeline.dataset.shard import most_held_out

HEADLINE = ("log_loss", "accuracy")

_HARDLY = 0.005  # share of the uncertainty that is as good as none


def headline(document: dict[str, Any], params: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """The content of headline.json; ``params`` are those of train, ``result`` is the end of training."""
    split = most_held_out(document)
    return {
        "rows_of": split,
        **{metric: document[split][metric] for metric in HEADLINE},
        "solver": result.get("method", params.get("solver")),
        "l2": result.get("l2", params.get("l2")),
    }


def sentence(document: dict[str, Any]) -> str:
    """How well the classes are predicted, against the shares that they have among the training rows."""
    split = most_held_out(document)
    rows = (document[split], baseline(document, split))
    loss, share_loss = (_number(row, "log_loss") for row in rows)
    accuracy, share_accuracy = (_number(row, "accuracy") for row in rows)
    if loss is None or share_loss is None or accuracy is None or share_accuracy is None:
        return f"{split} log loss is not defined: a class of these rows is none of training's"
    numbers = f"{split} log loss {loss:.4f} nats, accuracy {accuracy:.4f}"
    shares = f"the class shares alone give {share_loss:.4f} and {share_accuracy:.4f}"
    if loss >= share_loss * (1 - _HARDLY):
        return f"{numbers}: no better than knowing nothing of a row; {shares}"
    judgement = f"{numbers}: {1 - loss / share_loss:.0%} of the uncertainty is gone; {shares}"
    return f"{judgement}; these rows were trained on: new rows tell more" if split == "train" else judgement


def baseline(document: dict[str, Any], split: str) -> dict[str, Any]:
    """The metrics of the class shares alone on a split; none where the document has none."""
    return next((record for record in document["baseline"] if record["split"] == split), {})


def _number(row: dict[str, Any], metric: str) -> float | None:
    value = row.get(metric)
    return float(value) if isinstance(value, int | float) else None
