"""Scores and sets by hand."""

import numpy as np
import pytest

from pipeline.scoring.prediction_sets import PredictionSets, scores

P = np.array([[0.2, 0.5, 0.3], [0.25, 0.25, 0.5], [1.0, 0.0, 0.0]])


def test_lac_scores_are_what_the_class_lacks_of_certainty() -> None:
    """1 - p of each class."""
    assert np.array_equal(scores("lac", P), 1 - P)


def test_aps_scores_add_up_all_classes_at_least_as_probable() -> None:
    """Its own included; equal ones in the order of the classes."""
    assert scores("aps", P) == pytest.approx(np.array([[1.0, 0.5, 0.8], [0.75, 1.0, 0.5], [1.0, 1.0, 1.0]]))


def test_a_set_holds_the_classes_whose_score_is_at_most_the_quantile() -> None:
    """One for all classes, or one a class; infinity is every row."""
    assert PredictionSets("lac", np.array([0.7])).contain(P).tolist() == [
        [False, True, True],
        [False, False, True],
        [True, False, False],
    ]
    assert PredictionSets("lac", np.array([0.0, np.inf, 0.0])).contain(P).tolist() == [
        [False, True, False],
        [False, True, False],
        [True, True, False],
    ]


@pytest.mark.parametrize("method", ["lac", "aps"])
def test_a_larger_quantile_has_larger_sets_and_rows_stand_alone(method: str) -> None:
    """Sets are nested, and do not depend on the rows around."""
    generator = np.random.default_rng(0)
    p = generator.dirichlet(np.full(4, 0.3), 200)
    before = np.zeros(p.shape, dtype=bool)
    for quantile in (0.0, 0.3, 0.6, 0.9, 1.0, np.inf):
        sets = PredictionSets(method, np.array([quantile]))
        now = sets.contain(p)
        assert (now >= before).all()
        assert np.array_equal(np.concatenate([sets.contain(row[np.newaxis]) for row in p]), now)
        before = now
    assert before.all()
