"""A model of numbers, categories and hostile class names, and tables for it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline import model
from pipeline.dataset.encoder import MISSING, UNSEEN, CategoryColumn, Encoder, NumberColumn
from pipeline.predictor import scorer
from pipeline.predictor.scorer import Scorer

CLASSES = ("a", 'b,"c"', "=d\ne")


def save_model(folder: Path, classes: Sequence[str] = CLASSES, seed: int = 0, scale: float = 2.0) -> Path:
    """A folder with a model of x, y and the category g."""
    numbers = tuple(NumberColumn(name, "number", 1.5, 1.5, scale, name == "x") for name in ("x", "y"))
    encoder = Encoder(numbers, (CategoryColumn("g", ("l0", "l1", MISSING, UNSEEN)),), "t", tuple(classes), ("", "NA"))
    draw = np.random.default_rng(seed)
    weights = draw.normal(size=(len(classes), len(encoder.features)))
    trained = model.Model(weights, draw.normal(size=len(classes)), encoder, {}, "", {"status": "converged"})
    model.save(folder, trained)
    return folder


def load(folder: Path) -> Scorer:
    return scorer.load(folder)


def write_csv(path: Path, rows: int, seed: int = 0) -> Path:
    """x, y, g, an id with quotes and a gap now and then, and a date that the model does not know."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(rows, 2)).round(3).tolist()
    g = draw.integers(0, 3, rows).tolist()
    lines = ['id,x,g,"the date",y']
    for row, ((first, second), level) in enumerate(zip(x, g, strict=True)):
        number = "" if row % 7 == 0 else first
        name = "" if row % 11 == 0 else "NA" if row % 13 == 0 else f'"no ""{row}"", a"' if row % 5 == 0 else f"{row:05}"
        lines.append(f"{name},{number},l{level},2024-01-{row % 28 + 1:02},{second}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
