"""A model and what `decide` left beside it, applied to rows: everything that predictions.csv says of a row.

n is the number of rows, k the number of classes. Every row is computed by itself, so how rows are cut into pieces moves
no bit of an answer.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline import model as models
from pipeline.dataset.columns import Chunk, Class
from pipeline.scoring import decision as decisions
from pipeline.scoring import predictions, probabilities
from pipeline.scoring.decision import NO_CHANGE, Decision
from pipeline.scoring.intervals import Fit, Intervals
from pipeline.scoring.logits import compute_logits


@dataclass(frozen=True)
class ScoredRows:
    """Predictions of the model for consecutive rows.

    Shapes: rows (n,) 1-based data rows of the source; logits, probabilities and ranks (n, k), rank 1 the most probable;
    predicted (n,) class indices. Probabilities, ranks and predicted are scaled if `decide` scales; logits are the
    model's. ``decided`` (n,) and ``contained`` (n, k), the prediction sets, are None where `decide` has none;
    ``intervals`` are those of the inference fit, if asked for.
    """

    rows: NDArray[np.int64]
    logits: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    ranks: NDArray[np.int64]
    predicted: NDArray[np.int64]
    decided: NDArray[np.int64] | None = None
    contained: NDArray[np.bool_] | None = None
    intervals: Intervals | None = None

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

    def columns(self, classes: list[Class]) -> predictions.Block:
        """The columns that `predict` writes, in their order."""
        return {
            "row": self.rows,
            "predicted": predictions.class_names(classes, self.predicted),
            **predictions.class_columns("probability", classes, self.probabilities),
            **predictions.class_columns("logit", classes, self.logits),
            **predictions.class_columns("rank", classes, self.ranks),
            **{
                name: column
                for bound, values in self.bounds.items()
                for name, column in predictions.class_columns(bound, classes, values).items()
            },
            **predictions.decision_columns(classes, self.decided, self.contained),
        }


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
        scaled = self.decision.scaled_logits(logits)
        probability = probabilities.softmax(scaled)
        predictions.check_sums(probability)
        return ScoredRows(
            rows=np.arange(chunk.first_row, chunk.first_row + chunk.rows),
            logits=logits,
            probabilities=probability,
            ranks=probabilities.ranks(scaled),
            predicted=scaled.argmax(axis=1),
            decided=self.decision.decide(probability),
            contained=self.decision.contain(logits),
            intervals=None if self.fit is None else self.fit.intervals(chunk, encoded),
        )


def load(folder: Path) -> Scorer:
    """The scorer of a folder that `train` and `decide` wrote.

    Raises: UserError if a file is missing, damaged, forged, or of another model.
    """
    model = models.load(folder)
    return Scorer(model, decisions.load(folder, model))
