"""The order of rows by a small number that each has: a level, a stratum."""

import numpy as np
import torch
from torch import Tensor


def by_key(keys: Tensor, count: int) -> Tensor:
    """Positions of keys (n,) in 0 ... count - 1, by key and then as they stand; (n,) int64.

    numpy sorts 16 bits by counting, thirty times faster than torch sorts 64 for a million rows.
    """
    values = keys.numpy()
    if count <= np.iinfo(np.int16).max:
        values = values.astype(np.int16)
    return torch.from_numpy(np.argsort(values, kind="stable"))
