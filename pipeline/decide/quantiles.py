"""Quantiles of prediction sets: order statistics of the validation rows' own scores.

Of n rows the quantile for coverage c is the score of rank ceil((n + 1) c), from the lowest; a row of weight w counts as
w rows. Where that rank is above n no score is large enough, and the class is in every set.
"""

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pipeline.decide.calibrate import watched_note
from pipeline.decide.params import DecideParams
from pipeline.decide.rows import SplitBlocks
from pipeline.errors import listed
from pipeline.model import Model
from pipeline.scoring.decision import SetsForm
from pipeline.scoring.prediction_sets import scores
from pipeline.scoring.probabilities import softmax


def prediction_sets(params: DecideParams, model: Model, validation: SplitBlocks) -> SetsForm:
    """The quantiles that decide.sets asks for, and the sentence on how many rows they are of."""
    form = SetsForm(method=params.sets, coverage=params.coverage, by_class=params.sets_by_class, reason="")
    if params.sets == "none":
        return form.model_copy(update={"reason": "decide.sets is none"})
    if not validation.rows:
        return form.model_copy(update={"reason": "no sets: there are no validation rows (prepare.split)"})
    own, labels, weights = [], [], []
    for block in validation:
        own.append(scores(params.sets, softmax(block.logits))[np.arange(len(block.labels)), block.labels])
        labels.append(block.labels)
        weights.append(block.weights)
    score, label, weight = np.concatenate(own), np.concatenate(labels), np.concatenate(weights)
    groups = [label == place for place in range(len(model.classes))] if params.sets_by_class else [slice(None)]
    quantiles = [quantile(score[group], weight[group], params.coverage) for group in groups]
    note = watched_note(model, validation)
    return form.model_copy(
        update={
            "reason": _reason(params, model, quantiles, validation.weight),
            "notes": [] if note is None else [note],
            "quantiles": quantiles,
            "rows": int(validation.weight) if validation.weight.is_integer() else validation.weight,
        }
    )


def quantile(score: NDArray[np.float64], weights: NDArray[np.float64], level: float) -> float | None:
    """The order statistic of scores (n,) for the level as it is written, 0.55 as 55 hundredths; None: too few rows."""
    order = np.argsort(score, kind="stable")
    # One number after another; whole ones are exact.
    counts = np.cumsum(weights[order])
    total = counts[-1] if len(counts) else 0.0
    rank = (Fraction(float(total)) + 1) * Fraction(str(level))
    is_whole = bool((weights == np.floor(weights)).all())
    place = int(np.searchsorted(counts, math.ceil(rank) if is_whole else float(rank)))
    return None if place == len(counts) else float(score[order[place]])


def least_rows(level: float) -> int:
    """The fewest rows n of which rank ceil((n + 1) level) is one."""
    exact = Fraction(str(level))
    return math.ceil(exact / (1 - exact))


def _reason(params: DecideParams, model: Model, quantiles: list[float | None], rows: float) -> str:
    few = [place for place, value in enumerate(quantiles) if value is None]
    least = f"coverage {params.coverage} takes {least_rows(params.coverage):,}"
    if not few:
        return f"{params.sets} sets of coverage {params.coverage} from {rows:,.10g} validation rows"
    if not params.sets_by_class:
        return f"every set holds all classes: {least} validation rows, there are {rows:,.10g}"
    named = listed([model.classes[place] for place in few])
    return f"every set holds class {named}: {least} validation rows of a class, there are fewer"
