"""Tables that packages bring, through the stage, against MNLogit of statsmodels on the same float32 numbers.

Every number agrees to 1e-8 of itself, or, where it is near 0 beside others of its kind (estimates, errors, effects), to
1e-8 of the median magnitude of its column over the classes and features: MNLogit's sums round in float64, so that an
estimate of 1e-6 beside others of 1 has fewer digits there. MNLogit goes on to 1e-14. Where the squares of its columns
differ so much that its Hessian loses digits, both have the columns standardised.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

from tests.infer import real_tables
from tests.infer.problems import Inferred, Table, infer
from tests.infer.real_tables import standardised, with_dummies

CLOSE = 1e-8
QUICK: dict[str, Any] = {"reference": "k0", "passes": 0, "influence": 0}
QUICK_ONES = {"anes96", "penguins"}
BADLY_SCALED = {"fair", "penguins"}
TABLES: list[Callable[[], Table]] = [
    real_tables.anes96, real_tables.fair, real_tables.modechoice, real_tables.randhie, real_tables.star98,
    real_tables.spector, real_tables.diabetes, real_tables.breast_cancer, real_tables.wine, real_tables.penguins,
    real_tables.chile, real_tables.beps,
]  # fmt: skip


def reference_fit(table: Table, **options: Any) -> Any:
    """statsmodels, to its last digits, against class 0."""
    return sm.MNLogit(table.labels, table.frame).fit(method="newton", tol=1e-14, maxiter=100, disp=0, **options)


def assert_close(ours: np.ndarray, theirs: np.ndarray) -> None:
    """To 1e-8 of each number, or of their median."""
    np.testing.assert_allclose(ours, theirs, rtol=CLOSE, atol=CLOSE * float(np.median(np.abs(theirs))))


def assert_estimates(inferred: Inferred, expected: Any, classes: int) -> None:
    """Estimates and standard errors."""
    for name, values in (("estimate", expected.params), ("standard_error", expected.bse)):
        assert_close(inferred.column(name, classes - 1), np.asarray(values).T)


def assert_effects(inferred: Inferred, expected: Any, classes: int, columns: int) -> None:
    """Overall effects of the first number columns, per unit, and their standard errors."""
    of_statsmodels = expected.get_margeff()
    lines = inferred.lines("effects.csv")[: columns * classes]
    assert {line["change"] for line in lines} == {"per unit"}
    for name, values in (("effect", of_statsmodels.margeff), ("standard_error", of_statsmodels.margeff_se)):
        ours = np.array([float(line[name]) for line in lines]).reshape(columns, classes)
        assert_close(ours, values[:columns])


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, id=make.__name__, marks=[] if make.__name__ in QUICK_ONES else pytest.mark.slow)
        for make in TABLES
    ],
)
def test_a_table_has_the_numbers_of_statsmodels(tmp_path: Path, make: Callable[[], Table]) -> None:
    """Of the model with categories as codes, robust with them as numbers, so that all have effects, and by cluster."""
    table = make()
    if make.__name__ in BADLY_SCALED:
        table = standardised(table)
    classes, columns = table.classes, table.numbers.shape[1]

    expected = reference_fit(table)
    inferred = infer(tmp_path / "model", replace(table, kept=None), **QUICK)
    assert inferred.document["fit"]["log_likelihood"] == pytest.approx(expected.llf, rel=1e-11)
    assert_estimates(inferred, expected, classes)
    assert_effects(inferred, expected, classes, columns)

    dense = with_dummies(table)
    expected = reference_fit(dense, cov_type="HC0")
    inferred = infer(tmp_path / "robust", replace(dense, kept=None), covariance="robust", **QUICK)
    assert_estimates(inferred, expected, classes)
    assert_effects(inferred, expected, classes, dense.numbers.shape[1])

    expected = reference_fit(table, cov_type="cluster", cov_kwds={"groups": table.kept})
    asked: dict[str, Any] = {"covariance": "cluster", "cluster": "g", "correction": "statsmodels"}
    inferred = infer(tmp_path / "cluster", table, **asked, **QUICK)
    assert_estimates(inferred, expected, classes)
    assert_effects(inferred, expected, classes, columns)
