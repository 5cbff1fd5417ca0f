"""Work on threads: the order of the items, whatever finishes first, and failures in their place."""

import threading
import time
from collections.abc import Iterator

import pytest

from pipeline.parallel import threads


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(count: int) -> None:
    """Later items that are done sooner still come later."""

    def work(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item

    assert list(threads.in_order(work, range(40), count)) == list(range(40))


def test_a_failure_comes_in_its_place() -> None:
    """Results before the failing item are given first, also when the items themselves fail."""

    def items() -> Iterator[int]:
        yield from (1, 1, 0)
        raise KeyError("items")

    tenths = threads.in_order(lambda item: 10 // item, items(), 2)
    assert [next(tenths), next(tenths)] == [10, 10]
    with pytest.raises(ZeroDivisionError):
        next(tenths)
    given = threads.in_order(lambda item: item, items(), 2)
    assert [next(given) for _ in range(3)] == [1, 1, 0]
    with pytest.raises(KeyError, match="items"):
        next(given)


def test_few_items_are_taken_ahead() -> None:
    """A reader that stops early has not read the whole file, and no work goes on behind its back."""
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(1_000):
            taken.append(item)
            yield item

    before = threading.active_count()  # other tests' pools may still be there
    results = threads.in_order(lambda item: item, items(), 2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(taken) < 10
    assert threading.active_count() == before
