"""A model and what `decide` left beside it, applied to rows: everything that predictions.csv says of a row.

n is the number of rows, k the number of classes. Every row is computed by itself, so how rows are cut into pieces moves
no bit of an answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline import model as models
from pipeline.dataset.columns import Chunk
from pipeline.errors import UserError
from pipeline.output_files import DECISION_FILE, METADATA_FILE, WEIGHTS_FILE
from pipeline.scoring import decision as decisions
from pipeline.scoring import predictions, probabilities
from pipeline.scoring.decision import NO_CHANGE, Decision
from pipeline.scoring.intervals import Fit, Intervals
from pipeline.scoring.logits import compute_logits


@dataclass(frozen=True)
class ScoredRows:
    """Predictions of the model for consecutive rows, each computed when it is asked for.

    Shapes: rows (n,) 1-based data rows of the source; logits (n, k), the model's; scaled (n, k), what `decide` makes of
    them; ``intervals`` are those of the inference fit, if asked for.
    """

    rows: NDArray[np.int64]
    logits: NDArray[np.float64]
    scaled: NDArray[np.float64]
    decision: Decision = NO_CHANGE
    intervals: Intervals | None = None

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """(n, k), scaled if `decide` scales."""
        result = probabilities.softmax(self.scaled)
        predictions.check_sums(result)
        return result

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """(n, k), 1 is the most probable."""
        return probabilities.ranks(self.scaled)

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """(n,): the index of the most probable class."""
        result: NDArray[np.int64] = self.scaled.argmax(axis=1)
        return result

    @cached_property
    def decided(self) -> NDArray[np.int64] | None:
        """(n,): indices of the classes that are decided for, NO_DECISION for none; None without costs."""
        return None if self.decision.policy is None else self.decision.decide(self.probabilities)

    @cached_property
    def contained(self) -> NDArray[np.bool_] | None:
        """(n, k): the classes within the prediction set; None without sets."""
        return self.decision.contain(self.logits)

    @property
    def without_interval(self) -> NDArray[np.bool_]:
        """(n,): rows that the inference fit knows nothing of."""
        if self.intervals is None:
            return np.zeros(len(self.rows), dtype=bool)
        result: NDArray[np.bool_] = np.isnan(self.intervals.fitted[:, 0])
        return result

    @property
    def bounds(self) -> dict[str, NDArray[np.float64]]:
        """The intervals by the names of their columns, none where nobody asked for them."""
        return {} if self.intervals is None else vars(self.intervals)


@dataclass(frozen=True)
class Scorer:
    """A trained model, what is decided on its probabilities, and the inference fit whose intervals are asked for."""

    model: models.Model
    decision: Decision = NO_CHANGE
    fit: Fit | None = None

    def logits(self, chunk: Chunk) -> NDArray[np.float64]:
        """The model's logits (n, k); the errors are those of ``score``."""
        encoded = self.model.encoder.encode(chunk)
        return compute_logits(self.model, encoded.numbers, encoded.codes)

    def score(self, chunk: Chunk) -> ScoredRows:
        """The predictions for rows that have at least the columns of the encoder's ``types``.

        Raises: UserError for a number so far from the training rows that its standardised value overflows.
        """
        encoded = self.model.encoder.encode(chunk)
        logits = compute_logits(self.model, encoded.numbers, encoded.codes)
        return ScoredRows(
            rows=np.arange(chunk.first_row, chunk.first_row + chunk.rows),
            logits=logits,
            scaled=self.decision.scaled_logits(logits),
            decision=self.decision,
            intervals=None if self.fit is None else self.fit.intervals(chunk, encoded),
        )


def paths(folder: Path) -> list[Path]:
    """The files that ``load`` reads."""
    return [folder / WEIGHTS_FILE, folder / METADATA_FILE, folder / DECISION_FILE]


def parse(contents: Mapping[str, bytes], place: Path) -> Scorer:
    """The scorer that the contents of a model's files are, by their names; that of `decide` may be missing.

    Raises: UserError that names a file of ``place`` that is missing, damaged, forged, or of another model.
    """
    missing = next((name for name in (METADATA_FILE, WEIGHTS_FILE) if name not in contents), None)
    if missing is not None:
        raise UserError(f"{place / missing}: no such file; {_MISSING}")
    model = models.parse(contents[METADATA_FILE], contents[WEIGHTS_FILE], place)
    content = contents.get(DECISION_FILE)
    return Scorer(model, NO_CHANGE if content is None else decisions.parse(content, model, place / DECISION_FILE))


def load(folder: Path) -> Scorer:
    """The scorer of a folder that `train` and `decide` wrote.

    Raises: UserError if a file is missing, damaged, forged, or of another model.
    """
    model = models.load(folder)
    return Scorer(model, decisions.load(folder, model))


_MISSING = "train a model with `dvc repro`, or name its folder"
