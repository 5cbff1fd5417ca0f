"""Cheap diagnostics: constant columns, collinear columns, separable classes.

n rows, p number columns, d columns of W, k classes. All rows count alike: those of weight 0, which count nowhere, are
to be left out before (data/reduction.py).
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.numerics.data.block import Block, row_counts
from pipeline.numerics.data.extremes import largest_magnitudes, ranges
from pipeline.numerics.diagnostics.separation import Labels, Matrix
from pipeline.numerics.exact.roots import square_root
from pipeline.numerics.exact.sums import Grid, exact_sums
from pipeline.parallel import workers

_MOST_COLUMNS = 128  # n * p^2 products are looked at below this many number columns
_MOST_CLASSES = 100
_MOST_CELLS = 1_000_000  # pairs of levels of two categories
_MOST_LEVELS = 2**62  # more than any column of W
_LOOKED_AT_FIRST = 4096  # rows
_FIRST_ROWS = 512  # of those that may say no
_MOST_CATEGORIES = 1000  # every pair of them is looked at up to so many
_ROWS_TO_REFUTE = 256  # that a category gives another
_UNEXPLAINED = 1e-9  # share of a column's variance that float32's rounding of the others can leave
_TAKES_PART = 1e-4  # standardised coefficient from which a column is named


@dataclass(frozen=True)
class Collinear:
    """Number column ``column`` is a linear combination of the columns ``of`` and a constant."""

    column: int
    of: tuple[int, ...]


@dataclass(frozen=True)
class CollinearCategories:
    """What categories have in common; a category is named by the first column of W that any of its rows has.

    ``numbers``: (number column, category within whose levels it is constant). ``categories``: (one, other, both): the
    levels of ``other`` say the level of ``one``, and the other way round where ``both``. ``levels``: two columns of W
    that are 1 in the same rows, of categories that are not among ``categories``.
    """

    numbers: tuple[tuple[int, int], ...]
    categories: tuple[tuple[int, int, bool], ...]
    levels: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Separable:
    """Class ``label`` can be told from all others by ``column`` of W, in some rows without ever being wrong.

    Then, without a penalty, W grows for ever: a level that the class never has (its weight falls without end), or a
    number that is never lower (or never higher) in the class than in any other. Without an intercept only 0 can part
    the numbers: never below 0 in the class and never above 0 in any other, or the other way round.
    """

    label: int
    column: int


def rows_of_classes(blocks: Sequence[Block], classes: int) -> Tensor:
    """(k,) int64."""
    counts = torch.zeros(classes, dtype=torch.int64)
    for block in _own(blocks):
        counts += torch.bincount(block.labels, minlength=classes)
    return workers.all_gather(counts).sum(0)


def _own(blocks: Sequence[Block]) -> Iterator[Block]:
    """Those of this worker that have rows."""
    mine = (blocks[place] for place in workers.local_range(len(blocks)))
    return (block for block in mine if len(block.labels))


def constant_columns(blocks: Sequence[Block]) -> list[int]:
    """Number columns with one value in all rows; most show in a few rows that they have more."""
    lowest, highest = ranges(_first_rows(blocks))
    same = torch.nonzero(lowest == highest).flatten()
    if not len(same):
        return []
    lowest, highest = _ranges([block.numbers[:, same] for block in _own(blocks)], len(same))
    return same[lowest == highest].tolist()


def collinear_columns(blocks: Sequence[Block], threads: int) -> list[Collinear]:
    """Number columns that the ones before them give exactly, by a Cholesky of the correlations, column by column."""
    p = blocks[0].numbers.shape[1]
    if not 1 < p <= _MOST_COLUMNS or _proven_independent(
        blocks, set(range(p)) - set(constant_columns(blocks)), threads
    ):
        return []
    correlations = _correlations(blocks, threads)
    independent: list[int] = []
    result = []
    for column in range(p):
        if correlations[column, column] == 0:
            continue  # constant
        among = torch.tensor(independent, dtype=torch.int64)
        right = correlations[among, column]
        shares = torch.linalg.solve(correlations[among][:, among], right) if independent else right
        if 1 - float(shares @ right) > _UNEXPLAINED:
            independent.append(column)
        else:
            result.append(Collinear(column, tuple(among[shares.abs() > _TAKES_PART].tolist())))
    return result


def collinear_categories(blocks: Sequence[Block]) -> CollinearCategories:
    """Numbers that a category gives, categories that another gives, and levels that are levels of another.

    The last two are looked for among at most _MOST_CATEGORIES categories.
    """
    mine = list(_own(blocks))
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
    everyones = workers.all_gather(result)
    return [
        (int(first), int(last))
        for first, last in zip(everyones[..., 0].amin(0), everyones[..., 1].amax(0), strict=True)
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
    low = torch.full((span[1] - span[0] + 1, numbers), torch.inf)
    high = -low
    for block in _first_rows_first(mine):
        if not len(left):
            break
        codes = (block.codes[:, category] - span[0])[:, None].expand(-1, len(left))
        values = block.numbers[:, left]
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


def table(blocks: Sequence[Block], columns: int) -> tuple[Matrix, Labels]:
    """Numbers and one-hot levels (n, d), labels (n,)."""
    parts, labels = [], []
    for block in blocks:
        part = torch.zeros(len(block.labels), columns, dtype=torch.float64)
        part[:, : block.numbers.shape[1]] = block.numbers.to(torch.float64)
        parts.append(part.scatter_(1, block.codes, 1.0).numpy())
        labels.append(block.labels.numpy())
    return np.vstack(parts), np.concatenate(labels)


def _proven_independent(blocks: Sequence[Block], columns: Collection[int], threads: int) -> bool:
    """Whether a few rows prove that none of these columns follows from the ones before it in all rows.

    What a regression leaves of a column's squares can only grow with more rows, and the column's own squares are at
    most n times its largest magnitude squared, so their quotient in the few rows is a lower bound for all rows.
    """
    chosen = torch.tensor(sorted(columns), dtype=torch.int64)
    rows = _first_rows(blocks)[:, chosen].double()
    n = sum(row_counts(blocks))
    largest = largest_magnitudes(blocks, threads)[chosen].double()
    centred = rows - rows.mean(0)
    factor, failed = torch.linalg.cholesky_ex(centred.T @ centred)
    return not int(failed) and bool((factor.diagonal().square() > _UNEXPLAINED * n * largest.square()).all())


def _first_rows(blocks: Sequence[Block]) -> Tensor:
    """Some numbers of rows from all over the first, the middle and the last block, (m, p)."""
    chosen = [blocks[0], blocks[len(blocks) // 2], blocks[-1]] if len(blocks) > 1 else [blocks[0]]
    steps = [max(1, len(chosen) * len(block.labels) // _LOOKED_AT_FIRST) for block in chosen]
    return torch.cat([block.numbers[::step] for block, step in zip(chosen, steps, strict=True)])


def competing(blocks: Sequence[Block], classes: int, intercept: bool) -> list[int]:
    """The classes that take part in an optimum: with an intercept one without rows is told apart by b alone."""
    rows = rows_of_classes(blocks, classes).tolist()
    return [label for label in range(classes) if rows[label] or not intercept]


def separable_classes(blocks: Sequence[Block], columns: int, classes: int, intercept: bool) -> list[Separable]:
    """Pairs of class and column of W that alone prove that there is no optimum without a penalty."""
    labels = competing(blocks, classes, intercept)
    p = blocks[0].numbers.shape[1]
    counts = torch.zeros(columns, classes, dtype=torch.int64)
    for block in _own(blocks):
        for codes in block.codes.unbind(1):
            counts += torch.bincount(codes * classes + block.labels, minlength=columns * classes).view(columns, classes)
    (counts,) = workers.all_reduce([counts])
    seen = counts.sum(1) > 0
    never = [(column, label) for column, label in torch.nonzero(counts == 0).tolist() if label in labels]
    by_level = [Separable(label, column) for column, label in never if seen[column]]
    return by_level + (
        _separable_by_numbers(blocks, labels, intercept) if p and 1 < len(labels) <= _MOST_CLASSES else []
    )


def _separable_by_numbers(blocks: Sequence[Block], labels: list[int], intercept: bool) -> list[Separable]:
    p = blocks[0].numbers.shape[1]
    reached = [_ranges([block.numbers[block.labels == label] for block in _own(blocks)], p) for label in labels]
    lowest = torch.stack([low for low, _ in reached])
    highest = torch.stack([high for _, high in reached])
    if not intercept:  # 0 is a value of every class: only there can the column part them
        lowest, highest = lowest.clamp(max=0.0), highest.clamp(min=0.0)
    varies = lowest.amin(0) < highest.amax(0)
    result = []
    for position, label in enumerate(labels):
        others = [other for other in range(len(labels)) if other != position]
        below = highest[position] <= lowest[others].amin(0)
        above = lowest[position] >= highest[others].amax(0)
        result += [Separable(label, column) for column in torch.nonzero((below | above) & varies).flatten().tolist()]
    return result


def _ranges(mine: Sequence[Tensor], columns: int) -> tuple[Tensor, Tensor]:
    """The lowest and the highest number of every column, over all workers' parts, which may be empty."""
    result = [ranges(part) for part in mine if len(part)]
    none = torch.full((columns,), torch.inf, dtype=result[0][0].dtype if result else torch.float32)
    lowest = torch.stack([none, *(low for low, _ in result)]).amin(0)
    highest = torch.stack([-none, *(high for _, high in result)]).amax(0)
    return workers.all_gather(lowest).amin(0), workers.all_gather(highest).amax(0)


def _correlations(blocks: Sequence[Block], threads: int) -> Tensor:
    """(p, p) float64; 0 for constant columns."""
    n = sum(row_counts(blocks))
    largest = largest_magnitudes(blocks, threads).double()
    (total,) = exact_sums(lambda b: [b.numbers.double().sum(0)], blocks, [Grid(n * largest + 1e-300)], threads)
    mean = total / n

    def products(block: Block) -> list[Tensor]:
        centred = block.numbers.double() - mean
        return [centred.T @ centred]

    reach = 2 * largest
    (gram,) = exact_sums(products, blocks, [Grid(2 * n * reach[:, None] * reach + 1e-300)], threads)
    deviation = square_root(gram.diagonal())
    deviation = torch.where(deviation > 1e-12 * largest, deviation, torch.inf)
    return gram / deviation[:, None] / deviation
