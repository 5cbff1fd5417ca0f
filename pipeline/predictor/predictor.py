"""A trained model that answers for rows of a data frame: what a notebook holds. n rows, k classes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.columns import Class
from pipeline.errors import UserError
from pipeline.model import Model
from pipeline.predictor import frames
from pipeline.predictor.column_parts import column_parts
from pipeline.predictor.scorer import Scorer
from pipeline.scoring import probabilities
from pipeline.scoring.costs import NO_DECISION


@dataclass(frozen=True)
class Explanation:
    """What each column adds to each logit of rows, in nats: parts (n, columns, k), the last column being b.

    Over the columns they sum to the model's logits, within rounding.
    """

    columns: tuple[str, ...]
    classes: tuple[Class, ...]
    parts: NDArray[np.float64]

    def of_row(self, row: int) -> dict[str, dict[Class, float]]:
        """The parts of one row, from 0, by column and class."""
        return {
            column: dict(zip(self.classes, parts, strict=True))
            for column, parts in zip(self.columns, self.parts[row].tolist(), strict=True)
        }


class Predictor:
    """A trained model, and what `decide` left beside it.

    ``rows`` of every method are a data frame of pandas, polars or Arrow with at least the model's columns, in any
    order, or an array (n, columns) in the order of ``feature_names_in_``. Answers have the bits of predictions.csv.
    Raises: UserError for a missing column, or a value that does not fit.
    """

    def __init__(self, scorer: Scorer) -> None:
        """``scorer`` is the model with its decision."""
        self._scorer = scorer

    @property
    def model(self) -> Model:
        """Weights, encoder, params and the result of the training."""
        return self._scorer.model

    @property
    def classes_(self) -> NDArray[Any]:
        """(k,), in the order of the columns of every answer."""
        return np.array(self.model.classes)

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """The columns that rows must have, in the order that arrays have them."""
        return np.array([*self.model.encoder.types], dtype=object)

    def predict(self, rows: Any) -> NDArray[Any]:
        """The most probable class of each row, (n,)."""
        result: NDArray[Any] = self.classes_[self._shown_logits(rows).argmax(axis=1)]
        return result

    def predict_proba(self, rows: Any) -> NDArray[np.float64]:
        """Probabilities (n, k), scaled if `decide` scales them."""
        return probabilities.softmax(self._shown_logits(rows))

    def predict_log_proba(self, rows: Any) -> NDArray[np.float64]:
        """Logarithms of the probabilities (n, k), finite where a probability rounds to 0."""
        return probabilities.log_softmax(self._shown_logits(rows))

    def decision_function(self, rows: Any) -> NDArray[np.float64]:
        """The model's logits (n, k); of two classes the second's less the first's, (n,), as scikit-learn has it."""
        return decision_values(self.logits(rows))

    def predict_set(self, rows: Any) -> NDArray[np.bool_]:
        """The prediction sets (n, k): which classes they hold, at the coverage of decide.sets.

        Raises: UserError also if the model has no sets.
        """
        contained = self._scorer.decision.contain(self.logits(rows))
        if contained is None:
            raise UserError(
                "predict_set: expected a model with prediction sets, got one without; set decide.sets in params.yaml "
                "and run `dvc repro`"
            )
        return contained

    def predict_decision(self, rows: Any) -> NDArray[np.object_]:
        """The class of least expected cost of each row, (n,); None for abstaining.

        Raises: UserError also if the model has no costs.
        """
        decided = self._scorer.decision.decide(self.predict_proba(rows))
        if decided is None:
            raise UserError(
                "predict_decision: expected a model with costs, got one without; set decide.costs or "
                "decide.thresholds in params.yaml and run `dvc repro`"
            )
        classes: list[Class | None] = [*self.model.classes, None]
        assert classes[NO_DECISION] is None
        result: NDArray[np.object_] = np.array(classes, dtype=object)[decided]
        return result

    def explain(self, rows: Any) -> Explanation:
        """What each column of the table adds to each logit of the model."""
        encoded = self.model.encoder.encode(frames.chunk_of(rows, self.model.encoder))
        columns, parts = column_parts(self.model, encoded)
        return Explanation(columns, tuple(self.model.classes), parts)

    def logits(self, rows: Any) -> NDArray[np.float64]:
        """The model's logits (n, k)."""
        return self._scorer.logits(frames.chunk_of(rows, self.model.encoder))

    def _shown_logits(self, rows: Any) -> NDArray[np.float64]:
        return self._scorer.decision.scaled_logits(self.logits(rows))


def decision_values(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logits (n, k) as scikit-learn's decision_function returns them."""
    if logits.shape[1] != 2:
        return logits
    difference: NDArray[np.float64] = logits[:, 1] - logits[:, 0]
    return difference
