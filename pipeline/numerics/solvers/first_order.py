"""What sgd and adam share: an update rule of torch.optim, fed with gradients that were summed exactly.

An epoch is one update on all rows, or, with mini-batches, one update a batch in an order drawn from the seed. The
order is drawn over all rows at once and never depends on blocks, threads or workers.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from pipeline.numerics.softmax import Block, Objective, Parameters
from pipeline.numerics.solvers.loop import Epoch
from pipeline.numerics.solvers.status import Status

MakeObjective = Callable[[Sequence[Block]], Objective]
Update = Callable[[list[Tensor], list[Tensor], float], None]
"""Changes parameters in place, given their gradients and the learning rate."""


class FirstOrder:
    """Steps along the gradient, with the update rule of a torch optimiser; it never knows that it has arrived."""

    status = None
    unfinished = Status.EPOCHS_DONE

    def __init__(
        self,
        start: Parameters,
        batches: Callable[[], Iterator[tuple[Objective, float]]],
        update: Update,
        rates: Iterator[float],
    ) -> None:
        """``batches`` yields one epoch's objectives, each with its share of the rows' total weight."""
        self.parameters = start.copy()
        self._batches = batches
        self._update = update
        self._rates = rates

    def run_epoch(self) -> Epoch:
        """One pass over the rows at the next learning rate, an update a batch."""
        lr = next(self._rates)
        values = [self.parameters.weights, self.parameters.bias]
        costs, norms = [], []
        for objective, share in self._batches():
            evaluation = objective.evaluate(self.parameters)
            self._update(values, [evaluation.weights_gradient, evaluation.bias_gradient], lr)
            costs.append(share * evaluation.cost)
            norms.append(share * evaluation.gradient_norm)
        return Epoch(math.fsum(costs), math.fsum(norms), lr)


def full_batch(objective: Objective) -> Callable[[], Iterator[tuple[Objective, float]]]:
    """Every epoch is one update on all rows."""

    def batches() -> Iterator[tuple[Objective, float]]:
        yield objective, 1.0

    return batches


def mini_batches(
    blocks: Sequence[Block], batch_size: int, seed: int, make_objective: MakeObjective
) -> Callable[[], Iterator[tuple[Objective, float]]]:
    """Every epoch draws the rows in a new order and cuts it into batches; the last one may be smaller."""
    generator = torch.Generator().manual_seed(seed)
    ends = torch.tensor([len(block.labels) for block in blocks]).cumsum(0)
    total_weight = math.fsum(block.total_weight for block in blocks)

    def batches() -> Iterator[tuple[Objective, float]]:
        for rows in torch.split(torch.randperm(int(ends[-1]), generator=generator), batch_size):
            batch = _gather(blocks, ends, rows.sort().values)
            weight = math.fsum(block.total_weight for block in batch)
            if weight > 0:
                yield make_objective(batch), weight / total_weight

    return batches


def _gather(blocks: Sequence[Block], ends: Tensor, rows: Tensor) -> list[Block]:
    """The given rows (sorted positions in the concatenated blocks) as new blocks no larger than the old ones."""
    largest = max(len(block.labels) for block in blocks)
    return [_gather_block(blocks, ends, part) for part in torch.split(rows, largest)]


def _gather_block(blocks: Sequence[Block], ends: Tensor, rows: Tensor) -> Block:
    owners, counts = torch.unique_consecutive(torch.bucketize(rows, ends, right=True), return_counts=True)
    pieces = []
    for owner, positions in zip(owners.tolist(), torch.split(rows, counts.tolist()), strict=True):
        block = blocks[owner]
        local = positions - (int(ends[owner]) - len(block.labels))
        weights = None if block.weights is None else block.weights[local]
        pieces.append(Block(block.numbers[local], block.codes[local], block.labels[local], weights))
    weights = [piece.weights for piece in pieces if piece.weights is not None]
    return Block(
        torch.cat([piece.numbers for piece in pieces]),
        torch.cat([piece.codes for piece in pieces]),
        torch.cat([piece.labels for piece in pieces]),
        torch.cat(weights) if weights else None,
    )
