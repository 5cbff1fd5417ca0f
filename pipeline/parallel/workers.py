"""The processes that share one computation: which items are whose, and how their results meet.

torchrun starts them; each runs the same program on the same data (SPMD). Items, mostly blocks of rows, are handed out
in stretches, so that a worker reads neighbouring rows, in as few files as can be. What is added up meets in an
all-reduce of integers, so that no bit depends on how many workers there are; what has an order is collected. A process
that torchrun did not start is the only worker: nothing here costs it anything, and neither numpy nor torch is loaded
for it.

``all_reduce``, ``map_and_gather``, ``all_gather_lists``, ``all_gather_arrays``, ``all_gather``, ``broadcast`` and
``barrier`` are collective: all workers call them, in the same order. They raise LostWorkerError at once when another
worker's process has ended.
"""

import io
import itertools
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor
    from torch.distributed.distributed_c10d import Store

Item = TypeVar("Item")

# A worker that ends is known by its closed connection, so that this is no limit on how long one may work while the
# others wait: reading a large table can take hours.
_PATIENCE = timedelta(days=30)

_BETWEEN_LOOKS = 0.02  # seconds


class LostWorkerError(Exception):
    """The process of another worker has ended, so that what was shared with it cannot be finished."""


def count() -> int:
    """The number of workers, as torchrun says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """The number of this one, from 0; worker 0 writes the files."""
    return int(os.environ.get("RANK", "0")) if count() > 1 else 0


@contextmanager
def process_group() -> Iterator[None]:
    """Join the process group for the block; leave it at the end, when worker 0 has written its files."""
    if count() == 1:
        yield
        return
    from torch import distributed

    with _shared():
        distributed.init_process_group("gloo", store=_store(), rank=rank(), world_size=count(), timeout=_PATIENCE)
    yield
    # After an exception neither: the others may wait for a sum, not for this; they hear of it when this process ends.
    barrier()
    distributed.destroy_process_group()


def _store() -> "Store":
    """torchrun's store, below a name that only this attempt has.

    torchrun keeps one store for all attempts, in which the addresses of dead workers remain (its own number of the
    attempt is no name, since each host counts for itself): a worker that reads one of these waits for a process that is
    gone. So worker 0 makes a name up, and gives it to all that ask for it now; of an earlier attempt none still runs.
    """
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    store, _, _ = next(rendezvous("env://"))
    own_name = uuid.uuid4().hex
    if rank() == 0:
        questions = [f"asked by {other}" for other in range(1, count())]
        for question in questions:
            store.delete_key(question)
        while not store.check(questions):
            time.sleep(_BETWEEN_LOOKS)
        for question in questions:
            store.set(f"answer to {store.get(question).decode()}", own_name)
        return PrefixStore(own_name, store)
    answer = f"answer to {own_name}"
    while not store.check([answer]):
        store.set(f"asked by {rank()}", own_name)  # again and again: worker 0 forgets what was asked before it began
        time.sleep(_BETWEEN_LOOKS)
    return PrefixStore(store.get(answer).decode(), store)


@contextmanager
def _shared() -> Iterator[None]:
    """Tell a lost worker, for which gloo has no exception of its own, from other errors."""
    try:
        yield
    except RuntimeError as error:
        raise LostWorkerError(
            "another worker has ended, by an error that it told, by a signal or for want of memory, so this one "
            "ends too"
        ) from error


def barrier() -> None:
    """Wait for all workers."""
    if count() > 1:
        from torch import distributed

        with _shared():
            distributed.barrier()


def local_range(items: int) -> range:
    """The positions of this worker's items among so many, a stretch of them; none where workers outnumber them."""
    edges = [-(-items * place // count()) for place in (rank(), rank() + 1)]
    return range(*edges)


def all_reduce(totals: "Sequence[Tensor]") -> "Sequence[Tensor]":
    """The sums of all workers' int64 ``totals``, which have the same shapes everywhere."""
    if count() == 1:
        return totals
    import torch

    flat = torch.cat([total.reshape(-1) for total in totals])
    with _shared():
        torch.distributed.all_reduce(flat)
    parts = torch.split(flat, [total.numel() for total in totals])
    return [part.view(total.shape) for part, total in zip(parts, totals, strict=True)]


def map_and_gather(work: "Callable[[Item], Sequence[Tensor]]", items: Sequence[Item]) -> "list[list[Tensor]]":
    """``work`` of every item, in the order of the items, each done by its owner."""
    return all_gather_lists([work(items[position]) for position in local_range(len(items))])


def all_gather_lists(mine: "Sequence[Sequence[Tensor]]") -> "list[list[Tensor]]":
    """The results of all items, in the order of the items, from each worker's results of its own ones."""
    if count() == 1:
        return [list(result) for result in mine]
    import torch

    arrays = all_gather_arrays([[tensor.numpy() for tensor in result] for result in mine])
    return [[torch.from_numpy(array) for array in result] for result in arrays]


def all_gather_arrays(mine: "Sequence[Sequence[NDArray[Any]]]") -> "list[list[NDArray[Any]]]":
    """As ``all_gather_lists``, of numpy's arrays: one worker alone needs no torch for it."""
    if count() == 1:
        return [list(result) for result in mine]
    return [result for part in _exchanged(_packed(mine)) for result in _unpacked(part)]


def all_gather(value: "Tensor") -> "Tensor":
    """The workers' values, of one shape, stacked to (workers, ...)."""
    import torch

    return torch.stack([other for (other,) in all_gather_lists([[value]])])


def broadcast(work: "Callable[[], dict[str, Tensor] | None]") -> "dict[str, Tensor] | None":
    """The result of worker 0's ``work``, at every worker."""
    if count() == 1:
        return work()
    import torch

    result = work() if rank() == 0 else None
    names = "\n".join(result or {}).encode()
    mine = [torch.frombuffer(bytearray(names or b"\n"), dtype=torch.uint8), *(result or {}).values()]
    encoded, *tensors = map_and_gather(lambda _: mine, [0])[0]
    return dict(zip(encoded.numpy().tobytes().decode().split("\n"), tensors, strict=True)) if tensors else None


def _packed(results: "Sequence[Sequence[NDArray[Any]]]") -> "Tensor":
    """As bytes in numpy's format: the count of arrays of each result, then the arrays."""
    import numpy as np
    import torch

    content = io.BytesIO()
    np.save(content, np.array([len(result) for result in results], dtype=np.int64), allow_pickle=False)
    for array in itertools.chain.from_iterable(results):
        np.save(content, array, allow_pickle=False)
    return torch.frombuffer(bytearray(content.getbuffer()), dtype=torch.uint8)


def _unpacked(packed: "Tensor") -> "list[list[NDArray[Any]]]":
    import numpy as np

    content = io.BytesIO(packed.numpy().tobytes())
    sizes = np.load(content, allow_pickle=False).tolist()
    return [[np.load(content, allow_pickle=False) for _ in range(size)] for size in sizes]


def _exchanged(content: "Tensor") -> "list[Tensor]":
    """Every worker's bytes, at every worker."""
    import torch
    from torch import distributed

    sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(count())]
    with _shared():
        distributed.all_gather(sizes, torch.tensor([len(content)]))
    longest = max(int(size) for size in sizes)
    padded = torch.zeros(longest, dtype=torch.uint8)
    padded[: len(content)] = content
    parts = [torch.empty(longest, dtype=torch.uint8) for _ in sizes]
    with _shared():
        distributed.all_gather(parts, padded)
    return [part[: int(size)] for part, size in zip(parts, sizes, strict=True)]
