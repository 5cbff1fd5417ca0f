"""The values of l2 that cross-validation tries, and the work that this is."""

import numpy as np

from pipeline.arithmetic.elementary import exp, log

FOLDS = 5
STRONGEST, WEAKEST, COUNT = 1.0, 1e-6, 13

# Of `work`: beyond it train.l2 auto looks at a sample of the rows. Up to half a minute of two processors.
MOST_WORK = 5e7

# With so many numbers times classes a pass's products cost as much as its share of the Hessian of the numbers.
_UNKNOWNS = 1000


def on_scale(strongest: float, weakest: float, count: int) -> list[float]:
    """``count`` values, evenly on a logarithmic scale, with three digits, so that they can be typed."""
    first, last = log(np.array([strongest, weakest], dtype=np.float64))
    shares = np.arange(count) / max(1, count - 1)
    values = exp(first + shares * (last - first))
    values[-1], values[0] = weakest, strongest
    return [float(f"{value:.3g}") for value in values]


def work(rows: int, classes: int, numbers: int, categories: int) -> float:
    """The work of a step: products and look-ups of a pass, and what the Hessian of so many ``numbers`` adds."""
    a_pass = float(rows) * classes * (numbers + categories + 1)
    return a_pass * (1 + min(numbers, rows) * classes / _UNKNOWNS)
