"""The estimator keeps scikit-learn's rules, and its numbers are those of scikit-learn's own logistic regression."""

import multiprocessing
import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import statsmodels.api as sm
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits, load_iris, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from pipeline import SoftmaxRegression
from pipeline.prepare.params import PrepareParams

IRIS = load_iris(return_X_y=True)
BINARY = make_classification(500, 6, n_informative=4, random_state=1)
# scikit-learn's solver ends at a gradient of 1e-10, where its own parameters are some 1e-8 from the optimum.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


# Of separable rows without a penalty there is no optimum that weighted and repeated rows could share.
NO_OPTIMUM = dict.fromkeys(
    ("check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data"), "no optimum"
)
rules = pytest.mark.filterwarnings(
    "ignore:invalid value encountered in cast", "ignore::sklearn.exceptions.SkipTestWarning"
)


@rules
@parametrize_with_checks([SoftmaxRegression()])
def test_the_rules_of_scikit_learn_hold(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.slow
@rules
@parametrize_with_checks(
    [
        SoftmaxRegression(C=np.inf),
        SoftmaxRegression(l1_ratio=0.5),
        SoftmaxRegression(class_weight="balanced"),
        SoftmaxRegression(solver="lbfgs", warm_start=True, tol=1e-16),
    ],
    expected_failed_checks=lambda estimator: NO_OPTIMUM if np.inf == estimator.C else {},
)
def test_they_hold_with_other_parameters(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        check(estimator)


def reference(**params: Any) -> LogisticRegression:
    return LogisticRegression(tol=1e-10, max_iter=10_000, **params)


@pytest.mark.parametrize("table", [IRIS, BINARY], ids=["three classes", "two"])
@pytest.mark.parametrize(
    "params",
    [{"C": 1.0}, {"C": 0.01}, {"C": 100.0}, {"fit_intercept": False}, {"class_weight": "balanced"}],
    ids=str,
)
def test_coefficients_are_those_of_logistic_regression(table: Any, params: dict[str, Any]) -> None:
    X, y = table
    ours, theirs = SoftmaxRegression(**params).fit(X, y), reference(**params).fit(X, y)
    # Coefficients move by the root of what the objective does.
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), **CLOSE)
    assert ours.decision_function(X).shape == theirs.decision_function(X).shape
    assert ours.bound_ < 1e-13


@pytest.mark.parametrize("table", [IRIS, BINARY], ids=["three classes", "two"])
def test_sample_and_class_weights_are_those_of_logistic_regression(table: Any) -> None:
    X, y = table
    weights = np.random.default_rng(0).integers(0, 4, len(y)).astype(float)
    for params in ({}, {"class_weight": {0: 2.0}}, {"class_weight": "balanced"}):
        ours = SoftmaxRegression(**params).fit(X, y, sample_weight=weights)
        theirs = reference(**params).fit(X, y, sample_weight=weights)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), **CLOSE)


@pytest.mark.parametrize("table", [IRIS, BINARY], ids=["three classes", "two"])
def test_elastic_net_is_that_of_saga(table: Any) -> None:
    X, y = table
    X = StandardScaler().fit_transform(X)
    ours = SoftmaxRegression(C=0.05, l1_ratio=0.7).fit(X, y)
    theirs = LogisticRegression(C=0.05, l1_ratio=0.7, solver="saga", tol=1e-9, max_iter=50_000).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-4, atol=1e-5)


def test_float64_columns_keep_their_digits() -> None:
    """anes96: the log-likelihood of statsmodels, which compares it with Stata's, to 1e-8."""
    data = sm.datasets.anes96.load_pandas().data
    X = data[["logpopul", "selfLR", "age", "educ", "income"]]
    theirs = sm.MNLogit(data["PID"], sm.add_constant(X)).fit(method="newton", tol=1e-14, maxiter=100, disp=0)
    for rows in (X, X.to_numpy(), pl.from_pandas(X)):
        ours = SoftmaxRegression(C=np.inf).fit(rows, data["PID"].to_numpy().astype(int))
        log_likelihood = ours.predict_log_proba(rows)[np.arange(len(X)), data["PID"].astype(int)].sum()
        assert abs(log_likelihood - theirs.llf) < 1e-8


def test_classes_are_those_of_y_whatever_their_type() -> None:
    X, y = IRIS
    for names in (
        ["a", "b", "c"],
        [-1, 5, 7],
        ["1", "2", "10"],
        ["NA", "x", ""],
        [0.0, 1.0, 2.0],
        np.array([1, 2**63, 2**64 - 1], dtype=np.uint64),
    ):
        labels = np.array(names)[y]
        model = SoftmaxRegression().fit(X, labels)
        assert model.classes_.dtype == labels.dtype
        np.testing.assert_array_equal(model.classes_, np.unique(labels))
        assert model.score(X, labels) > 0.9
    booleans = SoftmaxRegression().fit(X, y == 1)
    np.testing.assert_array_equal(booleans.classes_, [False, True])


def test_it_works_where_estimators_work() -> None:
    X, y = IRIS
    search = GridSearchCV(SoftmaxRegression(), {"C": [0.1, 10.0]}, cv=3).fit(X, y)
    assert search.best_score_ > 0.9
    assert cross_val_score(make_pipeline(StandardScaler(), SoftmaxRegression()), X, y).mean() > 0.9
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict_proba(X), search.predict_proba(X))
    assert clone(search.best_estimator_).get_params() == search.best_estimator_.get_params()


def frame() -> tuple[pd.DataFrame, pd.Series]:
    """Numbers, a category, a number with gaps, a boolean and a date."""
    rng = np.random.default_rng(3)
    n = 300
    colour = rng.choice(["red", "green", "blue"], n)
    size = rng.normal(size=n)
    data = pd.DataFrame(
        {
            "size": size,
            "colour": colour,
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.integers(1, 90, n)),
            "member": rng.random(n) < 0.5,
        }
    )
    score = size + 2 * (colour == "red") + rng.normal(size=n)
    return data, pd.Series(np.where(score > 1, "high", np.where(score < -0.5, "low", "middle")), name="level")


def test_a_frame_needs_no_encoding() -> None:
    """The same objective as by hand: one-hot levels, gaps at the mean, and an indicator of gaps."""
    X, y = frame()
    model = SoftmaxRegression(C=3.0).fit(X, y)
    by_hand = pd.get_dummies(X, columns=["colour"], dtype=float)
    by_hand["gap"] = X["age"].isna().astype(float)
    by_hand["age"] = X["age"].fillna(X["age"].mean())
    theirs = reference(C=3.0).fit(by_hand.astype(float), y)
    np.testing.assert_allclose(model.predict_proba(X), theirs.predict_proba(by_hand.astype(float)), **CLOSE)
    assert model.coef_.shape == (3, len(model.coef_names_))
    for other in (pl.from_pandas(X), X[["colour", "member", "age", "size"]]):
        other = other if isinstance(other, pl.DataFrame) else pl.from_pandas(other)
        np.testing.assert_array_equal(model.predict_proba(other.select(X.columns)), model.predict_proba(X))


def test_a_column_of_the_frame_may_be_named_as_the_labels() -> None:
    X, y = frame()
    whole = X.assign(level=y)
    for data in (whole, pl.from_pandas(whole)):
        named = SoftmaxRegression().fit(data, "level")
        assert named.model_.key == SoftmaxRegression().fit(X, y).model_.key


def test_one_hot_columns_of_a_sparse_matrix_are_trained_as_codes() -> None:
    X, y = frame()
    transform = ColumnTransformer(
        [("codes", OneHotEncoder(), ["colour", "member"]), ("numbers", "passthrough", ["size"])], sparse_threshold=1.0
    )
    pipe = make_pipeline(transform, SoftmaxRegression(C=2.0)).fit(X, y)
    model = pipe[-1]
    assert [category.name for category in model.model_.encoder.categories] == ["x0", "x3"]
    encoded = scipy.sparse.csr_matrix(transform.fit_transform(X))
    theirs = reference(C=2.0).fit(encoded, y)
    np.testing.assert_allclose(model.coef_, theirs.coef_, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(pipe.predict_proba(X), theirs.predict_proba(encoded), **CLOSE)
    # A row that no encoding makes: no level at all.
    nothing = scipy.sparse.csr_matrix((1, encoded.shape[1]))
    np.testing.assert_allclose(model.predict_proba(nothing), theirs.predict_proba(nothing), **CLOSE)


def test_a_hundred_thousand_levels_are_never_dense() -> None:
    """20,000 rows and 100,000 columns, of which a dense float64 matrix would take 16 GB."""
    rng = np.random.default_rng(0)
    members = rng.integers(0, 100_000, 20_000)
    X = scipy.sparse.csr_matrix((np.ones(20_000), (np.arange(20_000), members)), (20_000, 100_000))
    y = (members % 3).astype(int)
    model = SoftmaxRegression(max_iter=50).fit(X, y)
    assert model.coef_.shape == (3, 100_000)
    assert model.score(X, y) == 1.0


def test_a_fit_that_does_not_converge_warns_and_says_how_it_ended() -> None:
    X, y = load_digits(return_X_y=True)
    with pytest.warns(
        ConvergenceWarning,
        match=r"not_converged: ran all .* below tol; raise max_iter or tol, or set standardise",
    ):
        model = SoftmaxRegression(C=1e6, max_iter=1).fit(X, y)
    assert (model.status_, model.n_iter_.tolist()) == ("not_converged", [1])


def test_a_warm_start_begins_at_the_last_fit() -> None:
    X, y = IRIS
    model = SoftmaxRegression(warm_start=True).fit(X, y)
    cold = model.n_passes_
    assert model.fit(X, y).n_passes_ < cold / 2


def test_a_warm_start_is_cold_where_classes_or_columns_are_others() -> None:
    X, y = IRIS
    names = pd.DataFrame(X, columns=list("abcd"))
    for rows, labels in ((X, y + 1), (X, y % 2), (names, y)):
        model = SoftmaxRegression(warm_start=True).fit(X, y).fit(rows, labels)
        np.testing.assert_array_equal(model.coef_, SoftmaxRegression().fit(rows, labels).coef_)


def test_rows_of_a_forked_process_stay_with_their_owner() -> None:
    model = SoftmaxRegression(C=np.inf).fit(*BINARY)
    process = multiprocessing.get_context("fork").Process(target=model.__dict__.clear)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert len(model.summary().coefficients)


def test_a_batch_of_arrow_has_names_and_arrays_of_arrow_are_labels() -> None:
    X, y = frame()
    batch = pa.RecordBatch.from_pandas(X, preserve_index=False)
    model = SoftmaxRegression().fit(batch, pa.array(y))
    np.testing.assert_array_equal(model.feature_names_in_, X.columns)
    np.testing.assert_array_equal(model.predict_proba(batch), SoftmaxRegression().fit(X, y).predict_proba(X))


def test_days_and_moments_of_a_frame_are_dates() -> None:
    X, y = frame()
    for days in (
        pd.date_range("2024-01-01", periods=len(X), freq="7h"),
        pd.date_range("2024-01-01", periods=len(X)).date,
    ):
        rows = X.assign(day=days)
        model = SoftmaxRegression().fit(rows, y)
        assert {"day year", "day month", "day day", "day weekday"} < {*model.coef_names_}
        model.predict(X.assign(day=pd.Timestamp("2030-05-06")))
    assert "day=2024-01-02" in SoftmaxRegression(categories=["day"]).fit(rows, y).coef_names_


def test_sample_weight_takes_no_column_of_weights_for_a_feature() -> None:
    X, y = frame()
    model = SoftmaxRegression(prepare=PrepareParams(source="", target="", weights="age"))
    with pytest.raises(ValueError, match=r"sample_weight: expected none beside prepare\.weights, which says"):
        model.fit(X, y, sample_weight=np.ones(len(y)))


BAD: list[tuple[dict[str, Any], Any, Any, str]] = [
    ({}, [[1.0], [2.0]], ["a", "a"], "y: expected labels of two classes or more, got one class: 'a'"),
    ({}, [[np.inf], [2.0]], [0, 1], "infinity"),
    ({}, pd.DataFrame({"a": [None, None]}), [0, 1], "no value in any training row of column a"),
    ({}, pd.DataFrame({"a": [[1], [2]]}), [0, 1], "column a: expected numbers, texts"),
    ({}, pd.DataFrame({"a": [1.0, 2.0]}), "b", "y: expected a column of X, got 'b'"),
    ({}, pd.DataFrame({"a": []}), [], "X: expected rows, got none"),
    ({}, pl.LazyFrame({"a": [1.0, 2.0]}), [0, 1], "X: expected rows in memory, got LazyFrame; collect it first"),
    ({}, [[1.0], [2.0]], pd.Series(["a", None]), "y: expected a label in every row, got nan in row 2"),
    ({}, [[1.0], [2.0]], pd.Series(["a", pd.NA], dtype="string"), "y: expected a label in every row, got <NA> in row"),
    ({}, [[1.0], [2.0]], pl.Series(["a", None]), "y: expected a label in every row, got None in row 2"),
    ({"class_weight": {0: -1}}, [[1.0], [2.0]], [0, 1], "class_weight: expected finite numbers >= 0, got -1 for 0"),
    ({"class_weight": {"c": 1}}, [[1.0], [2.0]], ["a", "b"], "class_weight: expected classes of y, got 'c'"),
    ({"C": -1.0}, [[1.0], [2.0]], [0, 1], "The 'C' parameter of SoftmaxRegression must be"),
    ({"C": 0}, [[1.0], [2.0]], [0, 1], "The 'C' parameter of SoftmaxRegression must be"),
    ({"C": "1"}, [[1.0], [2.0]], [0, 1], "The 'C' parameter of SoftmaxRegression must be"),
    ({"l1_ratio": 2.0}, [[1.0], [2.0]], [0, 1], "The 'l1_ratio' parameter of SoftmaxRegression must be"),
    ({"l1_ratio": 0.5, "solver": "lbfgs"}, [[1.0], [2.0]], [0, 1], "l1_ratio: expected 0 with solver"),
    ({"tol": 0.0}, [[1.0], [2.0]], [0, 1], "The 'tol' parameter of SoftmaxRegression must be"),
    ({"max_iter": 0}, [[1.0], [2.0]], [0, 1], "The 'max_iter' parameter of SoftmaxRegression must be"),
    ({"solver": "sgd"}, [[1.0], [2.0]], [0, 1], "The 'solver' parameter of SoftmaxRegression must be"),
    ({}, scipy.sparse.csr_matrix([[np.nan], [1.0]]), [0, 1], "NaN"),
]


@pytest.mark.parametrize(("params", "X", "y", "message"), BAD, ids=range(len(BAD)))
def test_what_does_not_fit_is_one_sentence(params: dict[str, Any], X: Any, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SoftmaxRegression(**params).fit(X, y)
