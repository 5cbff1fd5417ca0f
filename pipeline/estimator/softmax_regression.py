"""Softmax regression with scikit-learn's interface, fitted by the solvers of `train` to a proven optimum."""

import math
import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import scipy.sparse
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from pipeline import params as sections
from pipeline.dataset import reader
from pipeline.dataset.encoder import DType
from pipeline.errors import quoted
from pipeline.estimator import inputs
from pipeline.estimator.columns import ArrayColumns, Columns, FrameColumns, SparseColumns, is_day
from pipeline.estimator.labels import Labels
from pipeline.estimator.summary import Summary, summarise
from pipeline.estimator.training import TrainingFolder, as_value_error, by_parameters, penalties, train
from pipeline.infer.params import InferParams
from pipeline.model import Model
from pipeline.numerics.solvers.status import Status
from pipeline.predictor.predictor import decision_values
from pipeline.prepare.params import PrepareParams
from pipeline.scoring import probabilities
from pipeline.table.type_inference import MOST_LEVELS
from pipeline.train import initial_point
from pipeline.train.params import WITH_L1, StartParams, TrainParams

_REACHED = {
    status.value for status in (Status.CONVERGED, Status.CONVERGED_UNPROVEN, Status.EPOCHS_DONE, Status.STALLED)
}
# A share of the objective: where float64 resolves no more, nobody need be warned of so little.
_NEGLIGIBLE = 1e-8


class SoftmaxRegression(ClassifierMixin, BaseEstimator):
    """Softmax (multinomial logistic) regression, with a certificate of how far it is from the optimum.

    Minimises the mean cross-entropy plus the penalty of scikit-learn's LogisticRegression, by the same C. Texts in
    a data frame are categories, gaps have an indicator; columns of a sparse X that are a one-hot encoding are trained
    as codes. Every sum over rows is exact, so the same rows give the same bits on every machine.

    Parameters: ``C``: inverse strength of the penalty, inf for none. ``l1_ratio``: its share of l1, from 0 to 1.
    ``tol``: proven share of the objective above its optimum at which to stop. ``max_iter``: steps at most.
    ``class_weight``: {class: weight} or "balanced". ``warm_start``: begin at the last fit, if it had the same classes
    and a column of these. ``standardise``: penalise numbers in units of their deviation. ``dtype``: of numbers while
    training. ``device``: of the passes over all rows. ``categories``: columns of numbers that are codes. ``prepare``, a
    section of params.yaml, is in place of standardise, dtype and categories, ``train`` in place of all others but
    warm_start (``from_params``).

    After a fit: ``classes_`` (k,), ``coef_`` (k, D) and ``intercept_`` (k,), of two classes (1, D) and (1,) of the
    second; ``coef_names_``, the D columns; ``bound_``: nats that the objective is above its optimum at most, None where
    nothing is proven; ``status_``; ``n_iter_``, ``n_passes_`` over the rows; ``model_``, whose key is that of `dvc
    repro` for the same rows and params.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "C": [Interval(Real, 0, None, closed="right")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "fit_intercept": ["boolean"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "solver": [StrOptions({"auto", "newton", "lbfgs"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "standardise": ["boolean"],
        "dtype": [StrOptions({"float32", "float64"})],
        "device": [StrOptions({"cpu", "cuda", "auto"})],
        "categories": ["array-like"],
        "prepare": [PrepareParams, None],
        "train": [TrainParams, None],
    }

    def __init__(
        self,
        *,
        C: float = 1.0,
        l1_ratio: float = 0.0,
        tol: float = 1e-14,
        fit_intercept: bool = True,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        solver: Literal["auto", "newton", "lbfgs"] = "auto",
        max_iter: int = 1000,
        warm_start: bool = False,
        standardise: bool = False,
        dtype: DType = "float64",
        device: Literal["cpu", "cuda", "auto"] = "cpu",
        categories: Sequence[str] = (),
        prepare: PrepareParams | None = None,
        train: TrainParams | None = None,
    ) -> None:
        self.C = C
        self.l1_ratio = l1_ratio
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.solver = solver
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.standardise = standardise
        self.dtype = dtype
        self.device = device
        self.categories = categories
        self.prepare = prepare
        self.train = train

    @classmethod
    def from_params(cls, path: str | Path = "params.yaml") -> "SoftmaxRegression":
        """An estimator of the sections `prepare` and `train` of a params file. Raises: UserError."""
        file = Path(path)
        return cls(
            prepare=sections.load(file, "prepare", PrepareParams), train=sections.load(file, "train", TrainParams)
        )

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Fit W and b to rows X, (n, d): a data frame, an array or a sparse matrix, with labels y (n,).

        ``y`` may be the name of a column of the frame X. ``sample_weight`` (n,): how often a row counts.
        Raises: ValueError for rows, labels or params that do not fit.
        """
        self._validate_params()
        name, X, y = inputs.divide(inputs.in_memory(X), y)
        columns, X = self._columns(X, y)
        y = self._checked_labels(y, X)
        with as_value_error(self._by_params):
            table = columns.table(X)
        taken = {*table.column_names}
        target = inputs.free_name(name, taken)
        missing_values = tuple(self._prepare_params("", target).missing_values)
        labels = Labels.of(y, missing_values)
        table = table.append_column(target, labels.column(y))
        weights = None
        if sample_weight is not None:
            if self.prepare is not None and self.prepare.weights is not None:
                raise ValueError(
                    f"sample_weight: expected none beside prepare.weights, which says {quoted(self.prepare.weights)}; "
                    "leave out one of them"
                )
            weights = inputs.free_name("sample_weight", {*taken, target})
            table = table.append_column(weights, [_check_sample_weight(sample_weight, X, dtype=np.float64)])
        with as_value_error(self._by_params):
            dates = [column.name for column in table.schema if is_day(column.type)]
            params = self._prepare_params("", target, weights, dates)
            folder = TrainingFolder()
            return self._fit(folder, folder.prepare(table, params, "X"), columns, labels)

    def fit_file(self, source: str | Path, target: str) -> Self:
        """Fit to a CSV or Parquet file, a folder of them or an address, in flat memory, as `dvc repro` does.

        Raises: ValueError for a table or params that do not fit.
        """
        self._validate_params()
        with as_value_error(self._by_params):
            folder = TrainingFolder()
            dataset = folder.prepare_file(self._prepare_params(str(source), target))
            self._fit(folder, dataset, FrameColumns(), Labels(np.array(dataset.encoder.classes), False))
        self.feature_names_in_: NDArray[np.object_] = np.array([*self.model_.encoder.types], dtype=object)
        self.n_features_in_ = len(self.feature_names_in_)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row, (n,)."""
        predicted = self._logits(X).argmax(axis=1)
        result: NDArray[Any] = self.classes_[predicted]
        return result

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities (n, k), in the order of ``classes_``."""
        return probabilities.softmax(self._logits(X))

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Logarithms of the probabilities, (n, k)."""
        return probabilities.log_softmax(self._logits(X))

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Logits (n, k); of two classes the second's less the first's, (n,)."""
        return decision_values(self._logits(X))

    def summary(self, **params: Any) -> Summary:
        """Standard errors, tests and intervals of the coefficients, as `infer` has them, of the rows of the last fit.

        ``params`` are those of the section `infer` of params.yaml, such as reference, covariance="robust" or
        refit=False. Raises: ValueError for params that do not fit, or without the rows, which no pickle holds.
        """
        check_is_fitted(self)
        folder: TrainingFolder | None = getattr(self, "_folder", None)
        if folder is None:
            raise ValueError("summary: expected an estimator that was fitted here, got one without its rows; fit again")
        with as_value_error(self._by_params):
            checked = sections.checked("summary", "infer", InferParams, params)
            return summarise(reader.open_dataset(folder.prepared), self.model_, checked)

    def __getstate__(self) -> dict[str, Any]:
        """Without the rows, which lie in a temporary folder."""
        state: dict[str, Any] = {**super().__getstate__()}
        state.pop("_folder", None)
        return state

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags

    @property
    def _by_params(self) -> bool:
        return self.prepare is not None or self.train is not None

    def _columns(self, X: Any, y: Any) -> tuple[Columns, Any]:
        """How X is given, and X as that kind is read."""
        if inputs.is_frame(X):
            validate_data(self, X, y, skip_check_array=True)
            return FrameColumns(), X
        X = validate_data(self, X, accept_sparse="csr", ensure_all_finite="allow-nan", dtype=np.float64)
        if scipy.sparse.issparse(X):
            inputs.refuse_nan(X)
            X = scipy.sparse.csr_matrix(X, copy=True)
            X.sum_duplicates()
            X.eliminate_zeros()
            with as_value_error(self._by_params):
                return SparseColumns.of(X), X
        return ArrayColumns(X.shape[1]), X

    def _checked_labels(self, y: Any, X: Any) -> NDArray[Any]:
        if y is None:
            raise ValueError("SoftmaxRegression requires y to be passed, but the target y is None")
        y = nw.to_native(pa.chunked_array([y]) if isinstance(y, pa.Array) else y, pass_through=True)
        labels: NDArray[Any] = column_or_1d(y.to_numpy() if hasattr(y, "to_numpy") else y, warn=True)
        check_consistent_length(X, labels)
        if not len(labels):
            raise ValueError("X: expected rows, got none")
        inputs.require_labels(labels)
        check_classification_targets(labels)
        if len(np.unique(labels)) < 2:
            raise ValueError(f"y: expected labels of two classes or more, got one class: {labels.tolist()[0]!r}")
        return labels

    def _fit(self, folder: TrainingFolder, dataset: reader.Dataset, columns: Columns, labels: Labels) -> Self:
        params = self._train_params(dataset, labels)
        earlier: Model | None = getattr(self, "model_", None) if self.warm_start else None
        if earlier is not None and not initial_point.can_start(dataset.encoder, earlier):
            earlier = None
        if earlier is not None:
            params = params.model_copy(update={"start": StartParams(model="warm_start", key=earlier.key)})
        model = train(dataset, params, earlier)
        self.classes_ = labels.classes
        self._columns_, self._folder = columns, folder
        self.model_: Model = model
        result = model.result
        self.status_: str = result["status"]
        self.bound_: float | None = result["bound"]
        self.n_iter_ = np.array([result["epochs"]], dtype=np.int32)
        self.n_passes_: int = result["passes"]
        coefficients, intercepts, self.coef_names_ = columns.coefficients(model)
        self.coef_, self.intercept_ = _as_scikit_learn(coefficients, intercepts)
        stalled_early = self.status_ == Status.STALLED.value and (result["relative_bound"] or 0) > _NEGLIGIBLE
        if stalled_early or self.status_ not in _REACHED:
            meaning = result["meaning"] if self._by_params else by_parameters(result["meaning"])
            warnings.warn(f"{self.status_}: {meaning}", ConvergenceWarning, stacklevel=3)
        return self

    def _prepare_params(
        self, source: str, target: str, weights: str | None = None, dates: Sequence[str] = ()
    ) -> PrepareParams:
        if self.prepare is not None:
            changes = {"source": source, "target": target} | ({} if weights is None else {"weights": weights})
            return self.prepare.model_copy(update=changes)
        # More levels than prepare takes for granted: scikit-learn's users encode all of them.
        return PrepareParams(
            max_levels=MOST_LEVELS,
            source=source,
            target=target,
            weights=weights,
            standardise=self.standardise,
            dtype=self.dtype,
            categories=[*self.categories],
            types={name: "date" for name in dates if name not in {*self.categories, target}},
        )

    def _train_params(self, dataset: reader.Dataset, labels: Labels) -> TrainParams:
        if self.train is not None:
            return self.train
        if self.l1_ratio and self.solver not in WITH_L1:
            raise ValueError(
                f"l1_ratio: expected 0 with solver={self.solver!r}, which makes no coefficient exactly 0, got "
                f"{self.l1_ratio}; take solver='auto'"
            )
        params = TrainParams(
            solver=self.solver,
            seed=0,
            epochs=int(self.max_iter),
            tolerance=float(self.tol),
            intercept=self.fit_intercept,
            class_weight=_class_weight(self.class_weight, labels),
            snapshot_every=int(self.max_iter),
            device=self.device,
        )
        return params.model_copy(update=penalties(dataset, params, float(self.C), float(self.l1_ratio)))

    def _logits(self, X: Any) -> NDArray[np.float64]:
        check_is_fitted(self)
        X = inputs.in_memory(X)
        if isinstance(self._columns_, SparseColumns):
            X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        elif isinstance(self._columns_, ArrayColumns):
            X = validate_data(
                self, X, accept_sparse="csr", dtype=np.float64, ensure_all_finite="allow-nan", reset=False
            )
            X = X.toarray() if scipy.sparse.issparse(X) else X
        elif inputs.is_frame(X):
            validate_data(self, X, skip_check_array=True, reset=False)
        with as_value_error(self._by_params):
            return self._columns_.logits(self.model_, X)


def _class_weight(given: Any, labels: Labels) -> Any:
    """train.class_weight: classes that are not named weigh 1."""
    if given is None or isinstance(given, str):
        return given or "none"
    classes = labels.classes.tolist()
    unknown = [label for label in given if label not in classes]
    if unknown:
        raise ValueError(f"class_weight: expected classes of y, got {unknown[0]!r}")
    for label, weight in given.items():
        if not 0 <= weight < math.inf:
            raise ValueError(f"class_weight: expected finite numbers >= 0, got {weight!r} for {label!r}")
    named = range(len(classes)) if labels.as_positions else classes
    return {name: float(given.get(label, 1.0)) for name, label in zip(named, classes, strict=True)}


def _as_scikit_learn(
    coefficients: NDArray[np.float64], intercepts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """coef_ and intercept_: of two classes those of the second against the first."""
    if len(intercepts) != 2:
        return coefficients, intercepts
    return coefficients[1:] - coefficients[:1], intercepts[1:] - intercepts[:1]
