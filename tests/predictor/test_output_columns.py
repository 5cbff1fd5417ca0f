"""One order and one set of names, in Arrow, in numpy and in what MLflow is told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.dataset.columns import Chunk, Texts
from pipeline.predictor import output_columns
from pipeline.predictor.batch import columns
from pipeline.predictor.scorer import ScoredRows
from pipeline.scoring.intervals import Intervals
from tests.predictor.batch.problems import CLASSES, load, save_model


@pytest.fixture
def scored(tmp_path: Path) -> ScoredRows:
    numbers = {"x": np.array([1.0, np.nan]), "y": np.array([0.5, 2.0])}
    scorer = load(save_model(tmp_path / "models"))
    return scorer.score(Chunk(1, 2, numbers, {"g": Texts(np.array([0, -1], dtype=np.int32), ("l0",))}))


def test_the_columns_in_numpy_are_those_in_arrow(scored: ScoredRows, tmp_path: Path) -> None:
    """Names, order and values."""
    block = output_columns.block(scored, CLASSES)
    table = columns.choose(load(tmp_path / "models")).table(scored, None)
    assert {name: values.tolist() for name, values in block.items()} == table.to_pydict()
    assert [*block] == table.column_names


def test_nothing_is_computed_that_is_not_asked_for(scored: ScoredRows) -> None:
    assert [*output_columns.block(scored, CLASSES, ["rank"])] == [f"rank_{label}" for label in CLASSES]
    assert "probabilities" not in vars(scored)


def test_groups_are_those_that_the_model_has(scored: ScoredRows) -> None:
    bounds = Intervals(*(np.full((2, len(CLASSES)), value) for value in (0.5, 0.25, np.nan)))
    with_bounds = output_columns.block(replace(scored, intervals=bounds), CLASSES)
    added = [name for name in with_bounds if name not in output_columns.block(scored, CLASSES)]
    assert added == [f"{group}_{label}" for group in output_columns.INTERVALS for label in CLASSES]
    assert [*with_bounds][-len(added) :] == added
    with pytest.raises(ValueError, match="a group that the model has"):
        output_columns.values("decision", scored)
