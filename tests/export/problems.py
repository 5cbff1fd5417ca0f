"""Models with everything that an encoder knows, hostile names among it, and bounds of what rounding may differ by."""

from dataclasses import replace

import numpy as np

from pipeline.dataset.columns import Class
from pipeline.dataset.encoder import MISSING, OTHER, UNSEEN, CategoryColumn, DType, Encoder, NumberColumn
from pipeline.export.made_rows import made_rows
from pipeline.model import Model
from pipeline.predictor.scorer import Scorer
from pipeline.scoring.decision import NO_CHANGE
from pipeline.scoring.scaling import Scaling

HOSTILE = (
    "'; DROP TABLE rows; --",
    "\"quoted\" and 'single'",
    "two\nlines\tand a tab",
    "ünï 코드 💡",
    "NULL",
    "v0",
    "softmax_read",
    "{} %s \\ $1",
)


def scorer(
    classes: tuple[Class, ...] = ("a", "b", "c"),
    levels: tuple[str, ...] = ("l0", "l1", "l2"),
    scaling: str | None = None,
    names: tuple[str, ...] = ("plain", "gappy", "flag", "day", "g", "h"),
    seed: int = 0,
    size: float = 1.0,
    dtype: DType = "float32",
) -> Scorer:
    """Two numbers, one with an indicator; a boolean; parts of a date; a category with gaps and one with rare levels."""
    plain, gappy, flag, day, first, second = names
    parts = {"year": 1975.0, "month": 6.0, "weekday": 3.0, "hour": 12.0, "minute": 30.0, "day": 15.0}
    encoder = Encoder(
        numbers=(
            NumberColumn(plain, "number", mean=0.1, shift=0.3, scale=1.7, indicator=False),
            NumberColumn(gappy, "number", mean=-5.0, shift=-5.5, scale=0.01, indicator=True),
            NumberColumn(flag, "boolean", mean=0.25, shift=0.25, scale=0.4, indicator=True),
            *(NumberColumn(f"{day} {part}", "date", mean, mean, 10.0, False) for part, mean in parts.items()),
        ),
        categories=(
            CategoryColumn(first, (*levels, MISSING, UNSEEN)),
            CategoryColumn(second, ("1", "2", OTHER, UNSEEN)),
        ),
        target="t",
        classes=classes,
        missing_values=("", "NA", "-999", "0"),
        dtype=dtype,
    )
    draw = np.random.default_rng(seed)
    k = len(classes)
    weights = draw.normal(size=(k, len(encoder.features))) * size
    weights[0, 0] = 0.0
    model = Model(weights, draw.normal(size=k), encoder, {}, "", {"status": "converged"})
    if scaling is None:
        return Scorer(model)
    shape = {"temperature": (), "vector": (k,), "matrix": (k, k)}[scaling]
    scaled = Scaling(scaling, np.abs(draw.normal(size=shape)), draw.normal(size=k))  # type: ignore[arg-type]
    return Scorer(model, replace(NO_CHANGE, scaling=scaled))


def bound(made: Scorer) -> float:
    """What a probability may differ by.

    A logit is a sum of d products; added in another order it differs by at most 2 d 2^-53 times the sum of their
    absolute values (Higham 2002, 4.2), a scaled one by the sum of its weights times as much. e^x, ln x and a quotient
    are within a few units of the last digit. A probability moves by at most half of what the logits move against one
    another.
    """
    encoded = made.model.encoder.encode(made_rows(made.model.encoder))
    numbers = np.abs(made.model.weights[:, : made.model.encoder.number_count])
    largest = float((np.abs(encoded.numbers.astype(np.float64)) @ numbers.T).max())
    largest += float(np.abs(made.model.weights).max()) * len(made.model.encoder.categories) + float(
        np.abs(made.model.bias).max()
    )
    scaling = made.decision.scaling
    factor = 1.0 if scaling is None else max(1.0, float(np.abs(np.atleast_2d(scaling.weights)).sum(axis=1).max()))
    terms = made.model.encoder.number_count + len(made.model.encoder.categories) + len(made.model.classes) + 8
    return float(2 * terms * largest * factor * 2.0**-53)
