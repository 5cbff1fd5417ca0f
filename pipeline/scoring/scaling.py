"""Scaled probabilities: a softmax regression on the model's log-probabilities, with few numbers, fitted afterwards.

n rows, k classes; l (n, k) are the model's log-probabilities. Of them, not of the logits, so that a constant added to
all logits of a row changes nothing.

    temperature   softmax(s l)        s > 0, the inverse temperature
    vector        softmax(w l + b)    w, b (k,)
    matrix        softmax(l W' + b)   W (k, k), b (k,)

Sources: Guo et al. 2017, "On calibration of modern neural networks" (temperature, vector); Kull et al. 2019, "Beyond
temperature scaling: obtaining well-calibrated multi-class probabilities with Dirichlet calibration" (matrix).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.products import add_product
from pipeline.scoring.probabilities import log_softmax

Method = Literal["temperature", "vector", "matrix"]

# log p of logits that lie further apart than float64 reaches; W times it is still a number.
LEAST_LOG_PROBABILITY = -1e200


@dataclass(frozen=True)
class Scaling:
    """Shapes by method: weights () > 0, (k,) or (k, k); bias (k,), zeros for temperature."""

    method: Method
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def logits(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logits (n, k) whose softmax is scaled, from the model's logits (n, k)."""
        return self.of_log_probabilities(log_probabilities(logits))

    def of_log_probabilities(self, log_p: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same from the model's log-probabilities (n, k); a row's bits do not depend on the rows around it."""
        if self.method != "matrix":
            scaled: NDArray[np.float64] = self.weights * log_p + self.bias
            return scaled
        result = np.repeat(self.bias[np.newaxis], len(log_p), axis=0)
        add_product(result, log_p, self.weights.T)
        return result


def log_probabilities(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-probabilities (n, k) of finite logits (n, k), none below -1e200."""
    result: NDArray[np.float64] = np.maximum(log_softmax(logits), LEAST_LOG_PROBABILITY)
    return result
