"""The solver behind sgd and adam: an optimiser's update rule, fed with gradients that were summed exactly.

An epoch is one update on all rows, or, with mini-batches, one update a batch in an order drawn from the seed. The
order is drawn over all rows at once and never depends on blocks, threads or workers.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

import torch
from torch import Tensor

from pipeline.numerics.data.block import Block, Blocks, Parameters, cached, extent, joined, row_counts
from pipeline.numerics.objective.plain import PlainObjective
from pipeline.numerics.solvers.loop import Epoch
from pipeline.numerics.solvers.status import Status

MakeObjective = Callable[[Sequence[Block]], PlainObjective]


class Update(Protocol):
    """The update rule of an optimiser."""

    memory: list[Tensor]
    """The state that it keeps of earlier gradients."""

    def step(self, parameters: list[Tensor], gradients: list[Tensor], lr: float) -> None:
        """Change the parameters in place."""


class FirstOrder:
    """Steps along the gradient, with the update rule of a torch optimiser; it has no test of convergence."""

    status = None
    unfinished = Status.EPOCHS_DONE

    def __init__(
        self,
        start: Parameters,
        batches: Callable[[], Iterator[tuple[PlainObjective, float]]],
        update: Update,
        rates: Iterator[float],
        generator: torch.Generator | None = None,
    ) -> None:
        """``batches`` yields one epoch's objectives, each with its share of the rows' total weight.

        ``generator`` is what it draws from.
        """
        self.parameters = start.copy()
        self._batches = batches
        self._update = update
        self._rates = rates
        self._generator = generator
        self._epochs = 0

    def run_epoch(self) -> Epoch:
        """One pass over the rows at the next learning rate, an update a batch."""
        lr = next(self._rates)
        self._epochs += 1
        values = [self.parameters.weights, self.parameters.bias]
        costs, norms = [], []
        for objective, share in self._batches():
            evaluation = objective.loss_gradient(self.parameters)
            self._update.step(values, [evaluation.weights_gradient, evaluation.bias_gradient], lr)
            costs.append(share * evaluation.cost)
            norms.append(share * evaluation.gradient_norm)
        return Epoch(math.fsum(costs), math.fsum(norms), lr)

    @property
    def state(self) -> dict[str, Tensor]:
        """All that decides what the next epochs do."""
        drawn = {} if self._generator is None else {"generator": self._generator.get_state()}
        memory = {f"memory {place}": tensor for place, tensor in enumerate(self._update.memory)}
        own = {"W": self.parameters.weights, "b": self.parameters.bias, "epochs": torch.tensor(self._epochs)}
        return own | memory | drawn

    @state.setter
    def state(self, tensors: Mapping[str, Tensor]) -> None:
        self.parameters = Parameters(tensors["W"].clone(), tensors["b"].clone())
        self._epochs = int(tensors["epochs"])
        self._rates = islice(self._rates, self._epochs, None)
        remembered = sum(name.startswith("memory ") for name in tensors)
        self._update.memory = [tensors[f"memory {place}"].clone() for place in range(remembered)]
        if self._generator is not None:
            self._generator.set_state(tensors["generator"])


def full_batch(objective: PlainObjective) -> Callable[[], Iterator[tuple[PlainObjective, float]]]:
    """Every epoch is one update on all rows."""

    def batches() -> Iterator[tuple[PlainObjective, float]]:
        yield objective, 1.0

    return batches


def mini_batches(
    blocks: Sequence[Block], batch_size: int, generator: torch.Generator, make_objective: MakeObjective
) -> Callable[[], Iterator[tuple[PlainObjective, float]]]:
    """Every epoch draws the rows in a new order and cuts it into batches; the last one may be smaller."""
    counts = torch.tensor(row_counts(blocks))
    total_weight, _ = extent(blocks)

    def batches() -> Iterator[tuple[PlainObjective, float]]:
        for rows in torch.split(torch.randperm(int(counts.sum()), generator=generator), batch_size):
            objective = make_objective(_gathered(blocks, counts, rows.sort().values))
            if objective.total_weight > 0:
                yield objective, objective.total_weight / total_weight

    return batches


def _gathered(blocks: Sequence[Block], counts: Tensor, rows: Tensor) -> Sequence[Block]:
    """The given rows (sorted positions in the concatenated blocks) as new blocks no larger than the old ones."""
    ends, parts = counts.cumsum(0), torch.split(rows, int(counts.max()))
    batch = Blocks(lambda place: _gather_block(blocks, ends, parts[place]), [len(part) for part in parts])
    return cached(batch)


def _gather_block(blocks: Sequence[Block], ends: Tensor, rows: Tensor) -> Block:
    owners, counts = torch.unique_consecutive(torch.bucketize(rows, ends, right=True), return_counts=True)
    pieces = []
    for owner, positions in zip(owners.tolist(), torch.split(rows, counts.tolist()), strict=True):
        block = blocks[owner]
        pieces.append(block.part(positions - (int(ends[owner]) - len(block.labels))))
    return joined(pieces)
