"""Work on several threads whose results come in the order of the items, so that no result depends on the threads."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# More would wait for the one thread that reads the file and the one that writes it, and hold more rows in memory.
_MOST = 8


def processor_count() -> int:
    """Processors that this process may run on; all of them on systems that bind no process to some."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_count() -> int:
    """Threads to use: OMP_NUM_THREADS where set, else ``processor_count()``."""
    variable = os.environ.get("OMP_NUM_THREADS", "")
    return int(variable) if variable.isdecimal() and int(variable) > 0 else processor_count()


def reading_thread_count() -> int:
    """Threads to read a table with, at most 8."""
    return min(thread_count(), _MOST)


def in_order(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """``work(item)`` of each item, in order; a few items are worked on ahead of the one that is asked for.

    What ``work`` or the items raise is raised at its place in the order. Leaving early waits for work under way.
    """
    waiting: deque[Future[Result]] = deque()
    failures: list[Exception] = []
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in _until_failure(items, failures):
                waiting.append(pool.submit(work, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
    for failure in failures:
        raise failure


def _until_failure(items: Iterable[Item], failures: list[Exception]) -> Iterator[Item]:
    """The items; what ends them early is put into ``failures``, to be raised after the results before it."""
    try:
        yield from items
    except Exception as failure:
        failures.append(failure)
