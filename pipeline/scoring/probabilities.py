"""From logits to probabilities and ranks, in float64.

n is the number of rows, k the number of classes. Every row is computed by itself: its bits do not depend on the rows
around it, nor, by the operations of ``pipeline.arithmetic``, on the processor.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.elementary import exp, log
from pipeline.arithmetic.sums import halving_sum


def log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of each class's probability, in nats.

    Shapes: logits (n, k), returns (n, k). Subtracting the row's maximum leaves the result as it is and keeps exp within
    range, so that logits of any finite size give finite results.
    Source: Blanchard, Higham and Higham 2021, "Accurately computing the log-sum-exp and softmax functions".
    """
    shifted = _shifted(logits)
    result: NDArray[np.float64] = shifted - log(halving_sum(exp(shifted), axis=1))[:, np.newaxis]
    return result


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of each class; each row sums to 1 within k roundings.

    Shapes: logits (n, k), returns (n, k). A quotient, not exp(log_softmax), which the same paper finds less accurate.
    """
    exponentials = exp(_shifted(logits))
    result: NDArray[np.float64] = exponentials / halving_sum(exponentials, axis=1)[:, np.newaxis]
    return result


def ranks(logits: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rank of each class in its row: 1 is the most probable, and equal logits rank in the order of the classes.

    Shapes: logits (n, k), returns (n, k). Logits, not probabilities: two small probabilities may round to one number.
    """
    order = np.argsort(-logits, axis=1, kind="stable")
    result = np.empty(order.shape, dtype=np.int64)
    np.put_along_axis(result, order, np.arange(1, order.shape[1] + 1)[np.newaxis, :], axis=1)
    return result


def _shifted(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = logits - logits.max(axis=1, keepdims=True)
    return result
