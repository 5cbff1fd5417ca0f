"""The verdict: a sentence for whoever reads only one."""

from typing import Any

import pytest

from pipeline.results import verdict


def _document(loss: float | None, share_loss: float | None = 1.0, split: str = "test") -> dict[str, Any]:
    row = {"rows": 4, "log_loss": loss, "accuracy": 0.75}
    return {
        "train": {"rows": 9, "log_loss": 0.1, "accuracy": 1.0},
        split: row,
        "baseline": [{"split": split, "log_loss": share_loss, "accuracy": 0.5}],
    }


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (_document(0.25), "test log loss 0.2500 nats, accuracy 0.7500: 75% of the uncertainty is gone; the class"),
        (_document(1.5), "no better than knowing nothing of a row; the class shares alone give 1.0000 and 0.5000"),
        (_document(1.0), "no better than knowing nothing of a row"),
        (_document(None), "test log loss is not defined"),
        (_document(0.25, None), "test log loss is not defined"),
        (_document(0.25, split="train"), "these rows were trained on: new rows tell more"),
        (_document(0.25, split="validation"), "validation log loss 0.2500 nats"),
    ],
)
def test_the_sentence_judges_by_the_most_held_out_rows(document: dict[str, Any], sentence: str) -> None:
    """Against the class shares there; of training rows it says that they are no test."""
    assert sentence in verdict.sentence(document)


def test_the_headline_has_the_numbers_that_are_compared() -> None:
    """A number each, so that `dvc exp show` makes columns of them; l2 is the one in force."""
    headline = verdict.headline(_document(0.25), {"l2": "auto"}, {"method": "newton", "l2": 0.01})
    assert headline == {"rows_of": "test", "log_loss": 0.25, "accuracy": 0.75, "solver": "newton", "l2": 0.01}
    assert verdict.headline(_document(0.25), {"l2": 0.5}, {"method": "lbfgs"})["l2"] == 0.5
