"""Softmax and cross-entropy of a block's logits, and how they change along a direction.

Shapes and the two layouts are those of data/layout.py.
"""

import torch
from torch import Tensor

from pipeline.numerics.data.layout import Rows

# Below this a float32 probability may have lost its digits, so its logarithm is taken from the logits.
_SMALLEST_TRUSTED = 1e-30

# exp of so large a number is far from the ends of float32, and so is a sum of millions of them.
_SAFE_LOGIT = 60.0


def probabilities(rows: Rows, scores: Tensor) -> Tensor:
    """Of logits in the layout of ``rows``, one a class; the logits' memory may be used for them."""
    if rows.one_logit:
        return torch.cat([torch.sigmoid(-scores), scores.sigmoid_()])
    return _softmax(scores, rows.class_dimension)


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
        return class_variances(scores.sigmoid_(), None)
    return probabilities(rows, scores)


def change_of_probabilities(rows: Rows, weights: Tensor, change: Tensor) -> Tensor:
    """p * (u - p'u), how p moves where logits move by u, in the memory of u."""
    change *= weights
    if not rows.one_logit:
        change.addcmul_(weights, change.sum(rows.class_dimension, keepdim=True), value=-1)
    return change


def losses_and_residuals(rows: Rows, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of every row in nats, (n, 1) or (1, n), and p - y in the layout of the logits, which it may use.

    Of one logit, with z turned so that the label asks for less of it: log(1 + e^z), and p - y of the second class. In
    float64, and of one logit, both keep all digits however near to 0 they are: where classes are told apart well, they
    are all that is left of the objective.
    """
    if not rows.one_logit:
        if scores.dtype == torch.float64:
            return _from_others(scores, labels, rows.class_dimension)
        losses, residuals = losses_and_probabilities(scores, labels, rows.class_dimension)
        return losses, _subtract_one_hot(rows, residuals, labels)
    turned = 1 - 2 * labels.to(scores.dtype)
    scores *= turned
    losses = scores.abs().neg_().exp_().log1p_()
    losses += scores.clamp(min=0.0)
    return losses, scores.sigmoid_().mul_(turned)


def _subtract_one_hot(rows: Rows, probabilities: Tensor, labels: Tensor) -> Tensor:
    minus_one = probabilities.new_full((1, 1), -1.0).expand(labels.shape)
    return probabilities.scatter_add_(rows.class_dimension, labels, minus_one)


def _softmax(scores: Tensor, dimension: int, in_place: bool = True) -> Tensor:
    if dimension == 1 and scores.dtype == torch.float32:
        return torch.softmax(scores, 1)
    result = scores if in_place else torch.empty_like(scores)
    largest = scores.amax(dimension, keepdim=True)
    if scores.dtype == torch.float64 or not _all_safe(largest):
        torch.sub(scores, largest, out=result).exp_()
    else:
        torch.exp(scores, out=result)
    result /= result.sum(dimension, keepdim=True)
    return result


def _all_safe(largest: Tensor) -> bool:
    """Whether softmax can do without taking a row's ``largest`` logit from all of them first.

    An accelerator takes it always: a look at its numbers costs more than the subtraction.
    """
    return largest.is_cpu and float(largest.abs().max()) <= _SAFE_LOGIT


def losses_and_probabilities(scores: Tensor, labels: Tensor, dimension: int) -> tuple[Tensor, Tensor]:
    """Of float32: losses of every row in nats, (n, 1) or (1, n), and its probabilities, in the layout of its block."""
    # Where a probability is too small to be trusted, the logits are needed again.
    probabilities = _softmax(scores, dimension, in_place=False)
    of_label = probabilities.gather(dimension, labels)
    unsure = None
    if float(of_label.min()) < _SMALLEST_TRUSTED:
        unsure = torch.nonzero(of_label.reshape(-1) < _SMALLEST_TRUSTED)[:, 0]
    losses = -of_label.log_()
    if unsure is not None:
        few, few_labels = (part.index_select(1 - dimension, unsure) for part in (scores, labels))
        exact = torch.log_softmax(few, dimension).gather(dimension, few_labels)
        losses.index_copy_(1 - dimension, unsure, -exact)
    return losses, probabilities


def _from_others(scores: Tensor, labels: Tensor, dimension: int) -> tuple[Tensor, Tensor]:
    """Losses and p - y in place, of the other classes' exponentials: 1 - p would lose the digits of a small loss."""
    scores -= scores.amax(dimension, keepdim=True)
    of_label = scores.gather(dimension, labels)
    residuals = scores.exp_().scatter_(dimension, labels, torch.zeros_like(of_label))
    others = residuals.sum(dimension, keepdim=True)
    above_one = others + of_label.expm1()  # what all exponentials together are above 1, the largest
    totals = above_one + 1
    residuals /= totals
    residuals.scatter_(dimension, labels, others.div_(totals).neg_())
    return above_one.log1p_().sub_(of_label), residuals
