"""`predict --interval`, `--at-means`: the fit that infer left in reports, as far as it belongs to the model."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline import model as models
from pipeline.distributions import normal_quantile
from pipeline.documents import json_documents
from pipeline.errors import UserError, listed
from pipeline.output_files import COVARIANCE_FILE, INFERENCE_FILE
from pipeline.results.inference import parse_covariance, parse_inference
from pipeline.scoring import intervals

_MISSING = "run `dvc repro`"
_NAMED = 3


@dataclass(frozen=True)
class InferenceFit:
    """``sentence`` says what the intervals are of, ``warning`` where they hold no more.

    ``means`` (d,) are those of the columns of W over the training rows.
    """

    fit: intervals.Fit
    means: NDArray[np.float64]
    sentence: str
    warning: str | None


def paths(reports: Path) -> list[Path]:
    """The files that are read."""
    return [reports / INFERENCE_FILE, reports / COVARIANCE_FILE]


def load(reports: Path, model: models.Model, folder: Path) -> InferenceFit:
    """Read the fit of ``model``, which lies in ``folder``.

    Raises: UserError if a file is missing or damaged, of another model, or the rows have no covariance.
    """
    path, table = paths(reports)
    document = parse_inference(json_documents.read_bytes(path, _MISSING), path)
    if document["refused"] is not None:
        raise UserError(f"{path}: no covariance, so no intervals: {document['refused']}")
    if document.get("model_key") != model.key:
        raise UserError(f"{path}: expected the inference of the model in {folder}, got another's; {_MISSING}")
    shape = (len(model.features), len(model.classes))
    tensors = parse_covariance(json_documents.read_bytes(table, _MISSING), table, shape)
    not_free = [label for place, label in enumerate(model.classes) if place not in tensors["labels"]]
    if len(tensors["covariance"]) != document["coefficients"] or not_free not in ([], [document["reference"]]):
        raise UserError(f"{table}: expected the coefficients that {path} is of, got others; {_MISSING}")
    confidence, left_out = document["confidence"], document.get("left_out", [])
    coding = intervals.Coding(tensors["columns"], tensors["labels"], document["base_levels"], left_out)
    fit = intervals.Fit(model, tensors["theta"], tensors["covariance"], coding, normal_quantile(confidence))
    sentence = (
        f"probability is the model's; fitted, low and high, at {100 * confidence:g}% confidence, are of the inference "
        f"fit: {document['title']}"
    )
    return InferenceFit(fit, tensors["means"], sentence, _dependence(left_out))


def _dependence(left_out: list[str]) -> str | None:
    """One line on columns whose coefficients the training rows could not tell from others'."""
    if not left_out:
        return None
    return (
        f"warning: {listed(left_out, _NAMED)}: left out of the inference fit, since they follow from other columns in "
        "the training rows; intervals hold for rows in which they do so, too"
    )
