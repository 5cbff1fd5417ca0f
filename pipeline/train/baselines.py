"""Baselines that a training has to beat: where it began, and the class shares of its own rows.

k classes. Costs in nats, weighted as training weights them. The start is compared by the objective, which is what steps
lower: with a penalty the cost alone may rise on the way to the optimum. The shares are compared by the cost, which is
what predictions are judged by, and never above them at the optimum: W = 0 with b = log shares has no penalty.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.elementary import log
from pipeline.numerics.exact import portable
from pipeline.numerics.objective.evaluation import Evaluation
from pipeline.numerics.solvers.status import Status

_VISIBLE = 1e-5  # share of a baseline: what six printed digits show
_ROUNDING = 1e-12  # nats, of a baseline that is nearly 0
# The others tell by their own sentence that they did not arrive, or have proven that they did.
_JUDGED = (Status.EPOCHS_DONE, Status.STOPPED_EARLY)


@dataclass(frozen=True)
class Judgement:
    """The final status, and a sentence for each baseline that is better."""

    status: Status
    sentences: tuple[str, ...]


def judge(
    status: Status, final: Evaluation, start: Evaluation | None, class_totals: NDArray[np.float64], intercept: bool
) -> Judgement:
    """Compare the parameters to keep with ``start``, where training began, and with the class shares.

    ``class_totals`` (k,) are the weights of the classes; ``start`` is None for a solver that steps downwards only.
    """
    worse = [*_than_start(final, start), *_than_shares(final, class_totals, intercept)] if status in _JUDGED else []
    return Judgement(Status.WORSE_THAN_BASELINE if worse else status, tuple(worse))


def _than_start(final: Evaluation, start: Evaluation | None) -> Iterator[str]:
    if start is not None and _is_above(final.cost + final.penalty, start.cost + start.penalty):
        name = "objective" if final.penalty or start.penalty else "cost"
        yield (
            f"{name} {final.cost + final.penalty:.6g} nats, above the {start.cost + start.penalty:.6g} "
            "where training began"
        )


def _than_shares(final: Evaluation, class_totals: NDArray[np.float64], intercept: bool) -> Iterator[str]:
    present = class_totals[class_totals > 0] / math.fsum(class_totals)
    if len(present) < 2:  # the shares cost 0, which no finite W and b reach
        return
    # Without b the shares are out of reach; W = 0 gives every class the same probability.
    baseline = -math.fsum((present * log(present)).tolist()) if intercept else portable.log_of(len(class_totals))
    if _is_above(final.cost, baseline):
        name = "the class shares alone" if intercept else "equal probabilities"
        yield f"cost {final.cost:.6g} nats, above the {baseline:.6g} of {name}"


def _is_above(cost: float, baseline: float) -> bool:
    return cost > baseline * (1 + _VISIBLE) + _ROUNDING
