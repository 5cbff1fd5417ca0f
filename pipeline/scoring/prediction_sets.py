"""Prediction sets of split conformal prediction: the classes whose score is at most a quantile of earlier scores.

n rows, k classes, p (n, k) the probabilities of the trained model. The less a class agrees with a row, the higher its
score:

    lac   1 - p_j
    aps   the sum of the probabilities of all classes at least as probable, p_j included; equal ones come in the order
          of the classes. Nothing is drawn, so that a row always has the same set, and coverage is at least the level.

If the rows whose scores gave the quantile and a new row are exchangeable, the set holds the new row's class with at
least the level's probability, over draws of all of them: marginal coverage, not that of a class or a kind of row.
Probabilities must not depend on those rows, so they are the model's own: scaled ones were fitted on the same rows.
Sources: Sadinle, Lei and Wasserman 2019, "Least ambiguous set-valued classifiers with bounded error levels" (lac);
Romano, Sesia and Candes 2020, "Classification with valid and adaptive coverage" (aps); Vovk, Gammerman and Shafer 2005,
"Algorithmic learning in a random world", 4.5 (one quantile a class).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Method = Literal["lac", "aps"]


@dataclass(frozen=True)
class PredictionSets:
    """``quantiles`` are (1,), or one a class, (k,); infinity puts the class into every set."""

    method: Method
    quantiles: NDArray[np.float64]

    def contain(self, p: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n, k): which classes the sets of rows with the model's probabilities p (n, k) hold; lac's may be empty."""
        result: NDArray[np.bool_] = scores(self.method, p) <= self.quantiles
        return result


def scores(method: Method, p: NDArray[np.float64]) -> NDArray[np.float64]:
    """The score (n, k) of each class of rows with the model's probabilities p (n, k)."""
    if method == "lac":
        distances: NDArray[np.float64] = 1 - p
        return distances
    order = np.argsort(-p, axis=1, kind="stable")
    result = np.empty_like(p)
    # cumsum adds one number after another.
    np.put_along_axis(result, order, np.cumsum(np.take_along_axis(p, order, axis=1), axis=1), axis=1)
    return result
