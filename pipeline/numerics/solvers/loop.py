"""The one loop, which knows no method: it asks for epochs, watches the validation cost, and says how it ended."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pipeline.numerics.softmax import Parameters
from pipeline.numerics.solvers.status import Status


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training rows saw. Costs in nats, without the penalty.

    ``cost`` is that of the parameters before the epoch's update (of each batch before its own, with mini-batches, as a
    mean weighted by rows); ``gradient_norm`` likewise, of the whole objective.
    """

    cost: float
    gradient_norm: float
    lr: float


@dataclass(frozen=True)
class Record:
    """One line of the history: an epoch, its number and the validation cost at its start (None without such rows)."""

    number: int
    epoch: Epoch
    validation_cost: float | None


class Method(Protocol):
    """A way to descend: holds the parameters and changes them by one epoch at a time."""

    @property
    def parameters(self) -> Parameters:
        """The present values; the next epoch changes them in place."""

    def run_epoch(self) -> Epoch:
        """One pass over the training rows."""


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when the validation cost has not fallen by more than ``minimum_drop`` nats for ``patience`` epochs."""

    patience: int
    minimum_drop: float


@dataclass(frozen=True)
class Result:
    """Where the loop ended: the parameters to keep, how it ended, epochs run, and the epoch the parameters come from.

    ``best_epoch`` is None where the parameters are simply the last ones.
    """

    parameters: Parameters
    status: Status
    epochs: int
    best_epoch: int | None


class _Best:
    """The parameters with the lowest validation cost so far."""

    def __init__(self, rule: EarlyStopping | None) -> None:
        self._rule = rule
        self._cost = math.inf
        self.epoch: int | None = None
        self.parameters: Parameters | None = None

    def says_stop(self, number: int, cost: float | None, parameters: Parameters) -> bool:
        if self._rule is None or cost is None:
            return False
        if cost < self._cost - self._rule.minimum_drop:
            self._cost, self.epoch, self.parameters = cost, number, parameters.copy()
        return self.epoch is not None and number - self.epoch >= self._rule.patience


def run(
    method: Method,
    epochs: int,
    watch: Callable[[Record, Parameters], None],
    validation_cost: Callable[[Parameters], float] | None = None,
    early_stopping: EarlyStopping | None = None,
) -> Result:
    """Run up to ``epochs`` epochs; ``watch`` is called after each with its record and the updated parameters."""
    best = _Best(early_stopping)
    for number in range(epochs):
        try:
            held_out = validation_cost(method.parameters) if validation_cost else None
            if best.says_stop(number, held_out, method.parameters) and best.parameters is not None:
                return Result(best.parameters, Status.STOPPED_EARLY, number, best.epoch)
            epoch = method.run_epoch()
        except OverflowError:  # a sum without a finite bound: the parameters have left the numbers
            return Result(method.parameters, Status.DIVERGED, number, None)
        if not math.isfinite(epoch.cost):
            return Result(method.parameters, Status.DIVERGED, number, None)
        watch(Record(number, epoch, held_out), method.parameters)
    return Result(method.parameters, Status.EPOCHS_DONE, epochs, None)
