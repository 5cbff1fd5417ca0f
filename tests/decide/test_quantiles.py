"""Quantiles of prediction sets against MAPIE and crepes, and the coverage that they promise."""

import math
from fractions import Fraction

import crepes
import mapie.classification
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pipeline.decide.quantiles import least_rows, quantile
from pipeline.scoring.prediction_sets import PredictionSets, scores

LEVELS = (0.5, 0.8, 0.9, 0.95)


def _probabilities(seed: int, n: int, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of rows and classes drawn with others: a model that is not calibrated."""
    generator = np.random.default_rng(seed)
    logits = 2 * generator.normal(size=(n, k))
    labels = np.argmax(0.5 * logits + generator.gumbel(size=(n, k)), axis=1)
    p = np.exp(logits)
    return p / p.sum(axis=1, keepdims=True), labels


def _own(method: str, p: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return scores(method, p)[np.arange(len(labels)), labels]


@pytest.mark.parametrize("level", LEVELS)
def test_lac_sets_are_those_of_mapie(level: float) -> None:
    """Of a fitted classifier that is not fitted again."""
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(900, 3)), generator.integers(0, 3, 900)
    x[np.arange(900), y] += 1
    model = LogisticRegression().fit(x[:200], y[:200])
    reference = mapie.classification.SplitConformalClassifier(model, confidence_level=level, conformity_score="lac")
    reference.conformalize(x[200:600], y[200:600])
    _, sets = reference.predict_set(x[600:])
    own = quantile(_own("lac", model.predict_proba(x[200:600]), y[200:600]), np.ones(400), level)
    assert own is not None
    contained = PredictionSets("lac", np.array([own])).contain(model.predict_proba(x[600:]))
    assert np.array_equal(contained, sets[:, :, 0])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("method", ["lac", "aps"])
@pytest.mark.parametrize("by_class", [False, True])
def test_sets_are_those_of_crepes(level: float, method: str, by_class: bool) -> None:
    """Which takes the scores as they are, and counts in place of taking a quantile."""
    (p, labels), (new, _) = _probabilities(2, 400), _probabilities(3, 300)
    own = _own(method, p, labels)
    groups = [labels == place for place in range(3)] if by_class else [slice(None)]
    columns = [[0], [1], [2]] if by_class else [[0, 1, 2]]
    new_scores = scores(method, new)
    references = [crepes.ConformalClassifier().fit(own[group]) for group in groups]
    expected = np.hstack(
        [
            fitted.predict_set(new_scores[:, column], confidence=level, smoothing=False)
            for fitted, column in zip(references, columns, strict=True)
        ]
    )
    quantiles = [quantile(own[group], np.ones(len(own[group])), level) for group in groups]
    contained = PredictionSets(method, np.array([np.inf if each is None else each for each in quantiles])).contain(new)
    assert np.array_equal(contained, expected.astype(bool))


@pytest.mark.parametrize("method", ["lac", "aps"])
def test_coverage_is_the_level_or_above(method: str) -> None:
    """Over draws of both kinds of rows the mean is between rank / (n + 1) and that: scores have no ties."""
    level, n = 0.8, 30
    covered = []
    for seed in range(400):
        p, labels = _probabilities(seed, n + 50)
        value = quantile(_own(method, p[:n], labels[:n]), np.ones(n), level)
        assert value is not None
        contained = PredictionSets(method, np.array([value])).contain(p[n:])
        covered.append(contained[np.arange(50), labels[n:]].mean())
    expected = math.ceil((n + 1) * level) / (n + 1)
    # Coverage of one draw varies by 0.09, so that the mean of 400 varies by 0.0046; four of these.
    assert np.mean(covered) == pytest.approx(expected, abs=0.019)
    assert expected >= level


def test_the_quantile_is_an_order_statistic_of_the_level_as_it_is_written() -> None:
    """0.55 of 20 is 11, though its float is a little more."""
    values = np.random.default_rng(0).permutation(np.arange(19) / 100)
    for level in (0.05, 0.35, 0.55, 0.7, 0.9, 0.95):
        rank = math.ceil(Fraction(str(level)) * 20)
        assert quantile(values, np.ones(19), level) == (rank - 1) / 100
    assert quantile(values, np.ones(19), 0.951) is None


def test_a_weight_is_that_many_rows() -> None:
    """Of whole weights, for every level; a weight that is not whole counts as its part."""
    generator = np.random.default_rng(1)
    values, weights = generator.random(40), generator.integers(0, 4, 40).astype(float)
    repeated = np.repeat(values, weights.astype(int))
    for level in np.arange(1, 100) / 100:
        assert quantile(values, weights, float(level)) == quantile(repeated, np.ones(len(repeated)), float(level))
    assert quantile(np.array([0.1, 0.2]), np.array([1.5, 1.5]), 0.5) == 0.2


@pytest.mark.parametrize(("level", "least"), [(0.9, 9), (0.95, 19), (0.99, 99), (0.5, 1), (0.55, 2)])
def test_the_least_number_of_rows_is_the_least(level: float, least: int) -> None:
    """One fewer has no quantile."""
    assert least_rows(level) == least
    assert quantile(np.arange(least) / 1.0, np.ones(least), level) is not None
    assert quantile(np.arange(least - 1) / 1.0, np.ones(least - 1), level) is None
