"""Areas under the ROC curve and their variance against the sums over all pairs that define them."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.evaluate.delong import Area, UndefinedAreaError, area_interval, difference_interval, macro_area
from pipeline.evaluate.metrics import Predictions
from tests.evaluate.test_metrics import predictions_of, random_predictions, rows_of

# Numbers on a grid of 2^-39 of the largest, added a few hundred times.
GRID = 1e-9


def coarse(rows: int, classes: int, *, weighted: bool = False) -> Predictions:
    """Random predictions whose probabilities have many ties."""
    given = random_predictions(rows, classes, weighted=weighted)
    return dataclasses.replace(given, probabilities=np.round(given.probabilities, 1))


def placements(given: Predictions, label: int) -> tuple[float, np.ndarray]:
    """The area of a class and what each row adds to it, by pairs; weighted, with m / (m - 1) under the root."""
    score, w = given.probabilities[:, label], given.weights
    own = given.labels == label
    wins = (score[own][:, None] > score[~own]) + 0.5 * (score[own][:, None] == score[~own])
    area = w[own] @ wins @ w[~own] / (w[own].sum() * w[~own].sum())
    influence = np.empty(len(score))
    for rows, values in ((own, wins @ w[~own] / w[~own].sum()), (~own, w[own] @ wins / w[own].sum())):
        m = len(np.unique(given.units[rows]))
        influence[rows] = np.sqrt(m / (m - 1)) * w[rows] / w[rows].sum() * (values - area)
    return area, influence


def by_pairs(given: Predictions) -> tuple[float, float]:
    """The macro average and its variance."""
    k = given.probabilities.shape[1]
    areas, influences = zip(*(placements(given, label) for label in ([1] if k == 2 else range(k))), strict=True)
    influence = np.mean(influences, axis=0)
    of_units = [influence[given.units == unit].sum() for unit in np.unique(given.units)]
    return float(np.mean(areas)), float(np.square(of_units).sum())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_area_and_variance_are_those_of_all_pairs(classes: int, weighted: bool) -> None:
    """With ties, weights, and units of several rows; the area is scikit-learn's."""
    given = coarse(150, classes, weighted=weighted)
    grouped = dataclasses.replace(given, units=given.units // 4)
    for each in (given, grouped):
        area, variance = by_pairs(each)
        result = macro_area(each)
        assert result.value == pytest.approx(area, rel=GRID)
        assert np.square(result.influence).sum() == pytest.approx(variance, rel=GRID)
        assert abs(result.influence.sum()) < np.sqrt(150) * 1e-2
    scores = given.probabilities[:, 1] if classes == 2 else softened(given.probabilities)
    if classes == 2:
        expected = roc_auc_score(given.labels, scores, sample_weight=given.weights)
        assert macro_area(given).value == pytest.approx(expected, rel=GRID)


def softened(probabilities: np.ndarray) -> np.ndarray:
    """Rows that sum to 1."""
    return probabilities / probabilities.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("weighted", [False, True])
def test_macro_average_is_scikit_learns(weighted: bool) -> None:
    """One against the rest, each class counted once."""
    given = random_predictions(300, 4, weighted=weighted)
    expected = roc_auc_score(
        given.labels, given.probabilities, multi_class="ovr", average="macro", sample_weight=given.weights
    )
    assert macro_area(given).value == pytest.approx(expected, rel=GRID)


def test_variance_of_two_classes_is_delongs() -> None:
    """S10 / m + S01 / n of the structural components, as the paper has it (equation 5), without ties."""
    given = random_predictions(120, 2)
    positive = given.labels == 1
    score = given.probabilities[:, 1]
    wins = (score[positive][:, None] > score[~positive]).astype(float)
    expected = wins.mean(axis=1).var(ddof=1) / positive.sum() + wins.mean(axis=0).var(ddof=1) / (~positive).sum()
    result = macro_area(given)
    assert np.square(result.influence).sum() == pytest.approx(expected, rel=GRID)


def test_difference_of_two_models_is_delongs() -> None:
    """The variance of the difference has the covariance of both models' components."""
    one = random_predictions(120, 2)
    other = predictions_of(np.random.default_rng(7).normal(size=(120, 2)) + np.eye(2)[one.labels], one.labels)
    positive = one.labels == 1
    components = []
    for given in (one, other):
        score = given.probabilities[:, 1]
        wins = (score[positive][:, None] > score[~positive]).astype(float)
        components.append((wins.mean(axis=1), wins.mean(axis=0)))
    (a10, a01), (b10, b01) = components
    error = np.sqrt((b10 - a10).var(ddof=1) / len(a10) + (b01 - a01).var(ddof=1) / len(a01))
    expected = b10.mean() - a10.mean() + 1.959963984540054 * np.array([-error, error])
    assert difference_interval(macro_area(one), macro_area(other)) == pytest.approx(tuple(expected), rel=1e-7)


def test_no_bit_depends_on_the_order_of_rows() -> None:
    given = coarse(500, 3, weighted=True)
    again = macro_area(rows_of(given, np.random.default_rng(3).permutation(500)))
    result = macro_area(given)
    assert again.value == result.value
    assert np.array_equal(again.influence, result.influence)


def test_interval_is_within_0_and_1_and_symmetric_in_the_logit() -> None:
    low, high = area_interval(Area(0.98, np.array([0.02, -0.02])))
    assert 0 < low < 0.98 < high < 1
    logits = [np.log(p / (1 - p)) for p in (low, 0.98, high)]
    assert logits[2] - logits[1] == pytest.approx(logits[1] - logits[0])
    assert difference_interval(Area(0.1, np.array([0.5])), Area(0.9, np.array([-0.5]))) == (-1.0, 1.0)


@pytest.mark.parametrize(("value", "influence"), [(0.0, 0.0), (1.0, 0.0), (0.5, 0.0)])
def test_areas_without_variation_have_none(value: float, influence: float) -> None:
    with pytest.raises(UndefinedAreaError):
        area_interval(Area(value, np.array([influence])))


def test_perfect_ranks_have_an_area_of_exactly_1() -> None:
    """Whatever the weights; and 0 for the opposite."""
    given = dataclasses.replace(random_predictions(99, 2, weighted=True), labels=np.arange(99) % 2)
    for sign, area in ((1, 1.0), (-1, 0.0)):
        logits = sign * np.eye(2)[given.labels]
        perfect = dataclasses.replace(predictions_of(logits, given.labels), weights=given.weights)
        assert macro_area(perfect).value == area


def test_a_class_with_one_unit_has_no_variance() -> None:
    """Its own placement value has no spread that could be seen, however many rows the unit has."""
    given = random_predictions(30, 2)
    lone = dataclasses.replace(given, units=np.where(given.labels == 1, 1000, given.units).astype(np.uint64))
    with pytest.raises(UndefinedAreaError, match="one independent row"):
        macro_area(lone)
