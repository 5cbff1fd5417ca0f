"""64-bit digests of encoded rows, equal where the rows are, wherever these stand."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_64_BITS = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd: tells columns apart. Steele, Lea, Flood 2014

Digests = NDArray[np.uint64]


def mixed(values: Digests) -> Digests:
    """A bijection after which every bit of the input sways every bit of the output by a half chance.

    Source: Steele, Lea, Flood 2014, Fast splittable pseudorandom number generators, figure 16 (variant 13 of Stafford).
    """
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def digests_of(numbers: NDArray[np.floating[Any]], codes: NDArray[np.int64], seed: int) -> Digests:
    """(n,) uint64, equal where numbers (n, p) and codes (n, c) are; another seed gives other, independent digests."""
    digests = mixed(np.full(len(numbers), seed & _64_BITS, dtype=np.uint64))
    # Adding zero makes one zero of 0.0 and -0.0.
    bits = np.uint32 if numbers.dtype.itemsize == 4 else np.uint64
    values = [(column + numbers.dtype.type(0)).view(bits) for column in numbers.T.copy()]
    for position, column in enumerate([*values, *codes.T]):
        salt = np.uint64((position + 1) * _GOLDEN & _64_BITS)
        digests = mixed(digests ^ mixed(column.astype(np.uint64) ^ salt))
    return digests
