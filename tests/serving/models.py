"""A model of every kind of column, with names that must be escaped, and all that `decide` may leave beside it."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import model
from pipeline.dataset.encoder import MISSING, UNSEEN, CategoryColumn, Encoder, NumberColumn
from pipeline.dataset.writer import Writer
from pipeline.model import Model
from pipeline.output_files import DECISION_FILE
from pipeline.scoring import decision

CLASSES = ("bird", 'c"a%t</script>', "ünï,x")
LEVELS = ("red", "12", "</script>", 'say "q"')
MISSING_VALUES = ("", "NA")
RANGE = (-3.0, 3.0)

ENCODER = Encoder(
    numbers=(
        NumberColumn("x 1", "number", 0.25, 0.25, 1.5, indicator=True),
        NumberColumn("100%", "number", 0.0, 0.0, 1.0, indicator=False),
        NumberColumn("price", "number 1.234,5", 0.5, 0.5, 1000.0, indicator=False),
        NumberColumn("alive", "boolean", 0.5, 0.0, 1.0, indicator=False),
        NumberColumn("day weekday", "date", 3.0, 3.0, 2.0, indicator=False),
    ),
    categories=(CategoryColumn('colour"<b>', (*LEVELS, MISSING, UNSEEN)),),
    target="animal",
    classes=CLASSES,
    missing_values=MISSING_VALUES,
)
COLUMNS = list(ENCODER.types)

_SCHEMA = {
    "rows": 4,
    "columns": [
        {"name": "x 1", "role": "feature", "kind": "number", "minimum": RANGE[0], "maximum": RANGE[1]},
        {"name": "animal", "role": "target", "kind": "text", "levels": []},
    ],
    "ignored": [],
}


def write(folder: Path, seed: int = 0, *, decided: bool = True) -> Model:
    """Write ``prepared`` and ``models`` into a folder; another seed is another model."""
    (folder / "prepared").mkdir(parents=True, exist_ok=True)
    digest = Writer(folder / "prepared").finish(_SCHEMA, ENCODER)
    random = np.random.default_rng(seed)
    k, d = len(CLASSES), len(ENCODER.features)
    # Logits from tiny to large, so that probabilities of every length and size are written.
    trained = Model(
        random.normal(size=(k, d)) * 8, random.normal(size=k), ENCODER, {"seed": seed}, digest, {"status": "converged"}
    )
    model.save(folder / "models", trained)
    if decided:
        decision.save(folder / "models" / DECISION_FILE, _decision(trained))
    return trained


def _decision(trained: Model) -> decision.DecisionForm:
    k = len(CLASSES)
    calibration: dict[str, Any] = {
        **{"method": "vector", "applied": True, "reason": "", "notes": [], "rows": 9},
        **{"weights": [0.7] * k, "bias": [0.1, 0.0, -0.1], "bound": 0.0, "judged": None},
    }
    matrix = [[0.0 if row == column else 1.0 for column in range(k)] for row in range(k)]
    return decision.DecisionForm.model_validate_json(
        json.dumps(
            {
                "format": decision.FORMAT,
                "model": trained.key,
                "settings": {},
                "calibration": calibration,
                "sets": {
                    **{"method": "aps", "coverage": 0.9, "by_class": False, "reason": "", "notes": []},
                    **{"quantiles": [0.95], "rows": 100},
                },
                "costs": {"classes": list(CLASSES), "matrix": matrix, "thresholds": None, "abstain": 0.3},
            }
        )
    )


def drawn_rows(n: int) -> list[list[str]]:
    """Cells of rows as a table has them: gaps, levels and numbers that training did not see."""
    random = np.random.default_rng(1)
    rows = []
    for _ in range(n):
        colour = random.choice([*LEVELS, "new", "", "NA"])
        cells = [
            repr(float(random.normal() * 2)),
            str(random.integers(-5, 5)),
            f"{random.integers(1, 9)}.{random.integers(100, 999)},{random.integers(0, 99)}",
            str(random.choice(["true", "False"])),
            f"2026-0{random.integers(1, 9)}-1{random.integers(0, 9)}",
            str(colour),
        ]
        rows.append(["NA" if random.random() < 0.05 else cell for cell in cells])
    return rows


def write_csv(path: Path, rows: list[list[str]]) -> None:
    """The rows as a table, its columns in another order than the model's, and one that the model does not know."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*reversed(COLUMNS), "other"])
        writer.writerows([[*reversed(row), "1"] for row in rows])


def values(row: list[str]) -> list[Any]:
    """The cells as a program would send them: numbers, true, texts, null."""
    kinds: list[Any] = [float, int, str, lambda cell: cell.lower() == "true", str, str]
    return [None if cell in MISSING_VALUES else kind(cell) for cell, kind in zip(row, kinds, strict=True)]
