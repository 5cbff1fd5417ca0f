"""The files of a run, each read and checked when a section first asks for it; None where the run has none."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline import model as models
from pipeline.dataset.columns import class_text
from pipeline.dataset.shard import most_held_out
from pipeline.documents import json_documents
from pipeline.errors import UserError
from pipeline.model import Model
from pipeline.output_files import (
    COEFFICIENTS_FILE,
    DECISION_FILE,
    EFFECTS_FILE,
    HISTORY_FILE,
    INFERENCE_FILE,
    METADATA_FILE,
    METRICS_FILE,
    PLOTS_FOLDER,
    PREDICTIONS_FILE,
    PREPARED_FILE,
    SCHEMA_FILE,
    SLICES_FILE,
    SNAPSHOTS_FILE,
    WEIGHTS_FILE,
)
from pipeline.results.checks import REMEDY
from pipeline.results.evaluation import with_lists
from pipeline.results.inference import parse_coefficients, parse_effects, parse_inference
from pipeline.results.outcome import FIRST_ORDER, parse_outcome
from pipeline.results.plots import (
    Confusions,
    parse_calibration,
    parse_confusion_lines,
    parse_confusion_matrix,
    parse_cost_curve,
    parse_predictions,
)
from pipeline.results.prepared import PreparedIndex, parse_prepared, parse_schema
from pipeline.results.reports import parse_metrics
from pipeline.results.slices import parse_slices
from pipeline.results.training import parse_history, parse_snapshots
from pipeline.scoring.decision import DecisionForm, parse_form

CALIBRATION_FILE = f"{PLOTS_FOLDER}/calibration.csv"
COST_CURVE_FILE = f"{PLOTS_FOLDER}/cost_curve.csv"
CONFUSION_MATRIX_FILE = f"{PLOTS_FOLDER}/confusion_matrix.csv"
CONFUSION_FILE = f"{PLOTS_FOLDER}/confusion.csv"

# A table whose rows and weights a person can follow one by one.
FEW_ROWS, FEW_WEIGHTS, FEW_CLASSES = 20, 60, 6


@dataclass(frozen=True)
class Reader:
    """``read`` gives the bytes of a file by its name, None where there is none; ``place`` is how errors call it."""

    read: Callable[[str], bytes | None]
    place: Callable[[str], str]


class Documents:
    """The files of one run, checked. A file that is damaged or forged raises UserError wherever it is asked for."""

    def __init__(self, reader: Reader, params: dict[str, Any]) -> None:
        """``params`` is the whole params document, without secrets; empty where it is not known."""
        self._reader = reader
        self.params = params

    def _parsed(self, name: str, parse: Callable[..., Any], *further: Any) -> Any:
        content = self._reader.read(name)
        return None if content is None else parse(content, self._reader.place(name), *further)

    @cached_property
    def model(self) -> Model | None:
        """The model, of the data that was prepared."""
        metadata, weights = self._reader.read(METADATA_FILE), self._reader.read(WEIGHTS_FILE)
        if metadata is None or weights is None:
            return None
        place = self._reader.place(METADATA_FILE)
        model = models.parse(metadata, weights, Path(place).parent)
        if self.prepared is not None and self.prepared.digest != model.data_digest:
            raise UserError(f"{place}: the model was trained on other data than prepare wrote; run `dvc repro`")
        return model

    @cached_property
    def model_key(self) -> str:
        """The digest in softmax.json, which is the model's key; empty without a model."""
        metadata = self._reader.read(METADATA_FILE)
        if self.model is None or metadata is None:
            return ""
        # Checked with the model.
        return str(json_documents.parse(metadata, self._reader.place(METADATA_FILE), REMEDY)["digest"])

    @cached_property
    def outcome(self) -> dict[str, Any]:
        """How training ended; empty without a model."""
        return parse_outcome(self.model.result, self._reader.place(METADATA_FILE)) if self.model else {}

    @cached_property
    def prepared(self) -> PreparedIndex | None:
        """prepared.json."""
        index: PreparedIndex | None = self._parsed(PREPARED_FILE, parse_prepared)
        return index

    @cached_property
    def schema(self) -> dict[str, Any] | None:
        """schema.json, of the same data as prepared.json."""
        if self.prepared is None:
            return None
        schema: dict[str, Any] | None = self._parsed(SCHEMA_FILE, parse_schema, self.prepared.schema_digest)
        return schema

    @cached_property
    def metrics(self) -> dict[str, Any] | None:
        """metrics.json with all its lists."""
        document = self._parsed(METRICS_FILE, parse_metrics)
        return None if document is None else with_lists(document, self._reader.place(METRICS_FILE))

    @property
    def judged(self) -> str:
        """The split that says most of new rows."""
        return most_held_out(self.metrics or {})

    @cached_property
    def history(self) -> dict[str, list[float]] | None:
        """history.csv."""
        history: dict[str, list[float]] | None = self._parsed(HISTORY_FILE, parse_history)
        return history

    @cached_property
    def snapshots(self) -> dict[str, Any] | None:
        """snapshots.safetensors."""
        if self.model is None:
            return None
        snapshots: dict[str, Any] | None = self._parsed(SNAPSHOTS_FILE, parse_snapshots, self.model.weights.shape)
        return snapshots

    @cached_property
    def confusions(self) -> Confusions | None:
        """The confusion matrix, of earlier runs as lines."""
        counts: Confusions | None = self._parsed(CONFUSION_MATRIX_FILE, parse_confusion_matrix)
        return counts or self._parsed(CONFUSION_FILE, parse_confusion_lines)

    @cached_property
    def calibration(self) -> list[dict[str, Any]] | None:
        """calibration.csv."""
        bins: list[dict[str, Any]] | None = self._parsed(CALIBRATION_FILE, parse_calibration)
        return bins

    @cached_property
    def cost_curves(self) -> dict[str, list[tuple[float, float]]]:
        """cost_curve.csv; empty where there are not two classes."""
        curves: dict[str, list[tuple[float, float]]] | None = self._parsed(COST_CURVE_FILE, parse_cost_curve)
        return curves or {}

    @cached_property
    def inference(self) -> dict[str, Any] | None:
        """inference.json, of this model."""
        document: dict[str, Any] | None = self._parsed(INFERENCE_FILE, parse_inference)
        if document is not None:
            self._require_model(document.get("model_key", ""), INFERENCE_FILE)
        return document

    @cached_property
    def coefficients(self) -> list[dict[str, Any]] | None:
        """coefficients.csv."""
        lines: list[dict[str, Any]] | None = self._parsed(COEFFICIENTS_FILE, parse_coefficients)
        return lines

    @cached_property
    def effects(self) -> list[dict[str, Any]] | None:
        """effects.csv."""
        lines: list[dict[str, Any]] | None = self._parsed(EFFECTS_FILE, parse_effects)
        return lines

    @cached_property
    def decision(self) -> dict[str, Any] | None:
        """decision.json, of this model."""
        form: DecisionForm | None = self._parsed(DECISION_FILE, parse_form)
        if form is None:
            return None
        document = form.model_dump()
        self._require_model(document["model"], DECISION_FILE)
        return document

    @cached_property
    def slices(self) -> dict[str, Any] | None:
        """slices.json."""
        slices: dict[str, Any] | None = self._parsed(SLICES_FILE, parse_slices)
        return slices

    @property
    def is_small(self) -> bool:
        """Whether it is a lesson: few rows, few weights, and steps that a person can follow."""
        if self.model is None or self.prepared is None or self.outcome["method"] not in FIRST_ORDER:
            return False
        few = len(self.model.classes) <= FEW_CLASSES and self.model.weights.size <= FEW_WEIGHTS
        return few and sum(self.prepared.rows.values()) <= FEW_ROWS

    @cached_property
    def predictions(self) -> list[dict[str, Any]] | None:
        """predictions.csv where it is small; never read where it is not."""
        if not self.is_small or self.model is None:
            return None
        classes = [class_text(label) for label in self.model.classes]
        lines: list[dict[str, Any]] | None = self._parsed(PREDICTIONS_FILE, parse_predictions, classes)
        return lines

    def _require_model(self, key: str, name: str) -> None:
        """Check that a document is of this model; an earlier one may not say of which it is."""
        if key and self.model_key and key != self.model_key:
            raise UserError(f"{self._reader.place(name)}: expected what is of this model, got another's: {REMEDY}")
