"""p-values of several tests at once; without torch, since commands that print take them, too."""

from typing import Any

import numpy as np


def holm_adjusted(p: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Holm 1979, A simple sequentially rejective multiple test procedure: (m,) of (m,)."""
    order = np.argsort(p, kind="stable")
    factors = len(p) - np.arange(len(p))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * factors))
    return adjusted
