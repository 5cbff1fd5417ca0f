"""The values of l2 that cross-validation tries, and the work that this is."""

import numpy as np

FOLDS = 5
STRONGEST, WEAKEST, COUNT = 1.0, 1e-6, 13

# Of `work`: beyond it train.l2 auto looks at a sample of the rows. Some ten seconds of two processors.
MOST_WORK = 5e7


def on_scale(strongest: float, weakest: float, count: int) -> list[float]:
    """``count`` values, evenly on a logarithmic scale, with three digits, so that they can be typed."""
    return [float(f"{value:.3g}") for value in np.geomspace(strongest, weakest, count)]


def work(rows: int, classes: int, row_size: int) -> float:
    """The products and look-ups of a pass over ``rows`` that hold ``row_size`` numbers and codes each."""
    return float(rows) * classes * (row_size + 1)
