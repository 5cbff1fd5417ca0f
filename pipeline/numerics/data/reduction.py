"""The problem in fewer unknowns, where that changes nothing about its optimum. Shapes are those of data/layout.py.

Rows of weight 0 are no part of the objective: a sample of such rows alone would have no mean.

Classes without a row of positive weight: their probability should be 0, which no finite b gives. They are left out, and
come back with W = 0 and a b so low that their probability stays below e^-60 in every row.

Fewer rows than half the columns (l2 > 0): the optimal W lies in the span of the rows, since any part outside changes no
logit and costs penalty. With X = R' V', the n columns of R' replace the d of X, and W = W' V' has the same norm.
Levels of categories are columns of 0 and 1 there, if a row has as many numbers and categories as there are rows: a pass
then costs less than the look-ups. Source: the representer theorem, Schölkopf, Herbrich and Smola 2001.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pipeline.numerics.data import orthonormal
from pipeline.numerics.data.block import Block, Blocks, Parameters, cached, row_counts
from pipeline.numerics.data.extremes import largest_magnitudes
from pipeline.numerics.exact import portable
from pipeline.parallel import workers

_NEGLIGIBLE = 60.0  # nats: e^-60 is 9e-27
_ROTATED_WORK = 2e10  # n^2 d multiplications, which levels as columns may cost: some passes of other tables


@dataclass(frozen=True)
class Rotation:
    """V' (n, d): orthonormal rows that span the rows of the table; a row of 0 where those depend on each other."""

    basis: Tensor

    def into(self, weights: Tensor) -> Tensor:
        """W V, (k, n), of W (k, d)."""
        return portable.matmul(weights, self.basis.T)

    def back(self, weights: Tensor) -> Tensor:
        """W' V', (k, d), of W' (k, n)."""
        return portable.matmul(weights, self.basis)


def _rotated(blocks: Sequence[Block], columns: int) -> tuple[Rotation, Tensor]:
    """V, and X V = R' (n, n), of the rows X (n, d), d ``columns``, with n < d."""
    numbers = blocks[0].numbers.shape[1]
    rows = torch.cat([block.numbers for block in blocks])
    x = torch.zeros(len(rows), columns, dtype=torch.float64)
    x[:, :numbers] = rows
    for codes in torch.cat([block.codes for block in blocks]).unbind(1):
        x[torch.arange(len(codes)), codes] = 1.0
    basis, shares = orthonormal.rows(x)
    return Rotation(basis), shares


def _may_rotate(rows: int, numbers: int, categories: int, columns: int) -> bool:
    if rows >= columns / 2:
        return False
    return not categories or (rows <= numbers + categories and rows * rows * columns <= _ROTATED_WORK)


@dataclass(frozen=True)
class Reduction:
    """The reduced problem, and the way back.

    ``levels`` are those of each category that stays. ``present`` (k',) are the classes that stay, of ``classes``;
    ``rotation`` is V, or None; ``largest`` is the largest |x_ij| of any number, at least 1.
    """

    blocks: Sequence[Block]
    levels: Sequence[int]
    present: Tensor
    classes: int
    rotation: Rotation | None
    largest: float

    def reduce(self, parameters: Parameters) -> Parameters:
        """Project parameters onto the reduced problem."""
        weights, bias = parameters.weights[self.present], parameters.bias[self.present]
        return Parameters(weights if self.rotation is None else self.rotation.into(weights), bias)

    def restore(self, parameters: Parameters) -> Parameters:
        """W (k, d) and b (k,) of the whole problem."""
        reduced = parameters.weights if self.rotation is None else self.rotation.back(parameters.weights)
        if len(self.present) == self.classes:
            return Parameters(reduced, parameters.bias)
        reach = self.largest * float(portable.total(reduced.abs(), 1).max()) + float(parameters.bias.abs().max())
        weights = torch.zeros(self.classes, reduced.shape[1], dtype=torch.float64)
        bias = torch.full((self.classes,), -reach - _NEGLIGIBLE, dtype=torch.float64)
        weights[self.present], bias[self.present] = reduced, parameters.bias
        return Parameters(weights, bias)


def counted(blocks: Sequence[Block]) -> Sequence[Block]:
    """Their rows of positive weight; no block without any, unless none has any."""
    if blocks[0].weights is None:
        return blocks
    counts = [int(count) for (count,) in workers.map_and_gather(_count_positive_weights, blocks)]
    places = [place for place, count in enumerate(counts) if count] or range(len(blocks))
    return Blocks(lambda place: _of_positive_weight(blocks[places[place]]), [counts[place] for place in places])


def _count_positive_weights(block: Block) -> list[Tensor]:
    assert block.weights is not None
    return [(block.weights > 0).sum()]


def _of_positive_weight(block: Block) -> Block:
    assert block.weights is not None
    counts = block.weights > 0
    return block if bool(counts.all()) else block.part(counts)


def reduce(blocks: Sequence[Block], levels: Sequence[int], classes: int, l2: float, intercept: bool) -> Reduction:
    """Leave out what can be left out; without an intercept no class can, as its b could not be low.

    ``levels`` of each category, in the order of the codes' columns.
    """
    blocks = counted(blocks)
    present = torch.nonzero(_class_counts(blocks, classes)).flatten() if intercept else torch.arange(classes)
    position = torch.zeros(classes, dtype=torch.int64)
    position[present] = torch.arange(len(present))
    counts = row_counts(blocks)
    if len(present) < classes:  # no row is left of the classes that are left out
        labelled = blocks

        def relabelled(place: int) -> Block:
            return replace(labelled[place], labels=position[labelled[place].labels])

        blocks = cached(Blocks(relabelled, counts))
    numbers = blocks[0].numbers.shape[1]
    largest = 1.0
    if len(present) < classes and numbers:
        largest = max(largest, float(largest_magnitudes(blocks, threads=1).max()))
    if l2 == 0 or not _may_rotate(sum(counts), numbers, len(levels), numbers + sum(levels)):
        return Reduction(blocks, levels, present, classes, None, largest)
    rotation, rotated = _rotated(blocks, numbers + sum(levels))
    parts = torch.split(rotated, list(counts))
    moved = [Block(part, b.codes[:, :0], b.labels, b.weights) for part, b in zip(parts, blocks, strict=True)]
    return Reduction(moved, (), present, classes, rotation, largest)


def _class_counts(blocks: Sequence[Block], classes: int) -> Tensor:
    """The rows of each class, (k,) int64."""
    by_block = workers.map_and_gather(lambda block: [torch.bincount(block.labels, minlength=classes)], blocks)
    return torch.stack([counts for (counts,) in by_block]).sum(0)
