"""How much two models differ in a mean over the same rows, and how surely."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pipeline.resampling.fixed_point import to_fixed_point
from pipeline.resampling.percentiles import percentile_interval
from pipeline.resampling.poisson_weights import REPLICATES
from pipeline.resampling.replicate_sums import replicate_sums


@dataclass(frozen=True)
class MeanDifference:
    """A weighted mean of b - a with its 95 % interval; bounds are None of fewer than two units."""

    difference: float
    low: float | None
    high: float | None


def mean_difference(
    units: NDArray[np.integer[Any]],
    weights: NDArray[np.float64],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
) -> MeanDifference:
    """The weighted mean over rows of b - a, two models' losses, say; rows of one unit are drawn together.

    Shapes: all (n,), n > 0; ``units`` are row numbers or digests of groups, ``weights`` of positive sum, all finite.
    Rows are what varies, the models are as they are: the percentile interval of the paired Poisson bootstrap.
    Raises: ValueError if a number is not finite.
    """
    products = weights * (b - a)
    difference = math.fsum(products.tolist()) / math.fsum(weights.tolist())
    if len(np.unique(units[weights > 0])) < 2:
        return MeanDifference(difference, None, None)
    fixed = [to_fixed_point(weights), to_fixed_point(products)]
    columns = sparse.csr_array(np.column_stack([part.integers for part in fixed]))  # type: ignore[no-untyped-call]
    sums = replicate_sums(units, columns)
    totals, differences = (column.floats(sums[:, place]) for place, column in enumerate(fixed))
    # Where few units have weight, a replicate may have drawn none.
    drawn = totals > 0
    if 2 * np.count_nonzero(drawn) < REPLICATES:
        return MeanDifference(difference, None, None)
    return MeanDifference(difference, *percentile_interval(differences[drawn] / totals[drawn]))
