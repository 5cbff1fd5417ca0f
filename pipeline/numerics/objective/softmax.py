"""Softmax and cross-entropy of a block's logits, and how they change along a direction.

Shapes and the two layouts are those of data/layout.py.
"""

import torch
from torch import Tensor

from pipeline.numerics.data.layout import Rows
from pipeline.numerics.exact import portable


def probabilities(rows: Rows, scores: Tensor) -> Tensor:
    """Of logits in the layout of ``rows``, one a class; the logits' memory may be used for them."""
    if rows.one_logit:
        return torch.cat([portable.sigmoid(-scores), portable.sigmoid(scores)])
    return portable.softmax_(scores, rows.class_dimension)


def mix_in_labels(probabilities: Tensor, labels: Tensor, mix: float) -> None:
    """Change class-major probabilities (k, n) to (1 - mix) p + mix y; labels (1, n)."""
    if mix:
        probabilities *= 1 - mix
        probabilities.scatter_add_(0, labels, probabilities.new_full((1, 1), mix).expand(labels.shape))


def class_variances(probabilities: Tensor, weights: Tensor | None) -> Tensor:
    """v p (1 - p), in either layout."""
    variances = probabilities * (1 - probabilities)
    return variances if weights is None else variances.mul_(weights.to(variances.dtype))


def curvature_weights(rows: Rows, scores: Tensor) -> Tensor:
    """p, of one logit p (1 - p), for ``change_of_probabilities``. The logits' memory may be used."""
    if rows.one_logit:
        return class_variances(portable.sigmoid(scores), None)
    return probabilities(rows, scores)


def change_of_probabilities(rows: Rows, weights: Tensor, change: Tensor) -> Tensor:
    """p * (u - p'u), how p moves where logits move by u, in the memory of u."""
    if rows.one_logit:
        return change.mul_(weights)
    return portable.change_of_probabilities_(weights, change, rows.class_dimension)


def losses_and_residuals(rows: Rows, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of every row in nats, (n,), and p - y in the layout and the memory of the logits.

    Of one logit p - y of the second class. Both keep all digits however near to 0 they are: where classes are told
    apart well, they are all that is left of the objective.
    """
    flat = labels.reshape(-1)
    if rows.one_logit:
        return portable.logistic_losses_and_residuals_(scores.view(-1), flat), scores
    return portable.losses_and_residuals_(scores, flat, rows.class_dimension), scores
