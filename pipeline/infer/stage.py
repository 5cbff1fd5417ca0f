"""Stage 4: standard errors, tests and effects of a softmax regression, each with its own numerical error."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch

from pipeline import data_loader, files, screen
from pipeline import model as models
from pipeline.dataset import reader
from pipeline.dataset.encoder import Encoder
from pipeline.dataset.reader import Dataset
from pipeline.errors import UserError
from pipeline.infer import (
    assumptions,
    coefficients,
    contrasts,
    effects_table,
    estimates_plot,
    hypotheses,
    influence_table,
)
from pipeline.infer.document import document, refused
from pipeline.infer.fit import Inference, infer
from pipeline.infer.params import InferParams
from pipeline.infer.refusal import RefusalError
from pipeline.model import Model
from pipeline.output_files import (
    COEFFICIENTS_FILE,
    COVARIANCE_FILE,
    EFFECTS_FILE,
    ESTIMATES_FILE,
    INFERENCE_FILE,
    INFLUENCE_FILE,
)
from pipeline.parallel import workers

Lines = Sequence[Sequence[Any]]


def main(*, params: InferParams, prepared: Path, model: Path, out: Path) -> None:
    """Read ``prepared`` and ``model``, fit, and write tables and covariance into ``out``.

    Where the data has no such table, the reason stands in its place. Raises: UserError if a file is missing or damaged,
    or a param does not fit the data.
    """
    # Open: the dataset, and the model that was trained on it.
    with screen.bar("reading rows"):
        dataset = reader.open_dataset(prepared)
    trained = models.load(model)
    if trained.data_digest != dataset.digest:
        raise UserError(f"{model}: the model was trained on other data than {prepared} holds; run `dvc repro`")
    # Fit: to the maximum of the likelihood, and its covariance.
    try:
        if not params.enabled:
            raise RefusalError("infer.enabled is false in params.yaml")
        inference = infer(dataset, trained, params)
        tables = _tables(inference, dataset, trained, params)
    except RefusalError as refusal:
        if not workers.rank():
            _write(out, dataset.encoder, (refused(str(refusal)), (), (), (), estimates_plot.NO_TABLE), {})
            screen.say(f"infer: no table of coefficients: {refusal}")
        return
    if workers.rank():
        return
    # Write: tables, document and covariance.
    _write(out, dataset.encoder, tables, _tensors(inference))
    # Print: what the table is of, and how far it is from exact.
    for sentence in tables[0]["sentences"]:
        screen.say(f"infer: {sentence}")
    screen.say("infer: `python -m pipeline summary --inference` prints the table")


def _tables(
    inference: Inference, dataset: Dataset, trained: Model, params: InferParams
) -> tuple[dict[str, Any], Lines, Lines, Lines, Lines]:
    """inference.json, and the lines of coefficients, effects, influence and the plot; every worker takes part."""
    encoder = dataset.encoder
    budget = hypotheses.PassBudget(params.passes)
    whole = hypotheses.whole_model(inference, torch.from_numpy(data_loader.class_totals(dataset)))
    columns = hypotheses.of_columns(inference, budget)
    tested = {
        "whole": whole,
        "columns": columns,
        "goodness_of_fit": assumptions.goodness_of_fit(inference),
        "independence": assumptions.independence(inference, encoder, budget),
        "passes": params.passes - budget.left,
    }
    with screen.bar("marginal effects"):
        averaged = effects_table.lines(inference, encoder, params.confidence, params.effects_by)
        of_effects = list(averaged) if params.effects else []
    of_rows = list(influence_table.lines(inference, dataset, params.influence))
    lines = list(coefficients.lines(inference, encoder, params.confidence))
    described = document(inference, encoder, trained, params, tested)
    drawn = estimates_plot.lines(inference, encoder, params.confidence)
    return described, lines, of_effects, of_rows, drawn


def _write(
    out: Path,
    encoder: Encoder,
    tables: tuple[dict[str, Any], Lines, Lines, Lines, Lines],
    tensors: dict[str, np.ndarray[Any, Any]],
) -> None:
    described, lines, of_effects, of_rows, drawn = tables
    files.write_json(out / INFERENCE_FILE, described)
    files.write_text(out / INFLUENCE_FILE, files.csv_text([influence_table.header(encoder), *of_rows]))
    files.write_text(out / COEFFICIENTS_FILE, files.csv_text([coefficients.HEADER, *lines]))
    files.write_text(out / EFFECTS_FILE, files.csv_text([effects_table.HEADER, *of_effects]))
    files.write_text(out / ESTIMATES_FILE, files.csv_text([estimates_plot.HEADER, *drawn]))
    files.write_bytes(out / COVARIANCE_FILE, safetensors.numpy.save(tensors))


def _tensors(inference: Inference) -> dict[str, np.ndarray[Any, Any]]:
    """theta (d + 1, k) of the columns as prepared, the covariance (q, q) of its free entries, and which these are."""
    encoded = contrasts.as_encoded(inference)
    return {
        "theta": encoded.theta.contiguous().numpy(),
        "covariance": encoded.covariance.contiguous().numpy(),
        "columns": inference.design.columns.numpy(),
        "labels": inference.design.labels.numpy(),
    }
