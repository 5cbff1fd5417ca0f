"""What infer writes of a fit: document, lines of tables, covariance."""

from typing import Any

import torch
from numpy.typing import NDArray

from pipeline import screen
from pipeline.infer import (
    assumptions,
    coefficients,
    contrasts,
    effects_table,
    estimates_plot,
    hypotheses,
    influence_table,
)
from pipeline.infer.document import document
from pipeline.infer.fit import Inference, infer
from pipeline.infer.outputs import Lines, Outputs
from pipeline.infer.specification import Specification


def tables(specification: Specification) -> Outputs:
    """Fit, and make the tables; every worker takes part.

    Raises: UserError for a param that does not fit the data; RefusalError where the data has no such table.
    """
    dataset, params, encoder = specification.dataset, specification.params, specification.encoder
    inference = infer(specification)
    budget = hypotheses.PassBudget(params.passes)
    tested = {
        "whole": hypotheses.whole_model(inference, torch.from_numpy(specification.class_totals)),
        "columns": hypotheses.of_columns(inference, budget),
        "goodness_of_fit": assumptions.goodness_of_fit(inference),
        "independence": assumptions.independence(inference, encoder, budget),
        "passes": params.passes - budget.left,
    }
    of_effects: Lines = ()
    if params.effects:
        with screen.bar("marginal effects"):
            of_effects = list(effects_table.lines(inference, encoder, params.confidence, params.effects_by))
    per_deviation = contrasts.per_deviation(inference)
    return Outputs(
        document=document(inference, encoder, specification.model, params, tested),
        coefficients=list(coefficients.lines(inference, encoder, params.confidence, per_deviation)),
        effects=of_effects,
        influence=list(influence_table.lines(inference, dataset, params.influence)),
        estimates=list(estimates_plot.lines(inference, encoder, params.confidence, per_deviation)),
        covariance=_tensors(inference),
    )


def _tensors(inference: Inference) -> dict[str, NDArray[Any]]:
    """theta (d + 1, k) of the columns as prepared, the covariance (q, q) of its free entries, and which these are.

    ``means`` (d,) are those of the columns of W over the training rows, of levels their shares.
    """
    encoded, rows = contrasts.as_encoded(inference), inference.rows
    means = inference.gram[-1, :-1] / rows.total_weight
    means[: rows.numbers] += rows.means
    return {
        "means": means.numpy(),
        "theta": encoded.theta.contiguous().numpy(),
        "covariance": encoded.covariance.contiguous().numpy(),
        "columns": inference.design.columns.numpy(),
        "labels": inference.design.labels.numpy(),
    }
