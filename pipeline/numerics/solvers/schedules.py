"""Learning rates, epoch by epoch: the schedules of torch.optim.lr_scheduler."""

import warnings
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Literal

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LRScheduler, StepLR

Schedule = Literal["constant", "step", "exponential", "cosine"]


def rates(schedule: Schedule, lr: float, epochs: int, every: int, factor: float) -> Iterator[float]:
    """The rate of each epoch, without end.

    constant: ``lr``; step: times ``factor`` after every ``every`` epochs; exponential: times ``factor`` after each
    epoch; cosine: from ``lr`` to 0 over ``epochs`` (Loshchilov and Hutter 2017, eq. 5, one period).
    """
    if schedule == "constant":
        return repeat(lr)
    makers: dict[str, Callable[[torch.optim.Optimizer], LRScheduler]] = {
        "step": lambda optimizer: StepLR(optimizer, every, factor),
        "exponential": lambda optimizer: ExponentialLR(optimizer, factor),
        "cosine": lambda optimizer: CosineAnnealingLR(optimizer, epochs),
    }
    return _followed(makers[schedule](torch.optim.SGD([torch.zeros(())], lr=lr)))


def _followed(scheduler: LRScheduler) -> Iterator[float]:
    while True:
        yield float(scheduler.get_last_lr()[0])
        with warnings.catch_warnings():  # its optimiser only holds the rate, and never steps
            warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
            scheduler.step()
