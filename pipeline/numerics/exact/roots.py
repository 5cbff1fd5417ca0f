"""Square roots that every processor rounds alike."""

import numpy as np
import torch
from torch import Tensor


def square_root(values: Tensor) -> Tensor:
    """The correctly rounded root of each number >= 0, of the same shape and type.

    torch leaves the root of an array to MKL, whose result is not the nearest number for one in 70 of float64 on some
    processors, and depends on the processor. IEEE 754 leaves no choice, and numpy uses the instruction that obeys it.
    """
    root = torch.empty_like(values)
    np.sqrt(values.numpy(), out=root.numpy())
    return root
