"""Sums whose bits do not depend on who adds, or in which order.

Floating-point addition is not associative, so a sum over rows changes with the number of threads. Here a partial sum
(one block of rows, computed by one thread) is rounded once to a fixed-point grid and held as an int64, and integers
are associative: any number of threads or processes, in any order, reach the same total.

The grid of a quantity is a power of two chosen from a bound on its total, known before the pass. With ``bound`` at
least the sum of the partials' magnitudes, one step of the grid is at most ``bound * 2**-61``; each partial is rounded
once, so a total of m partials is off by at most ``m * bound * 2**-62``, and no int64 can overflow.

Source: the idea is the fixed-point superaccumulator of Kulisch, reduced to one 64-bit word because the bound is known;
Demmel and Nguyen, "Parallel Reproducible Summation", IEEE Trans. Computers 64 (2015), treat the general case.
"""

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from pipeline.parallel import workers

_TOTAL_BITS = 62  # one bit for the sign, one spare for the rounding of the partials
_LANES, _NUMBERS_IN_LANES = 64, 1 << 22  # totals that an accelerator adds to side by side, and numbers in all of them
_SMALLEST_EXPONENT, _LARGEST_EXPONENT = -900, 900  # keeps every scale and its inverse a normal float64
_LARGEST = 2.0**_LARGEST_EXPONENT

Item = TypeVar("Item")
Result = TypeVar("Result")


class Grid:
    """A fixed-point grid for sums whose partials' magnitudes add up to at most ``bound`` (a float64 tensor).

    A bound is broadcast against the partials: shape (d, 1) gives one grid to each row of a (d, k) sum.
    """

    def __init__(self, bound: Tensor) -> None:
        """Choose the power of two, element by element.

        Raises: OverflowError if a bound is not finite or past 2**900, so that no grid can hold the sum.
        """
        _, exponent = torch.frexp(bound.to(torch.float64))
        if not bool(torch.isfinite(bound).all()) or bool((exponent > _LARGEST_EXPONENT).any()):
            raise OverflowError("a sum has no finite bound: the numbers that go into it are infinite, NaN or too large")
        steps = _TOTAL_BITS - exponent.to(torch.int64).clamp(min=_SMALLEST_EXPONENT)
        self._scale = _power_of_two(steps)
        self._unit = _power_of_two(-steps)

    def quantise(self, partial: Tensor) -> Tensor:
        """Round a partial sum (float64) to the grid, as int64.

        Raises: OverflowError if the partial is NaN or past the bound: it is detected, never wrapped.
        """
        if not partial.numel():
            return partial.to(torch.int64)
        scaled = (partial * self._scale.to(partial.device)).round_()
        lowest, highest = torch.aminmax(scaled)  # of a NaN both are NaN, which no comparison lets through
        if not -(2.0**_TOTAL_BITS) <= lowest.item() <= highest.item() <= 2.0**_TOTAL_BITS:
            raise OverflowError("a partial sum is NaN or larger than its bound")
        return scaled.to(torch.int64)

    def value(self, total: Tensor) -> Tensor:
        """The total as float64, rounded to nearest once."""
        return total.to(torch.float64) * self._unit.to(total.device)


def _power_of_two(exponent: Tensor) -> Tensor:
    """2**exponent, exactly, from the bits of float64; pow and exp2 do not promise the last bit."""
    return ((exponent + 1023) << 52).view(torch.float64)


def exact_sums(
    partials: Callable[[Item], Sequence[Tensor]],
    items: Sequence[Item],
    grids: Callable[[], Sequence[Grid]],
    threads: int,
) -> list[Tensor]:
    """Add ``partials(item)`` over all items: one float64 tensor a grid, the same bits at any number of threads.

    An item alone is its own sum, and needs no grid: ``grids`` is not asked for them.

    ``partials`` returns one new float64 tensor a grid and runs on one thread; items are handed out in turn, first to
    the workers (parallel/workers.py: all call this with as many items), then to the threads of each.
    Raises: OverflowError if a sum is NaN or past 2**900, or as ``Grid.quantise``; ValueError without items.
    """
    if not items:
        raise ValueError("a sum over no blocks has no shape")

    if len(items) == 1:  # every worker computes it, and none needs to tell
        alone = on_one_thread(lambda: [total.cpu() for total in partials(items[0])])
        if not all(bool((total.abs() <= _LARGEST).all()) for total in alone):
            raise OverflowError("a sum over the rows is NaN, infinite or too large")
        return alone
    chosen = grids()

    def integers(item: Item) -> list[Tensor]:
        return [grid.quantise(partial) for grid, partial in zip(chosen, partials(item), strict=True)]

    def share(mine: range) -> list[Tensor]:
        totals = integers(items[mine[0]])
        for position in mine[1:]:
            for total, addend in zip(totals, integers(items[position]), strict=True):
                total.add_(addend)
        return [total.cpu() for total in totals]

    mine = workers.local_range(len(items))
    shares = _by_threads(share, mine or range(1), threads)
    totals = [torch.stack(parts).sum(0) for parts in zip(*shares, strict=True)]
    if not mine:  # more workers than items: the first item tells the shapes, another worker adds it
        totals = [torch.zeros_like(total) for total in totals]
    return [grid.value(total) for grid, total in zip(chosen, workers.all_reduce(totals), strict=True)]


def sums_by_code(codes: Tensor, values: Tensor, count: int) -> Tensor:
    """Rows of ``values`` (n, k) added up by each column of ``codes`` (n, c), (count, k) float64.

    For accelerators, whose atomic additions come in any order: they add integers. Additions to one place wait for each
    other, so that neighbouring rows add to totals of their own, which are added up at the end.
    """
    values = values.to(torch.float64)
    grid = Grid(values.abs().max().cpu() * len(values) + 1e-300)
    lanes = max(1, min(_LANES, _NUMBERS_IN_LANES // max(1, count * values.shape[1])))
    offsets = torch.arange(len(values), device=values.device) % lanes * count
    totals = torch.zeros(lanes * count, values.shape[1], dtype=torch.int64, device=values.device)
    fixed = grid.quantise(values)
    for column in codes.unbind(1):
        totals.index_add_(0, column + offsets, fixed)
    return grid.value(totals.view(lanes, count, values.shape[1]).sum(0))


def scattered_sums(
    scatter: Callable[[Item, Sequence[Tensor]], None],
    items: Sequence[Item],
    shapes: Sequence[Sequence[int]],
    grids: Sequence[Grid],
    threads: int,
) -> list[Tensor]:
    """Sums of which an item touches only a part: one float64 tensor a shape, the same bits at any number of threads.

    ``scatter(item, totals)`` adds what its grids quantised to the int64 ``totals`` that it is given. Memory: one int64
    total of every shape a thread.
    """

    def share(mine: range) -> list[Tensor]:
        totals = [torch.zeros(*shape, dtype=torch.int64) for shape in shapes]
        for position in mine:
            scatter(items[position], totals)
        return totals

    totals, *others = _by_threads(share, workers.local_range(len(items)), threads)
    for other in others:
        with torch.inference_mode():
            for total, addend in zip(totals, other, strict=True):
                total.add_(addend)
    return [grid.value(total) for grid, total in zip(grids, workers.all_reduce(totals), strict=True)]


def collected(work: Callable[[Item], Sequence[Tensor]], items: Sequence[Item], threads: int) -> list[list[Tensor]]:
    """``work`` of every item, in the order of the items: each on one thread of its worker, known to all workers."""
    return workers.all_gather_lists(
        in_order(lambda place: work(items[place]), workers.local_range(len(items)), threads)
    )


def in_order(work: Callable[[Item], Result], items: Sequence[Item], threads: int) -> list[Result]:
    """``work`` of every item, each on one thread, in the order of the items."""

    def share(mine: range) -> list[Result]:
        return [work(items[position]) for position in mine]

    shares = _by_threads(share, range(len(items)), threads)
    return [shares[position % len(shares)][position // len(shares)] for position in range(len(items))]


def _by_threads(share: Callable[[range], Result], positions: range, threads: int) -> list[Result]:
    """Hand positions out in turn: thread t of m gets t, t + m, ..., so that items made when asked for are made once.

    This thread takes the first share. If it only waited, the scheduler would often wake two others on its processor,
    one of which would wait for the other for milliseconds.
    """
    threads = max(1, min(threads, len(positions)))

    def work(mine: range) -> Result:
        with torch.inference_mode():  # without autograd's books a small kernel takes half the time
            return share(mine)

    others = [_pool(threads - 1).submit(work, positions[first::threads]) for first in range(1, threads)]
    return [on_one_thread(lambda: share(positions[::threads])), *(other.result() for other in others)]


def on_one_thread(work: Callable[[], Result]) -> Result:
    """``work`` on this thread; a kernel split over threads would add in another order."""
    torch.set_num_threads(1)
    with torch.inference_mode():
        return work()


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Kept between passes: starting threads costs as much as a small pass, and each keeps its buffers."""
    return ThreadPoolExecutor(threads, initializer=lambda: torch.set_num_threads(1))
