"""Read back the outputs of stages, checked: metrics, a sweep, the course of a training, an inference, columns.

Whoever reads them may hold files of an older commit, edited or forged. Each function takes a file's content and the
name by which errors call it; k is the number of classes, d the number of features, s the number of snapshots.
"""

import csv
import io
from typing import Annotated, Any, NoReturn

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, FiniteFloat, NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator
from safetensors import SafetensorError

from pipeline.dataset.columns import Class
from pipeline.documents import json_documents
from pipeline.documents.json_documents import Form
from pipeline.errors import UserError, listed, quoted, shortened

REMEDY = "the file was cut short or edited; run `dvc repro`"

# Epochs, and what stands beside them: MLflow counts steps in int64, and float64 holds no larger integer exactly.
_MOST_EPOCHS = 2**53

_Numbers = dict[str, FiniteFloat | None]


class _Open(Form):
    """A document that may hold more than its readers count on, as those of other versions do."""

    model_config = ConfigDict(extra="allow")


class _Baseline(_Open):
    split: str
    log_loss: FiniteFloat | None = None
    accuracy: FiniteFloat | None = None


class _OfClass(_Open):
    split: str
    label: Annotated[Class, Field(alias="class")]
    f1: FiniteFloat | None = None
    support: NonNegativeFloat | None = None


class _Metrics(_Open):
    train: _Numbers
    validation: _Numbers = Field(default_factory=dict)
    test: _Numbers = Field(default_factory=dict)
    baseline: list[_Baseline] = Field(default_factory=list)
    per_class: list[_OfClass] = Field(default_factory=list)


def metrics(content: bytes, place: object) -> dict[str, Any]:
    """metrics.json, with the lists ``baseline`` and ``per_class`` whether or not it has them.

    Raises: UserError that names ``place``.
    """
    document = json_documents.parse(content, place, REMEDY)
    with json_documents.faults_named(place, REMEDY):
        _Metrics.model_validate(document)
    return {"baseline": [], "per_class": []} | document


class _Fit(_Open):
    log_loss: FiniteFloat


class _Line(_Open):
    l2: PositiveFloat
    log_loss: FiniteFloat
    standard_error: FiniteFloat
    training_log_loss: FiniteFloat
    passes: NonNegativeInt
    relative_bound: FiniteFloat
    status: str
    folds: Annotated[list[_Fit], Field(min_length=1)]


class _SweepParams(_Open):
    folds: NonNegativeInt


class _Sweep(_Open):
    chosen_l2: PositiveFloat
    lowest_l2: PositiveFloat
    rule: str
    sweep: _SweepParams
    lines: Annotated[list[_Line], Field(min_length=1)]

    @model_validator(mode="after")
    def _choices_are_lines(self) -> "_Sweep":
        tried = [line.l2 for line in self.lines]
        if len(set(tried)) != len(tried):
            raise ValueError("lines with another l2 each")
        for l2 in (self.chosen_l2, self.lowest_l2):
            if l2 not in tried:
                raise ValueError(f"chosen_l2 and lowest_l2 among the l2 of lines, of which none is {l2!r}")
        return self


def sweep(content: bytes, place: object) -> dict[str, Any]:
    """sweep.json. Raises: UserError that names ``place``."""
    document = json_documents.parse(content, place, REMEDY)
    with json_documents.faults_named(place, REMEDY):
        _Sweep.model_validate(document)
    return document


class _Covariance(_Open):
    kind: str
    factor: FiniteFloat
    clusters: NonNegativeInt | None = None


class _WholeFit(_Open):
    log_likelihood: FiniteFloat
    null_log_likelihood: FiniteFloat
    degrees_of_freedom: NonNegativeInt
    p: FiniteFloat | None
    mcfadden: FiniteFloat | None
    aic: FiniteFloat
    bic: FiniteFloat
    distance_bound: FiniteFloat | None


class _TestedColumn(_Open):
    column: str
    degrees_of_freedom: NonNegativeInt
    wald: FiniteFloat | None
    wald_p: FiniteFloat | None
    likelihood_ratio: FiniteFloat | None
    likelihood_ratio_p: FiniteFloat | None


class _Inference(_Open):
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


def inference(content: bytes, place: object) -> dict[str, Any]:
    """inference.json; ``refused`` in it is a sentence where the rows have no table, else ``base_levels`` is a dict.

    Raises: UserError that names ``place``.
    """
    document = json_documents.parse(content, place, REMEDY)
    with json_documents.faults_named(place, REMEDY):
        if _Inference.model_validate(document).refused is None:
            _Inferred.model_validate(document)
    return {"refused": None, "base_levels": {}} | document


COEFFICIENT_NAMES = ("class", "reference", "feature")
COEFFICIENT_NUMBERS = ("estimate", "standard_error", "z", "p", "low", "high", "relative_risk_ratio")


def coefficients(content: bytes, place: object) -> list[dict[str, Any]]:
    """The lines of coefficients.csv: names as texts, numbers as floats, None where there is none.

    Raises: UserError that names ``place`` and the line.
    """
    try:
        header, *rows = csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
    except (ValueError, csv.Error):
        _refuse(place, "a table of coefficients", "something else")
    if not {*COEFFICIENT_NAMES, *COEFFICIENT_NUMBERS} <= set(header):
        _refuse(place, f"the columns {', '.join((*COEFFICIENT_NAMES, *COEFFICIENT_NUMBERS))}", listed(header))
    lines = []
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            _refuse(f"{place}, line {number}", f"{len(header)} cells", f"{len(row)}")
        cells = dict(zip(header, row, strict=True))
        line: dict[str, Any] = {name: cells[name] for name in COEFFICIENT_NAMES}
        for name in COEFFICIENT_NUMBERS:
            try:
                line[name] = float(cells[name]) if cells[name] else None
            except ValueError:
                _refuse(f"{place}, line {number}", f"a number as {name}", quoted(cells[name]))
        lines.append(line)
    return lines


class _Column(_Open):
    name: str
    kind: str


class _Schema(_Open):
    columns: list[_Column] = Field(default_factory=list)


def column_types(content: bytes, place: object) -> dict[str, str]:
    """The type of each column from schema.json. Raises: UserError that names ``place``."""
    document = json_documents.parse(content, place, REMEDY)
    with json_documents.faults_named(place, REMEDY):
        return {column.name: column.kind for column in _Schema.model_validate(document).columns}


def history(content: bytes, place: object) -> dict[str, list[float]]:
    """The columns of history.csv, ``epoch`` and ``cost`` among them; epochs are whole numbers that rise.

    Raises: UserError that names ``place`` and the line.
    """
    try:
        names, *rows = csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
    except (ValueError, csv.Error):
        _refuse(place, "a table of epochs", "something else")
    if len(set(names)) != len(names) or not {"epoch", "cost"} <= set(names):
        _refuse(place, "a header with epoch and cost, each name once", listed(names))
    if not rows:
        _refuse(place, "a line for each epoch", "none")
    table = [_line(row, len(names), f"{place}, line {number}") for number, row in enumerate(rows, 2)]
    columns = dict(zip(names, map(list, zip(*table, strict=True)), strict=True))
    _require_epochs(columns["epoch"], place)
    return columns


def _line(row: list[str], count: int, place: str) -> list[float]:
    if len(row) != count:
        _refuse(place, f"{count} numbers", f"{len(row)} cells")
    for cell in row:
        try:
            float(cell)
        except ValueError:
            _refuse(place, "a number", quoted(cell))
    return [float(cell) for cell in row]


def _require_epochs(epochs: list[float], place: object) -> None:
    before = -1.0
    for number, epoch in enumerate(epochs, 2):
        if not (before < epoch <= _MOST_EPOCHS and epoch == int(epoch)):
            _refuse(f"{place}, line {number}", "an epoch, a whole number above the one before", repr(epoch))
        before = epoch


def snapshots(content: bytes, place: object, shape: tuple[int, int]) -> dict[str, NDArray[Any]]:
    """``epoch`` (s,) int64, W (s, k, d) and b (s, k) float64 from snapshots.safetensors; ``shape`` is (k, d).

    Raises: UserError that names ``place``.
    """
    tensors = _tensors(content, place, ("epoch", "W", "b"))
    count = max(1, tensors["epoch"].size)
    expected = {"epoch": ("int64", (count,)), "W": ("float64", (count, *shape)), "b": ("float64", (count, shape[0]))}
    for name, (kind, size) in expected.items():
        _require_tensor(tensors, name, kind, size, place)
    epochs = tensors["epoch"]
    if epochs[0] < -1 or epochs[-1] > _MOST_EPOCHS or (epochs[1:] <= epochs[:-1]).any():
        _refuse(f"{place}: tensor epoch", "epochs that rise from -1", "others")
    return tensors


# What is made of larger numbers might be infinite: sums of products with float32 numbers, and their squares.
_LARGEST_COEFFICIENT, _LARGEST_COVARIANCE = 1e100, 1e200
# By so much the least eigenvalue of correlations may be below 0: rounding leaves less, a forgery more.
_ROUNDING = 1e-6


def covariance(content: bytes, place: object, shape: tuple[int, int]) -> dict[str, NDArray[Any]]:
    """covariance.safetensors; ``shape`` is (d, k).

    Float64 theta (d + 1, k) and covariance (q, q) of its free entries, class by class; int64 ``columns`` and
    ``labels``, ascending: the free rows, of which row d is b, and classes, k or k - 1.
    Raises: UserError that names ``place``.
    """
    d, k = shape
    tensors = _tensors(content, place, ("theta", "covariance", "columns", "labels"))
    _require_tensor(tensors, "theta", "float64", (d + 1, k), place)
    for name, count in (("columns", d + 1), ("labels", k)):
        _require_tensor(tensors, name, "int64", (tensors[name].size,), place)
        _require_places(tensors[name], count, f"{place}: tensor {name}")
    columns, labels = tensors["columns"], tensors["labels"]
    if k < 2 or len(labels) < k - 1:
        _refuse(f"{place}: tensor labels", "two classes or more, all but one free", f"{len(labels)} of {k} free")
    size = len(columns) * len(labels)
    _require_tensor(tensors, "covariance", "float64", (size, size), place)
    is_free = np.zeros((d + 1, k), dtype=bool)
    is_free[columns[:, np.newaxis], labels] = True
    if tensors["theta"][~is_free].any() or np.abs(tensors["theta"]).max() > _LARGEST_COEFFICIENT:
        _refuse(f"{place}: tensor theta", "0 where it is not free, and coefficients of a fit elsewhere", "others")
    _require_covariance(tensors["covariance"], f"{place}: tensor covariance")
    return tensors


def _require_places(places: NDArray[np.int64], count: int, place: str) -> None:
    """Numbers from 0 to below ``count`` that rise."""
    if not len(places) or places[0] < 0 or places[-1] >= count or (places[1:] <= places[:-1]).any():
        _refuse(place, f"numbers from 0 to below {count} that rise", "others")


def _require_covariance(matrix: NDArray[np.float64], place: str) -> None:
    """Symmetric, without a negative variance of any combination but for rounding."""
    variances = matrix.diagonal()
    if not (matrix == matrix.T).all() or np.abs(matrix).max() > _LARGEST_COVARIANCE or (variances < 0).any():
        _refuse(place, "a symmetric matrix with variances >= 0", "another")
    deviations = np.sqrt(variances)
    deviations[deviations == 0] = 1.0
    with np.errstate(over="ignore"):
        correlations = matrix / deviations / deviations[:, np.newaxis]
    try:
        if np.abs(correlations).max() > 1 + _ROUNDING:
            raise np.linalg.LinAlgError
        np.linalg.cholesky(correlations + _ROUNDING * np.eye(len(matrix)))
    except np.linalg.LinAlgError:
        _refuse(place, "a covariance", "a matrix that gives some combination a negative variance")


def _tensors(content: bytes, place: object, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    try:
        tensors: dict[str, NDArray[Any]] = safetensors.numpy.load(content)
    except (SafetensorError, ValueError, TypeError, KeyError):  # the last two of a dtype that numpy lacks
        _refuse(place, "safetensors", "something else")
    if tensors.keys() != set(names):
        expected = f"the tensors {', '.join(names[:-1])} and {names[-1]}"
        _refuse(place, expected, listed(sorted(tensors)) or "none")
    return tensors


def _require_tensor(
    tensors: dict[str, NDArray[Any]], name: str, kind: str, size: tuple[int, ...], place: object
) -> None:
    tensor = tensors[name]
    if (str(tensor.dtype), tensor.shape) != (kind, size):
        _refuse(f"{place}: tensor {name}", f"{kind} {size}", f"{tensor.dtype} {shortened(tensor.shape)}")
    if not np.isfinite(tensor).all():
        _refuse(f"{place}: tensor {name}", "finite numbers", "NaN or infinity")


def _refuse(place: object, expected: str, came: str) -> NoReturn:
    raise UserError(f"{place}: expected {expected}, got {came}: {REMEDY}")
