"""What infer leaves: document, table of coefficients, covariance."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, NonNegativeInt

from pipeline.dataset.columns import Class
from pipeline.documents import json_documents
from pipeline.results.checks import REMEDY, OpenForm, parse_tensors, refuse, require_tensor
from pipeline.results.tables import parse_table


class _Covariance(OpenForm):
    kind: str
    factor: FiniteFloat
    clusters: NonNegativeInt | None = None


class _WholeFit(OpenForm):
    log_likelihood: FiniteFloat
    null_log_likelihood: FiniteFloat
    degrees_of_freedom: NonNegativeInt
    p: FiniteFloat | None
    mcfadden: FiniteFloat | None
    aic: FiniteFloat
    bic: FiniteFloat
    distance_bound: FiniteFloat | None


class _TestedColumn(OpenForm):
    column: str
    degrees_of_freedom: NonNegativeInt
    wald: FiniteFloat | None
    wald_p: FiniteFloat | None
    likelihood_ratio: FiniteFloat | None
    likelihood_ratio_p: FiniteFloat | None


class _Inference(OpenForm):
    refused: str | None = None
    sentences: list[str]


class _Inferred(_Inference):
    title: str
    model_key: str = ""
    reference: Class
    rows: NonNegativeInt
    weight: FiniteFloat
    coefficients: NonNegativeInt
    base_levels: dict[str, str] = Field(default_factory=dict)
    left_out: list[str] = Field(default_factory=list)
    confidence: Annotated[float, Field(gt=0, lt=1)]
    covariance: _Covariance
    fit: _WholeFit
    columns: list[_TestedColumn]


def parse_inference(content: bytes, place: object) -> dict[str, Any]:
    """inference.json; ``refused`` in it is a sentence where the rows have no table, else ``base_levels`` is a dict.

    Raises: UserError that names ``place``.
    """
    document = json_documents.parse(content, place, REMEDY)
    with json_documents.faults_named(place, REMEDY):
        if _Inference.model_validate(document).refused is None:
            _Inferred.model_validate(document)
    return {"refused": None, "base_levels": {}} | document


INTERCEPT = "(intercept)"  # the feature of b
COEFFICIENT_NAMES = ("class", "reference", "feature")
COEFFICIENT_NUMBERS = ("estimate", "standard_error", "z", "p", "low", "high", "relative_risk_ratio")
COEFFICIENTS_PER_DEVIATION = ("estimate_per_deviation", "standard_error_per_deviation")  # earlier runs have none
EFFECT_NAMES = ("class", "column", "change", "by")
EFFECT_NUMBERS = ("effect", "standard_error", "p", "low", "high")


def parse_coefficients(content: bytes, place: object) -> list[dict[str, Any]]:
    """The lines of coefficients.csv: names as texts, numbers as floats, None where there is none.

    Raises: UserError that names ``place`` and the line.
    """
    return parse_table(
        content,
        place,
        texts=COEFFICIENT_NAMES,
        numbers=COEFFICIENT_NUMBERS,
        optional=COEFFICIENTS_PER_DEVIATION,
        infinite=True,  # a ratio e^x that float64 does not hold
    )


def parse_effects(content: bytes, place: object) -> list[dict[str, Any]]:
    """The lines of effects.csv, read as those of coefficients.csv. Raises: UserError that names the line."""
    return parse_table(content, place, texts=EFFECT_NAMES, numbers=EFFECT_NUMBERS)


# What is made of larger numbers might be infinite: sums of products with float32 numbers, and their squares.
_LARGEST_COEFFICIENT, _LARGEST_COVARIANCE = 1e100, 1e200
# By so much the least eigenvalue of correlations may be below 0: rounding leaves less, a forgery more.
_ROUNDING = 1e-6


def parse_covariance(content: bytes, place: object, shape: tuple[int, int]) -> dict[str, NDArray[Any]]:
    """covariance.safetensors; ``shape`` is (d, k).

    Float64 theta (d + 1, k) and covariance (q, q) of its free entries, class by class; int64 ``columns`` and
    ``labels``, ascending: the free rows, of which row d is b, and classes, k or k - 1. ``means`` (d,) float64.
    Raises: UserError that names ``place``.
    """
    d, k = shape
    tensors = parse_tensors(content, place, ("theta", "covariance", "columns", "labels", "means"))
    require_tensor(tensors, "theta", "float64", (d + 1, k), place)
    require_tensor(tensors, "means", "float64", (d,), place)
    if (np.abs(tensors["means"]) > _LARGEST_COEFFICIENT).any():
        refuse(f"{place}: tensor means", "means of columns", "larger numbers")
    for name, count in (("columns", d + 1), ("labels", k)):
        require_tensor(tensors, name, "int64", (tensors[name].size,), place)
        _require_places(tensors[name], count, f"{place}: tensor {name}")
    columns, labels = tensors["columns"], tensors["labels"]
    if k < 2 or len(labels) < k - 1:
        refuse(f"{place}: tensor labels", "two classes or more, all but one free", f"{len(labels)} of {k} free")
    size = len(columns) * len(labels)
    require_tensor(tensors, "covariance", "float64", (size, size), place)
    is_free = np.zeros((d + 1, k), dtype=bool)
    is_free[columns[:, np.newaxis], labels] = True
    if tensors["theta"][~is_free].any() or np.abs(tensors["theta"]).max() > _LARGEST_COEFFICIENT:
        refuse(f"{place}: tensor theta", "0 where it is not free, and coefficients of a fit elsewhere", "others")
    _require_covariance(tensors["covariance"], f"{place}: tensor covariance")
    return tensors


def _require_places(places: NDArray[np.int64], count: int, place: str) -> None:
    """Numbers from 0 to below ``count`` that rise."""
    if not len(places) or places[0] < 0 or places[-1] >= count or (places[1:] <= places[:-1]).any():
        refuse(place, f"numbers from 0 to below {count} that rise", "others")


def _require_covariance(matrix: NDArray[np.float64], place: str) -> None:
    """Symmetric, without a negative variance of any combination but for rounding."""
    variances = matrix.diagonal()
    if not (matrix == matrix.T).all() or np.abs(matrix).max() > _LARGEST_COVARIANCE or (variances < 0).any():
        refuse(place, "a symmetric matrix with variances >= 0", "another")
    deviations = np.sqrt(variances)
    deviations[deviations == 0] = 1.0
    with np.errstate(over="ignore"):
        correlations = matrix / deviations / deviations[:, np.newaxis]
    try:
        if np.abs(correlations).max() > 1 + _ROUNDING:
            raise np.linalg.LinAlgError
        np.linalg.cholesky(correlations + _ROUNDING * np.eye(len(matrix)))
    except np.linalg.LinAlgError:
        refuse(place, "a covariance", "a matrix that gives some combination a negative variance")
