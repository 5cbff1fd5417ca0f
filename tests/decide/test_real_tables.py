"""Coverage and scaling on public tables that scikit-learn brings, split at random again and again."""

import math

import numpy as np
import pytest
import sklearn.datasets
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from pipeline.decide import temperature
from pipeline.decide.quantiles import quantile
from pipeline.scoring.prediction_sets import scores
from pipeline.scoring.probabilities import softmax
from pipeline.scoring.scaling import log_probabilities
from tests.decide.coverage_law import interval_of_share
from tests.decide.rows import log_loss, rows_of

pytestmark = pytest.mark.slow

LOADERS = {
    "digits": sklearn.datasets.load_digits,
    "wine": sklearn.datasets.load_wine,
    "breast cancer": sklearn.datasets.load_breast_cancer,
    "iris": sklearn.datasets.load_iris,
}
LEVEL = 0.9
EACH = pytest.mark.parametrize("name", LOADERS)


def splits(name: str, count: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Logits and labels of validation and test halves, of a model of strong penalty on a tenth of the rows."""
    x, y = LOADERS[name](return_X_y=True)
    tenth = max(30, len(y) // 10)
    drawn = []
    for seed in range(count):
        order = np.random.default_rng(seed).permutation(len(y))
        train, rest = order[:tenth], order[tenth:]
        scaler = StandardScaler().fit(x[train])
        model = LogisticRegression(C=0.02).fit(scaler.transform(x[train]), y[train])
        logits = model.decision_function(scaler.transform(x[rest]))
        logits = np.column_stack([np.zeros(len(rest)), logits]) if logits.ndim == 1 else logits
        half = len(rest) // 2
        drawn.append((logits[:half], y[rest][:half], logits[half:], y[rest][half:]))
    return drawn


@EACH
@pytest.mark.parametrize("method", ["lac", "aps"])
@pytest.mark.parametrize("by_class", [False, True])
def test_coverage_is_what_is_promised(name: str, method: str, by_class: bool) -> None:
    """Over 60 splits it has the law that follows from their being drawn; ties cover more, and never less."""
    covered, below, draws = 0, 0, []
    for validation, labels, test, truth in splits(name, 60):
        own, new = (
            scores(method, softmax(logits))[np.arange(len(classes)), classes]
            for logits, classes in ((validation, labels), (test, truth))
        )
        for label in np.unique(truth) if by_class else [None]:
            earlier, later = (own, new) if label is None else (own[labels == label], new[truth == label])
            value = quantile(earlier, np.ones(len(earlier)), LEVEL)
            value = math.inf if value is None else value
            covered += np.count_nonzero(later <= value)
            below += np.count_nonzero(later < value)
            draws.append((len(earlier), len(later)))
    # A tail of 1e-4: with 16 cases of two tails, 3 in 1,000 choices of the 60 seeds fail by chance.
    low, high = interval_of_share(draws, LEVEL, 1e-4)
    rows = sum(later for _, later in draws)
    assert covered / rows >= low
    assert below / rows <= high


@EACH
def test_a_temperature_helps_a_model_that_is_unsure(name: str) -> None:
    """A penalty of 50 times the usual one: the log loss of rows that nothing has seen falls in nearly every split."""
    better = []
    for validation, labels, test, truth in splits(name, 10):
        fitted = temperature.fit(rows_of(validation, labels, np.ones(len(labels))), validation.shape[1])
        ones = np.ones(len(truth))
        before = log_loss(log_probabilities(test), truth, ones)
        better.append(log_loss(fitted.scaling.logits(test), truth, ones) < before)
        assert float(fitted.scaling.weights) > 1
    assert np.mean(better) >= 0.9
