"""Training rows, reduced and packed once for the solvers that pass over them many times."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline import screen
from pipeline.numerics.data import reduction
from pipeline.numerics.data.layout import Rows
from pipeline.parallel.threads import thread_count
from pipeline.train.params import TrainParams
from pipeline.training_rows import diagnostics
from pipeline.training_rows.rows import TrainingRows


@dataclass(frozen=True)
class Packed:
    """Rows as newton and lbfgs want them: reduced and packed once, for any l2 above 0, with what is odd about them."""

    findings: diagnostics.Diagnostics
    reduction: reduction.Reduction
    rows: Rows

    def part(self, params: TrainParams, chosen: Sequence[int]) -> "Packed":
        """The blocks at these positions, as a problem in the unknowns of ``rows``.

        They are not packed again, unless there is something more to leave out: a class has no row in them.
        """
        blocks = [self.rows.blocks[position] for position in chosen]
        reduced = reduction.reduce(blocks, self.rows.levels, self.rows.classes, params.l2_value, params.intercept)
        shared = len(blocks) == len(reduced.blocks) and all(map(operator.is_, blocks, reduced.blocks))
        part_of = (self.rows, chosen) if shared else None
        classes = len(reduced.present)
        rows = Rows(reduced.blocks, reduced.levels, classes, thread_count(), params.intercept, part_of)
        return Packed(diagnostics.Diagnostics((), False), reduced, rows)


def pack(params: TrainParams, data: TrainingRows) -> Packed:
    """Look at the rows, leave out what changes nothing, and pack the rest."""
    findings = diagnostics.find(data, params.l1 + params.l2_value, params.intercept, thread_count())
    with screen.bar("packing rows"):
        reduced = reduction.reduce(data.blocks, data.levels, data.classes, params.l2_value, params.intercept)
        classes, threads = len(reduced.present), thread_count()
        rows = Rows(reduced.blocks, reduced.levels, classes, threads, params.intercept, accelerator=data.accelerator)
    return Packed(findings, reduced, rows)
