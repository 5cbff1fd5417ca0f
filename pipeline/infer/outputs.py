"""The files that infer leaves: document, tables under their headers, covariance; none of it needs torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.numpy
from numpy.typing import NDArray

from pipeline import files
from pipeline.dataset.columns import class_text
from pipeline.dataset.encoder import Encoder
from pipeline.infer.refusal import RefusalError
from pipeline.output_files import (
    COEFFICIENTS_FILE,
    COVARIANCE_FILE,
    EFFECTS_FILE,
    ESTIMATES_FILE,
    INFERENCE_FILE,
    INFLUENCE_FILE,
)

COEFFICIENTS = (
    "class", "reference", "feature", "estimate", "standard_error", "z", "p", "p_holm", "p_benjamini_hochberg", "low",
    "high", "relative_risk_ratio", "ratio_low", "ratio_high", "estimate_per_deviation", "standard_error_per_deviation",
)  # fmt: skip
EFFECTS = ("class", "column", "change", "by", "effect", "standard_error", "z", "p", "low", "high")
_ESTIMATES = ("feature", "class", "reference", "estimate", "low", "high")

# DVC draws nothing of a table without lines, and its page has a script that fails.
_NOTHING_TO_DRAW = (("", "no table of coefficients", "", "", "", ""),)

Lines = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Outputs:
    """inference.json, the lines of each table below its header, and the tensors of the covariance."""

    document: Mapping[str, Any]
    coefficients: Lines = ()
    effects: Lines = ()
    influence: Lines = ()
    estimates: Lines = ()
    covariance: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def of_refusal(refusal: RefusalError) -> Outputs:
    """The reason in the place of tables, which have no line."""
    return Outputs({"refused": str(refusal), "sentences": [str(refusal)]})


def write(out: Path, outputs: Outputs, encoder: Encoder) -> None:
    """Write them into the folder ``out``."""
    # y - p of a class is the score residual of its b, and, times a column's value, of that column.
    residuals = [f"residual {class_text(label)}" for label in encoder.classes]
    moved = ("moves", "of_class", "by_standard_errors")
    influence = ("row", "class", "probability", "leverage", "cooks_distance", *moved, *residuals)
    for name, header, lines in (
        (COEFFICIENTS_FILE, COEFFICIENTS, outputs.coefficients),
        (EFFECTS_FILE, EFFECTS, outputs.effects),
        (INFLUENCE_FILE, influence, outputs.influence),
        (ESTIMATES_FILE, _ESTIMATES, outputs.estimates or _NOTHING_TO_DRAW),
    ):
        files.write_text(out / name, files.csv_text([header, *lines]))
    files.write_bytes(out / COVARIANCE_FILE, safetensors.numpy.save(dict(outputs.covariance)))
    files.write_json(out / INFERENCE_FILE, outputs.document)
