"""Softmax and cross-entropy of logits, with classes along the first axis: z (k, n), labels (n,) below k."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.reference import elementary
from pipeline.arithmetic.reference.sums import halving_sum

Real = TypeVar("Real", np.float64, np.float32)


@np.errstate(all="ignore")
def softmax(z: NDArray[Real]) -> NDArray[Real]:
    """Probabilities e / sum of e, with e = exp(z - the largest of the column)."""
    exponentials, _ = _exponentials(z)
    return exponentials / halving_sum(exponentials, 0)


@np.errstate(all="ignore")
def losses_and_residuals(z: NDArray[Real], labels: NDArray[np.int64]) -> tuple[NDArray[Real], NDArray[Real]]:
    """Cross-entropy (n,) in nats, and p - y (k, n).

    From the other classes' exponentials, since 1 - p would lose the digits of a small loss: with s their sum and e_y
    the label's, t = s + (e_y - 1) is what all together are above 1, the largest. The loss is log1p(t) - (z_y - max),
    p_y - 1 is -s / (1 + t).
    """
    columns = np.arange(z.shape[1])
    exponentials, largest = _exponentials(z)
    own = exponentials[labels, columns]
    exponentials[labels, columns] = 0.0
    others = halving_sum(exponentials, 0)
    above_one = others + (own - 1)
    total = above_one + 1
    losses = elementary.log1p(above_one) - (z[labels, columns] - largest)
    residuals = exponentials / total
    residuals[labels, columns] = -(others / total)
    return losses, residuals


@np.errstate(all="ignore")
def logistic_losses_and_residuals(z: NDArray[Real], labels: NDArray[np.int64]) -> tuple[NDArray[Real], NDArray[Real]]:
    """Of one logit (n,), the second class's less the first's: losses (n,), and p - y of the second class (n,).

    With z turned so that the label asks for less of it: log(1 + e^z) = log1p(e^-|z|) + max(z, 0).
    """
    sign = (1 - 2 * labels).astype(z.dtype)
    turned = sign * z
    losses = elementary.log1p(elementary.exp(np.where(turned < 0, turned, -turned))) + np.where(turned > 0, turned, 0)
    return losses.astype(z.dtype), sign * elementary.sigmoid(turned)


@np.errstate(all="ignore")
def change_of_probabilities(p: NDArray[Real], u: NDArray[Real]) -> NDArray[Real]:
    """Change of the probabilities p (k, n) where logits change by u: p * (u - p'u), as pu - p (sum of pu)."""
    both = p * u
    return both - p * halving_sum(both, 0)


def _exponentials(z: NDArray[Real]) -> tuple[NDArray[Real], NDArray[Any]]:
    largest = z[0]
    for other in z[1:]:
        largest = np.where(other > largest, other, largest)
    return elementary.exp(z - largest), largest
