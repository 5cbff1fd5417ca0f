"""inference.json: what the tables are of, tests of columns and model, and the sentences that go with them."""

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.dataset.columns import class_text
from pipeline.dataset.encoder import Encoder
from pipeline.errors import listed
from pipeline.infer.estimator import l2_of
from pipeline.infer.fit import Inference
from pipeline.infer.params import InferParams
from pipeline.infer.terms import level_of
from pipeline.model import Model

_NAMED = 3


def document(
    inference: Inference,
    encoder: Encoder,
    trained: Model,
    params: InferParams,
    tested: dict[str, Any],
) -> dict[str, Any]:
    """Of a fit; ``tested`` holds the tests of the whole model, its columns and its assumptions, and their passes."""
    reached = inference.maximum
    return {
        "title": title(inference),
        "model_key": trained.key,
        "reference": encoder.classes[inference.reference],
        "base_levels": {
            term.column: level_of(encoder, term, inference.bases[term.category])
            for term in inference.terms
            if term.category is not None and term.category in inference.bases
        },
        "left_out": [encoder.features[row] for row in inference.left_out],
        "rows": inference.rows.count,
        "weight": inference.rows.total_weight,
        "weights": params.weights,
        "coefficients": inference.design.size,
        "confidence": params.confidence,
        "covariance": {
            "kind": inference.kind.name,
            "factor": inference.kind.factor,
            "clusters": inference.kind.clusters,
        },
        "fit": {
            **tested["whole"],
            "passes": reached.passes,
            "decrement": reached.decrement,
            "distance_bound": inference.distance_bound,
            "model_distance": inference.model_distance,
        },
        "columns": tested["columns"],
        "goodness_of_fit": tested["goodness_of_fit"],
        "independence": tested["independence"],
        "passes_of_tests": tested["passes"],
        "sentences": list(_sentences(inference, encoder, trained, params, tested["columns"])),
    }


def title(inference: Inference) -> str:
    """What the table is of, in words."""
    if inference.penalised:
        return (
            "Softmax regression with its l2 penalty: spread of shrunk coefficients, whose centre is shrunk; no p-values"
        )
    if inference.estimator == "firth":
        return "Softmax regression, Firth's fit (Jeffreys prior)"
    return "Softmax regression, maximum likelihood: a fit of its own, without penalty and class weights"


def _sentences(
    inference: Inference, encoder: Encoder, trained: Model, params: InferParams, columns: Sequence[dict[str, Any]]
) -> Iterator[str]:
    reference = class_text(encoder.classes[inference.reference])
    yield f"{title(inference)}; {inference.design.size} coefficients against class {reference}"
    yield f"errors: {inference.kind.name}" + (
        f", {inference.kind.clusters} clusters" if inference.kind.clusters else ""
    )
    if inference.distance_bound is not None:
        of_model = "" if inference.kind.is_of_model else ", as the model has them,"
        yield (
            f"numerical error: every coefficient and contrast is within {inference.distance_bound:.1e} standard "
            f"errors{of_model} of the exact maximum's"
        )
    if inference.model_distance is not None:
        yield (
            f"the trained model ({trained.result.get('method')}, l2 {l2_of(trained):g}) is within "
            f"{inference.model_distance:.2g} standard errors of this fit in every contrast"
        )
    if inference.kind.clusters and inference.kind.clusters <= inference.design.size:
        yield (
            f"{inference.kind.clusters} clusters are too few for {inference.design.size} coefficients together: tests "
            "of several at once have no value, and those of one rest on few"
        )
    if inference.left_out:
        names = listed([encoder.features[row] for row in inference.left_out], _NAMED, str)
        yield f"left out, since they follow from other columns: {names}"
    untested = [column["column"] for column in columns if column["degrees_of_freedom"] and _lacks_ratio(column)]
    if untested and inference.estimator == "maximum likelihood" and inference.kind.is_of_model:
        yield f"no likelihood ratio within infer.passes of {params.passes}: {listed(untested, _NAMED, str)}"


def _lacks_ratio(column: dict[str, Any]) -> bool:
    return column["likelihood_ratio"] is None
