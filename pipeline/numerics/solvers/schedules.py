"""Learning rates, epoch by epoch: the schedules of torch.optim.lr_scheduler, from exactly rounded operations."""

from collections.abc import Iterator
from itertools import count, repeat
from typing import Literal

Schedule = Literal["constant", "step", "exponential", "cosine"]

_DIGITS = 100  # binary, of the cosine before it is rounded


def rates(schedule: Schedule, lr: float, epochs: int, every: int, factor: float) -> Iterator[float]:
    """The rate of each epoch, without end.

    constant: ``lr``; step: times ``factor`` after every ``every`` epochs; exponential: times ``factor`` after each
    epoch; cosine: from ``lr`` to 0 over ``epochs`` (Loshchilov and Hutter 2017, eq. 5, one period).
    """
    if schedule == "constant":
        return repeat(lr)
    if schedule == "cosine":
        return (lr * (0.5 + 0.5 * _cosine(epoch, epochs)) for epoch in count())
    return _falling(lr, factor, every if schedule == "step" else 1)


def _falling(lr: float, factor: float, every: int) -> Iterator[float]:
    while True:
        yield from repeat(lr, every)
        lr *= factor


def _cosine(part: int, half_period: int) -> float:
    """cos(pi part / half_period), rounded once; the last digit of math.cos is the system's."""
    import mpmath  # rarely needed, and slow to import

    with mpmath.workprec(_DIGITS):
        return float(mpmath.cospi(mpmath.mpf(part) / half_period))
