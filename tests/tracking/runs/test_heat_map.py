"""Heat maps: the colours say what the numbers say, and every model gets a picture."""

import numpy as np
from PIL import Image

from pipeline.tracking.runs.heat_map import HeatMap

VALUES = np.array([[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], [[2.0, -2.0, 0.0], [1.0, -1.0, 0.5]]])


def pixels(picture: Image.Image, colour: tuple[int, int, int]) -> int:
    """How many pixels of a picture have this colour."""
    return int((np.asarray(picture) == colour).all(axis=2).sum())


def test_scale_is_shared_by_all_steps() -> None:
    """The largest weight of any snapshot has the full colour, and a picture of zeros has it only in its legend."""
    heat_map = HeatMap(["a", "b"], ["x1", "x2"], VALUES)
    first, last = (heat_map.draw("title", values) for values in VALUES)
    assert heat_map.scale == 2.0
    assert first.size == last.size
    assert pixels(first, (178, 24, 43)) < 100 < pixels(last, (178, 24, 43))


def test_wide_models_show_the_features_with_the_largest_weights() -> None:
    """Of a thousand features, the picture has those whose last weights are largest, in the model's order, and b."""
    values = np.zeros((1, 3, 1001))
    values[0, 1, 900], values[0, 2, 17] = 5.0, -7.0
    heat_map = HeatMap(["a", "b", "c"], [f"x{number}" for number in range(1000)], values)
    assert {"x17", "x900", "bias"} <= set(heat_map.features)
    assert heat_map.chosen == sorted(heat_map.chosen)
    assert heat_map.draw("title", values[0]).width < 1600


def test_any_names_and_values_are_drawn() -> None:
    """Long names, names in any script, control characters and weights that are no numbers make no difference."""
    values = np.array([[[np.nan, np.inf, 0.0]] * 40])
    heat_map = HeatMap(["класс\n" * 9] * 40, ["特徴", "x" * 300], values)
    assert heat_map.scale == 1.0
    assert pixels(heat_map.draw("title", values[0]), (160, 160, 160)) > 0


def test_the_cells_are_at_the_top_of_a_square() -> None:
    """Where MLflow shows the upper half of a square, the cells are in it, however many features there are."""
    for features in (2, 12, 200):
        values = np.ones((1, 3, features + 1))
        picture = HeatMap(["a", "b", "c"], [f"feature {n}" for n in range(features)], values).draw("title", values[0])
        full = (np.asarray(picture) == (178, 24, 43)).all(axis=2).any(axis=1)
        assert picture.height >= picture.width
        assert full[: picture.height // 2].sum() >= 90  # three rows of cells
