"""train.l2 auto: the l2 of the lowest cross-validated log loss, over the training rows alone.

The values tried are those of `sweep`; where the lowest log loss lies at an end and still falls there, more beyond it.
The work is bounded: a large table is judged by a sample of its rows. There a penalty of the sum over n rows must stay
what it is over all of them, so the sample's models take l2 times (rows of all / rows of the sample); what is told is
the l2 of all rows.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import screen
from pipeline.dataset.encoder import Encoder
from pipeline.dataset.reader import Dataset
from pipeline.numerics.data.block import Parameters
from pipeline.train.cross_validation import folds, path, selection
from pipeline.train.cross_validation.path import Line
from pipeline.train.cross_validation.penalties import COUNT, FOLDS, MOST_WORK, STRONGEST, WEAKEST, on_scale, work
from pipeline.train.params import TrainParams
from pipeline.training_rows.rows import TrainingRows

# How far beyond an end at once, with as many values a decade as between the ends, and how often at most.
_BEYOND, _VALUES_BEYOND = 1e-3, (COUNT - 1) // 2
_MOST_EXTENSIONS = 2
_FLAT = 1e-4  # nats; a last step that gains less is no reason to go on: classes that are told apart gain for ever


@dataclass(frozen=True)
class L2Choice:
    """The l2 chosen, why, and the path that led to it: empty where rows are too few to choose by."""

    l2: float
    reason: str
    lines: tuple[Line, ...] = ()
    rows: int = 0
    of_rows: int = 0

    def to_json(self) -> dict[str, Any]:
        """For the model: the choice, its estimate and the path, from strong to weak."""
        chosen = next((line.row for line in self.lines if line.l2 == self.l2), {})
        columns = ("l2", "log_loss", "standard_error", "training_log_loss", "passes", "relative_bound", "status")
        return {
            "rule": "best",
            "folds": FOLDS,
            "rows": self.rows,
            "of_rows": self.of_rows,
            "log_loss": chosen.get("log_loss"),
            "standard_error": chosen.get("standard_error"),
            "reason": self.reason,
            "path": [{name: line.row[name] for name in columns} for line in self.lines],
        }


def choose(
    prepared: Dataset, params: TrainParams, class_weights: NDArray[np.float64] | None, begin: Parameters
) -> L2Choice:
    """Cross-validate, and choose; ``params.l2`` is not read. The first model of each path begins at ``begin``.

    Raises: UserError if a cost is no number.
    """
    encoder, of_rows = prepared.encoder, prepared.splits["train"].rows
    share = _share(encoder, of_rows)
    try:
        cut = folds.cut(prepared, class_weights, FOLDS, 0, share)
        return _Search(prepared, params, begin, cut, share < 1).choose()
    except folds.TooFewRowsError:
        l2 = float(f"{1 / of_rows:.3g}")
        reason = (
            f"{of_rows:,} training rows, or those of a class, are too few to choose l2 by {FOLDS} folds: l2 is 1 / rows"
        )
        return L2Choice(l2, reason, of_rows=of_rows)


class _Search:
    """The rows cut into folds, and the lines of the path so far."""

    def __init__(self, prepared: Dataset, params: TrainParams, begin: Parameters, cut: folds.Folds, is_sample: bool):
        encoder = prepared.encoder
        self._params, self._begin, self._cut, self._is_sample = params, begin, cut, is_sample
        self._data = TrainingRows(cut.blocks, encoder.level_counts, encoder.features, encoder.classes)
        self._rows = sum(len(block.labels) for block in cut.blocks)
        self._of_rows = prepared.splits["train"].rows
        self._lines: list[Line] = []

    def choose(self) -> L2Choice:
        self._announce()
        self._try(on_scale(STRONGEST, WEAKEST, COUNT))
        for _ in range(_MOST_EXTENSIONS):
            beyond = self._values_beyond()
            if not beyond:
                break
            self._try(beyond)
        lowest = self._lowest()
        return L2Choice(lowest.l2, self._reason(lowest), tuple(self._lines), self._rows, self._of_rows)

    def _announce(self) -> None:
        sample = f", a sample by content of the {self._of_rows:,} training rows" if self._is_sample else ""
        models = f"{COUNT * (FOLDS + 1)} models of {self._rows:,} rows{sample}"
        screen.say(f"train: l2 auto: {FOLDS}-fold cross-validation of {COUNT} values: {models}")

    def _try(self, values: list[float]) -> None:
        scale = self._of_rows / self._rows if self._is_sample else 1.0
        lines, _, _ = path.validate(self._params, [l2 * scale for l2 in values], self._data, self._cut, self._begin)
        own = [Line(l2, line.full_fit, line.folds) for l2, line in zip(values, lines, strict=True)]
        self._lines = sorted([*self._lines, *own], key=lambda line: -line.l2)

    def _lowest(self) -> Line:
        place, _ = selection.choose([line.estimate for line in self._lines], "best")
        return self._lines[place]

    def _values_beyond(self) -> list[float]:
        """More values where the lowest log loss lies at an end; none where it does not, or the end is flat."""
        lowest = self._lowest()
        if lowest is self._lines[0]:
            before, step = self._lines[1], 1 / _BEYOND
        elif lowest is self._lines[-1]:
            before, step = self._lines[-2], _BEYOND
        else:
            return []
        if before.estimate.mean - lowest.estimate.mean < _FLAT:
            return []
        return sorted(on_scale(lowest.l2, lowest.l2 * step, _VALUES_BEYOND + 1)[1:], reverse=True)

    def _reason(self, lowest: Line) -> str:
        estimate = lowest.estimate
        is_strongest = lowest is self._lines[0] and len(self._lines) > 1
        nothing = "; no weaker one is better: the columns tell next to nothing of other rows" if is_strongest else ""
        return (
            f"l2 {lowest.l2:g} has the lowest log loss of {len(self._lines)} values in {FOLDS}-fold cross-validation: "
            f"{estimate.mean:.6f} nats, standard error {estimate.standard_error:.6f}{nothing}"
        )


def _share(encoder: Encoder, rows: int) -> float:
    """The share of the rows that the search works on."""
    return min(1.0, MOST_WORK / work(rows, len(encoder.classes), encoder.number_count, len(encoder.categories)))
