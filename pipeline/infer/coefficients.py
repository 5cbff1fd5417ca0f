"""coefficients.csv: estimate, standard error, z, p, interval and relative risk ratio of each class and column."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from scipy.stats import false_discovery_control
from torch import Tensor

from pipeline import distributions
from pipeline.dataset.columns import class_text
from pipeline.dataset.encoder import Encoder
from pipeline.infer import contrasts
from pipeline.infer.contrasts import Coefficients
from pipeline.infer.fit import Inference
from pipeline.infer.multiple_tests import holm_adjusted
from pipeline.infer.terms import INTERCEPT
from pipeline.numerics.exact import portable

_MOST_LINES = 100_000  # with all pairs of classes


def lines(
    inference: Inference, encoder: Encoder, confidence: float, per_deviation: Coefficients
) -> Iterator[Sequence[Any]]:
    """The lines below the header; ``p`` and what follows from it are empty for a penalised fit.

    Holm's and Benjamini and Hochberg's p are over the coefficients of columns against the reference class.
    """
    pairs = contrasts.class_pairs(inference)
    if len(pairs) * len(inference.design.columns) > _MOST_LINES:
        pairs = pairs[: inference.rows.classes - 1]
    estimates, errors = contrasts.differences(inference, contrasts.in_own_units(inference, encoder), pairs)
    scaled, scaled_errors = contrasts.differences(inference, per_deviation, pairs)
    z = estimates / torch.where(errors > 0, errors, torch.inf)
    p = torch.from_numpy(distributions.two_sided(z.numpy()))
    reach = distributions.normal_quantile(confidence) * errors
    low, high = estimates - reach, estimates + reach
    ratios = [_ratio(values) for values in (estimates, low, high)]
    rows = inference.design.columns.tolist()
    of_columns = [place for place, row in enumerate(rows) if row != inference.rows.columns]
    against_reference = p[: inference.rows.classes - 1]
    holm, hochberg = torch.full_like(p, torch.nan), torch.full_like(p, torch.nan)
    if of_columns and not inference.penalised:
        tested = against_reference[:, of_columns].numpy()
        holm[: len(tested), of_columns] = torch.from_numpy(holm_adjusted(tested.ravel()).reshape(tested.shape))
        controlled = false_discovery_control(tested.ravel()).reshape(tested.shape)
        hochberg[: len(tested), of_columns] = torch.from_numpy(controlled)
    names = [INTERCEPT if row == inference.rows.columns else encoder.features[row] for row in rows]
    labels = [class_text(label) for label in encoder.classes]
    for place, (label, other) in enumerate(pairs):
        for column, name in enumerate(names):
            at = place, column
            tests = ["", "", "", ""] if inference.penalised else [_cell(x[at]) for x in (z, p, holm, hochberg)]
            yield (
                labels[label], labels[other], name, _cell(estimates[at]), _cell(errors[at]), *tests,
                _cell(low[at]), _cell(high[at]), *(_cell(ratio[at]) for ratio in ratios),
                _cell(scaled[at]), _cell(scaled_errors[at]),
            )  # fmt: skip


def _ratio(values: Tensor) -> Tensor:
    """e^x; infinite where float64 holds no such number."""
    return portable.exp(values.contiguous())


def _cell(value: Tensor) -> float | str:
    number = float(value)
    return "" if number != number else number
