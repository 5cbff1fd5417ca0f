"""The one loop, which knows no solver: it asks for epochs, watches the validation cost, and says how it ended."""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from pipeline.numerics.data.block import Parameters
from pipeline.numerics.solvers.status import Status

_OF_SOLVER = "method "  # prefix of its state in a checkpoint


@dataclass(frozen=True)
class Epoch:
    """One epoch over the training rows. Costs in nats, without the penalty.

    ``lr`` is None where a solver has none; ``passes`` says how often all rows were gone through so far, None where that
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


class IterativeSolver(Protocol):
    """A way to descend: holds the parameters and changes them by one epoch at a time."""

    @property
    def parameters(self) -> Parameters:
        """The present values; the next epoch changes them in place."""

    @property
    def status(self) -> Status | None:
        """The way it ended, once there is nothing more to do."""

    @property
    def unfinished(self) -> Status:
        """The status of a run of all epochs asked for."""

    @property
    def state(self) -> dict[str, Tensor]:
        """All that decides what the next epochs do; setting it goes on from there."""

    @state.setter
    def state(self, saved: Mapping[str, Tensor]) -> None: ...

    def run_epoch(self) -> Epoch:
        """One update from all rows, or one pass over them in batches."""


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when the validation cost has not fallen by more than ``minimum_drop`` nats for ``patience`` epochs."""

    patience: int
    minimum_drop: float


@dataclass(frozen=True)
class Result:
    """The end of the loop: the parameters to keep, how it ended, epochs run, and the epoch the parameters come from.

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

    def should_stop(self, number: int, cost: float | None, solver: IterativeSolver) -> bool:
        if self._rule is None or cost is None:
            return False
        if cost < self._cost - self._rule.minimum_drop:
            self._cost, self.epoch, self.parameters = cost, number, solver.parameters.copy()
        return self.epoch is not None and number - self.epoch >= self._rule.patience

    @property
    def state(self) -> dict[str, Tensor]:
        if self.parameters is None or self.epoch is None:
            return {}
        numbers = torch.tensor([self._cost, self.epoch], dtype=torch.float64)
        return {"best": numbers, "best W": self.parameters.weights, "best b": self.parameters.bias}

    @state.setter
    def state(self, saved: Mapping[str, Tensor]) -> None:
        if "best" in saved:
            self._cost, self.epoch = saved["best"][0].item(), int(saved["best"][1])
            self.parameters = Parameters(saved["best W"], saved["best b"])


class StateStore(Protocol):
    """Storage for the loop's state: a checkpoint."""

    def load(self) -> Mapping[str, Tensor] | None:
        """The last saved state; None after a training that finished."""

    def save(self, state: Callable[[], Mapping[str, Tensor]]) -> None:
        """Store the state, if it is time."""


def run(
    solver: IterativeSolver,
    epochs: int,
    watch: Callable[[Record, IterativeSolver], None],
    validation_cost: Callable[[Parameters], float] | None = None,
    early_stopping: EarlyStopping | None = None,
    store: StateStore | None = None,
) -> Result:
    """Run up to ``epochs`` epochs; ``watch`` is called after each with its record and the solver, whose
    ``parameters`` are computed on access.

    With ``store`` the loop goes on where an earlier one was stopped, and ends as if nothing had happened.
    """
    best = _Best(early_stopping)
    first = _resume(store, solver, best)
    for number in range(first, epochs):
        try:
            held_out = validation_cost(solver.parameters) if validation_cost else None
            if best.should_stop(number, held_out, solver) and best.parameters is not None:
                return Result(best.parameters, Status.STOPPED_EARLY, number, best.epoch)
            epoch = solver.run_epoch()
        except OverflowError:  # a sum without a finite bound: the parameters have left the numbers
            return Result(solver.parameters, Status.DIVERGED, number, None)
        if not math.isfinite(epoch.cost):
            return Result(solver.parameters, Status.DIVERGED, number, None)
        watch(Record(number, epoch, held_out), solver)
        if solver.status is not None:
            return Result(solver.parameters, solver.status, number + 1, None)
        if store is not None:
            store.save(functools.partial(_state, number + 1, solver, best))
    return Result(solver.parameters, solver.unfinished, epochs, None)


def _state(epochs: int, solver: IterativeSolver, best: _Best) -> dict[str, Tensor]:
    own = {f"{_OF_SOLVER}{name}": tensor for name, tensor in solver.state.items()}
    return own | best.state | {"epochs": torch.tensor(epochs)}


def _resume(store: StateStore | None, solver: IterativeSolver, best: _Best) -> int:
    """The number of the next epoch."""
    saved = store.load() if store else None
    if saved is None:
        return 0
    solver.state = {name.removeprefix(_OF_SOLVER): saved[name] for name in saved if name.startswith(_OF_SOLVER)}
    best.state = saved
    return int(saved["epochs"])
