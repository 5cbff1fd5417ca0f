"""The one loop, which knows no method: it asks for epochs, watches the validation cost, and says how it ended."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pipeline.numerics.softmax import Parameters
from pipeline.numerics.solvers.status import Status


@dataclass(frozen=True)
class Epoch:
    """What one epoch saw of the training rows. Costs in nats, without the penalty.

    ``lr`` is None where a method has none; ``passes`` says how often all rows were gone through so far, None where that
    is the epoch's number. ``cost`` is that of the parameters before the epoch's update (of each batch before its own,
    with mini-batches, as a mean weighted by rows); ``gradient_norm`` likewise, of the whole objective.
    """

    cost: float
    gradient_norm: float
    lr: float | None
    passes: int | None = None


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

    @property
    def status(self) -> Status | None:
        """How it ended, once there is nothing more to do."""

    @property
    def unfinished(self) -> Status:
        """How it ended if it has run all epochs asked for."""

    def run_epoch(self) -> Epoch:
        """One update from all rows, or one pass over them in batches."""


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
        if method.status is not None:
            return Result(method.parameters, method.status, number + 1, None)
    return Result(method.parameters, method.unfinished, epochs, None)
