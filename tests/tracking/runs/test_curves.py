"""Metrics from outputs: complete where a chart can show it, thinned where it cannot."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tracking.runs import curves, outputs
from tests.tracking.outputs import Project


@given(st.integers(1, 10_000), st.integers(2, 500))
def test_thinned_keeps_both_ends_and_the_limit(count: int, limit: int) -> None:
    """The first and the last position stay, and the gaps between positions differ by at most one."""
    thinned_steps = curves.thinned(count, limit).tolist()
    gaps = {after - before for before, after in itertools.pairwise(thinned_steps)}
    assert (thinned_steps[0], thinned_steps[-1], len(thinned_steps)) == (0, count - 1, min(count, limit))
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_each_of_1001_costs_is_kept_and_100000_are_thinned() -> None:
    """A chart's worth of costs is complete; of a very long training, ends and shape remain."""
    for epochs, expected in ((1001, 1001), (100_000, 2000)):
        history = {"epoch": [float(e) for e in range(epochs)], "cost": [1 / (1 + e) for e in range(epochs)]}
        metrics = curves.costs(history, 7)
        assert len(metrics) == expected
        assert [metrics[0].step, metrics[-1].step] == [0, epochs - 1]
        assert all(metric.value == 1 / (1 + metric.step) for metric in metrics)


@pytest.mark.parametrize(("rates", "logged"), [([0.1, 0.1], False), ([0.1, 0.05], True)])
def test_learning_rate_is_a_curve_only_if_it_changes(rates: list[float], logged: bool) -> None:
    """A constant learning rate stays among the params, one with a schedule is a curve, streamed epochs or not."""
    history = {"epoch": [0.0, 1.0], "cost": [2.0, 1.0], "lr": rates}
    steps = [metric.step for metric in curves.costs(history, 0, known=[0, 1]) if metric.key == "by epoch/lr"]
    assert steps == ([0, 1] if logged else [])


def test_epochs_that_were_streamed_are_not_written_again() -> None:
    """Known epochs are left out of the cost curve."""
    history = {"epoch": [0.0, 1.0, 2.0], "cost": [3.0, 2.0, 1.0]}
    assert [metric.step for metric in curves.costs(history, 0, known=[0, 2])] == [1]


def test_small_models_have_weight_curves_by_updates(project: Project) -> None:
    """Each scalar of W and b is a curve whose last point is the model's own weight."""
    metrics = curves.weights(outputs.read_training(project.paths["models"]), 0)
    last = {metric.key: metric.value for metric in metrics if metric.step == project.epochs}
    assert sorted({metric.step for metric in metrics}) == [0, 1, 3, 5]
    assert len(last) == 3 * (3 + 1)
    assert last["weights/bee/island:Biscoe"] == project.model.weights[1, 1]
    assert last["weights/cow/bias"] == project.model.bias[2]


def test_large_models_have_no_weight_curves(tmp_path: Path) -> None:
    """More than 32 scalars are left to pictures and files."""
    project = Project(tmp_path, features=[f"x{number}" for number in range(8)])
    assert curves.weights(outputs.read_training(project.paths["models"]), 0) == []


def test_evaluation_shows_the_main_split_and_the_splits_side_by_side() -> None:
    """The test split gives the plain metrics; what is not defined, and what is infinite, is left out."""
    metrics: dict[str, Any] = {
        "train": {"rows": 6, "log_loss": 0.1, "accuracy": 1.0},
        "test": {"rows": 2, "log_loss": 0.5, "accuracy": 0.5, "roc_auc_ovr": None, "brier": float("inf")},
        "baseline": [{"split": "train", "log_loss": 1.0}, {"split": "test", "log_loss": 1.5, "accuracy": 0.25}],
        "per_class": [{"split": "test", "class": True, "f1": 0.5}, {"split": "train", "class": True, "f1": 1.0}],
    }
    bars = curves.evaluation(metrics, 0)
    assert {bar.step for bar in bars} == {0}
    assert {bar.key: bar.value for bar in bars} == {
        "eval/log_loss": 0.5,
        "eval/accuracy": 0.5,
        "eval/log_loss/train": 0.1,
        "eval/log_loss/test": 0.5,
        "eval/log_loss/baseline": 1.5,
        "eval/accuracy/train": 1.0,
        "eval/accuracy/test": 0.5,
        "eval/accuracy/baseline": 0.25,
        "eval/f1/true": 0.5,
    }
