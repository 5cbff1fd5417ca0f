"""Cheap diagnostics of categories: numbers and categories that follow from one, and levels that are the same rows.

All rows count alike: those of weight 0 are to be left out before (data/reduction.py).
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.numerics.data.block import Block, local_blocks
from pipeline.parallel import workers

_MOST_CELLS = 1_000_000  # pairs of levels of two categories
_MOST_LEVELS = 2**62  # more than any column of W
_FIRST_ROWS = 512  # of those that may say no
_MOST_CATEGORIES = 1000  # every pair of them is looked at up to so many
_ROWS_TO_REFUTE = 256  # that a category gives another


@dataclass(frozen=True)
class CollinearCategories:
    """Dependences between categories; a category is named by the first column of W that any of its rows has.

    ``numbers``: (number column, category within whose levels it is constant). ``categories``: (one, other, both): the
    levels of ``other`` say the level of ``one``, and the other way round where ``both``. ``levels``: two columns of W
    that are 1 in the same rows, of categories that are not among ``categories``.
    """

    numbers: tuple[tuple[int, int], ...]
    categories: tuple[tuple[int, int, bool], ...]
    levels: tuple[tuple[int, int], ...]


def find(blocks: Sequence[Block]) -> CollinearCategories:
    """Numbers that a category gives, categories that another gives, and levels that are levels of another.

    The last two are looked for among at most _MOST_CATEGORIES categories.
    """
    mine = list(local_blocks(blocks))
    spans = _spans(mine, blocks[0].codes.shape[1])
    varied = [category for category, (first, last) in enumerate(spans) if first < last]
    p = blocks[0].numbers.shape[1]
    numbers = [(number, spans[c][0]) for c in varied if p for number in _constant_within(mine, p, c, spans[c])]
    if not 1 < len(varied) <= _MOST_CATEGORIES:
        return CollinearCategories(tuple(numbers), (), ())
    dependent = _dependent_pairs(blocks, mine, spans, varied)
    categories = [
        (*(pair if gives_one else pair[::-1]), gives_one and gives_other)
        for (one, other), (gives_other, gives_one) in dependent.items()
        for pair in [(spans[one][0], spans[other][0])]
    ]
    levels = _levels_alike(blocks, spans, varied, dependent)
    return CollinearCategories(tuple(numbers), tuple(categories), tuple(levels))


def _dependent_pairs(
    blocks: Sequence[Block], mine: Sequence[Block], spans: Sequence[tuple[int, int]], varied: Sequence[int]
) -> dict[tuple[int, int], tuple[bool, bool]]:
    """Pairs of categories, ascending: whether the first gives the second, and the second the first; one at least.

    Some hundred rows refute nearly all pairs, so that the tables of all rows are few.
    """
    chosen = [blocks[place] for place in sorted({0, len(blocks) // 2, len(blocks) - 1})]
    steps = [max(1, len(chosen) * len(block.labels) // _ROWS_TO_REFUTE) for block in chosen]
    codes = torch.cat([block.codes[::step] for block, step in zip(chosen, steps, strict=True)])[:, varied]
    gives = _gives(codes.numpy())
    seen_all = len(chosen) == len(blocks) and max(steps) == 1
    result = {}
    for row, column in np.argwhere(np.triu(gives | gives.T, k=1)).tolist():
        pair = (varied[row], varied[column])
        if seen_all:
            result[pair] = (bool(gives[row, column]), bool(gives[column, row]))
        elif math.prod(spans[category][1] - spans[category][0] + 1 for category in pair) <= _MOST_CELLS:
            has_rows = _contingency(mine, *pair, spans) > 0
            result[pair] = (bool((has_rows.sum(1) <= 1).all()), bool((has_rows.sum(0) <= 1).all()))
    return {pair: either for pair, either in result.items() if any(either)}


def _gives(codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each column of the codes (n, c) gives each other one, (c, c): rows of one code have one code there.

    In numpy, which takes a tenth of torch's time for small arrays.
    """
    gives = np.empty((codes.shape[1], codes.shape[1]), dtype=np.bool_)
    for column in range(codes.shape[1]):
        ordered = codes[np.argsort(codes[:, column])]
        equal = ordered[1:] == ordered[:-1]
        gives[column] = equal[equal[:, column]].all(0)
    return gives


def _levels_alike(
    blocks: Sequence[Block],
    spans: Sequence[tuple[int, int]],
    varied: Sequence[int],
    dependent: Collection[tuple[int, int]],
) -> list[tuple[int, int]]:
    """Each level that is the same rows as an earlier one, and the first such one, if their categories are independent.

    Equal sets of rows have equal sums of random bits a row; two other sets do not, but for one case in 2^63.
    """
    width = max(last for _, last in spans) + 1
    sums = torch.zeros(width, dtype=torch.int64)
    for place in workers.local_range(len(blocks)):
        codes = blocks[place].codes
        bits = torch.randint(-(2**62), 2**62, (len(codes),), generator=torch.Generator().manual_seed(place))
        for column in codes.unbind(1):
            sums.index_add_(0, column, bits)
    (sums,) = workers.all_reduce([sums])
    category_of = {level: c for c in varied for level in range(spans[c][0], spans[c][1] + 1)}
    _, groups, sizes = torch.unique(sums, return_inverse=True, return_counts=True)
    earlier: dict[int, list[int]] = {}
    pairs = []
    for level in torch.nonzero((sizes[groups] > 1) & (sums != 0)).flatten().tolist():
        if level not in category_of:  # of a category with one level
            continue
        alike = earlier.setdefault(int(groups[level]), [])
        twin = next((one for one in alike if (category_of[one], category_of[level]) not in dependent), None)
        if twin is not None:
            pairs.append((twin, level))
        alike.append(level)
    return sorted(pairs, key=lambda pair: (category_of[pair[0]], category_of[pair[1]], pair))


def _spans(mine: Sequence[Block], categories: int) -> list[tuple[int, int]]:
    """The first and the last column of W that rows have of each category."""
    result = torch.tensor([[_MOST_LEVELS, -1]] * categories).view(categories, 2)
    for block in mine:
        lowest, highest = block.codes.amin(0), block.codes.amax(0)
        result = torch.stack([torch.minimum(result[:, 0], lowest), torch.maximum(result[:, 1], highest)], 1)
    by_worker = workers.all_gather(result)
    return [
        (int(first), int(last))
        for first, last in zip(by_worker[..., 0].amin(0), by_worker[..., 1].amax(0), strict=True)
    ]


def _contingency(mine: Sequence[Block], one: int, other: int, spans: Sequence[tuple[int, int]]) -> Tensor:
    """Rows of every pair of levels of two categories, int64."""
    (first, last), (second, end) = spans[one], spans[other]
    rows, columns = last - first + 1, end - second + 1
    counts = torch.zeros(rows * columns, dtype=torch.int64)
    for block in mine:
        cells = (block.codes[:, one] - first) * columns + block.codes[:, other] - second
        counts += torch.bincount(cells, minlength=rows * columns)
    return workers.all_gather(counts).sum(0).view(rows, columns)


def _constant_within(mine: Sequence[Block], numbers: int, category: int, span: tuple[int, int]) -> list[int]:
    """Number columns that vary, with one value in each level; rows that say no spare the others the work."""
    left = torch.arange(numbers)
    low = torch.full((span[1] - span[0] + 1, numbers), torch.inf, dtype=torch.float64)
    high = -low
    for block in _first_rows_first(mine):
        if not len(left):
            break
        codes = (block.codes[:, category] - span[0])[:, None].expand(-1, len(left))
        values = block.numbers[:, left].double()
        low[:, left] = low[:, left].scatter_reduce(0, codes, values, "amin")
        high[:, left] = high[:, left].scatter_reduce(0, codes, values, "amax")
        left = left[(low[:, left] >= high[:, left]).all(0)]
    # A column that one worker has left out has two values in a level of its own rows, so it is left out here too.
    low, high = workers.all_gather(low).amin(0), workers.all_gather(high).amax(0)
    left = torch.nonzero((low >= high).all(0)).flatten()
    return left[low[:, left].amin(0) < high[:, left].amax(0)].tolist()


def _first_rows_first(mine: Sequence[Block]) -> Iterator[Block]:
    """The blocks, the first one in two parts: a few rows say no to most columns."""
    if mine:
        yield mine[0].part(slice(0, _FIRST_ROWS))
        yield mine[0].part(slice(_FIRST_ROWS, None))
        yield from mine[1:]
