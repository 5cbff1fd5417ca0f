"""Tables that cannot be had: each with its sentence, and told before torch is loaded."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.infer.problems import drawn, infer
from tests.project import SOURCE

pytestmark = pytest.mark.slow

_INFER = """
import sys
from pathlib import Path
import numpy as np
from tests.infer.problems import Table, infer
x = np.arange(12.0)[:, None]
infer(Path(sys.argv[1]), Table(x, np.zeros((12, 0), int), {labels}, weights={weights}){params})
print("torch" in sys.modules)
"""
_MIXED = "np.arange(12) % 3"


def refused(folder: Path, labels: str, weights: str = "None", params: str = "") -> tuple[str, bool]:
    """The reason that infer gives on twelve rows of one number, and whether torch was loaded for it."""
    code = _INFER.format(labels=labels, weights=weights, params=params)
    printed = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=SOURCE, capture_output=True, text=True, check=True
    )
    document = json.loads((folder / "reports" / "inference.json").read_text(encoding="utf-8"))
    return document["refused"], printed.stdout.splitlines()[-1] == "True"


@pytest.mark.parametrize(
    ("labels", "weights", "params", "sentence"),
    [
        ("(x[:, 0] > 5).astype(int)", "None", "", "told apart without error: class k0 by x0, class k1 by x0"),
        ("np.zeros(12, int)", "None", "", "one class only"),
        (_MIXED, f"({_MIXED} != 1).astype(float)", "", "no training row counts for class k1"),
        (_MIXED, "None", ", enabled=False", "infer.enabled is false"),
        (_MIXED, "None", ", refit=False, train_params=dict(l1=0.1)", "under train.l1 is not known"),
    ],
    ids=["separable", "one class", "no row of a class", "disabled", "l1"],
)
def test_what_is_refused_needs_no_torch(tmp_path: Path, labels: str, weights: str, params: str, sentence: str) -> None:
    """All outputs are there, with the reason in them; tables have no line."""
    reason, loaded = refused(tmp_path, labels, weights, params)
    assert sentence in reason
    assert not loaded
    reports = tmp_path / "reports"
    for name in ("coefficients.csv", "effects.csv", "influence.csv"):
        assert len((reports / name).read_text(encoding="utf-8").splitlines()) == 1
    assert len((reports / "estimates.csv").read_text(encoding="utf-8").splitlines()) == 2
    assert (reports / "covariance.safetensors").exists()


def test_a_row_of_weight_0_mixes_no_classes(tmp_path: Path) -> None:
    """Rows that would make classes overlap do not, where they weigh nothing."""
    weights = "((x[:, 0] > 5) == (np.arange(12) % 2 == 1)).astype(float)"
    assert "told apart" in refused(tmp_path, "np.arange(12) % 2", weights)[0]


def test_a_column_called_as_b_is_refused(tmp_path: Path) -> None:
    """Lines of the tables would have the same name."""
    inferred = infer(tmp_path, replace(drawn(1, 100, levels=()), first_name="(intercept)"))
    assert inferred.document["refused"] == "a column is called (intercept), as b is in the tables; rename it"
