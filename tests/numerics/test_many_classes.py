"""Hundreds of classes, rare ones among them: few passes, little memory."""

import subprocess
import sys

import numpy as np
import pytest

from pipeline.numerics.data.layout import Rows
from pipeline.numerics.solvers.lbfgs import class_shares
from pipeline.numerics.solvers.status import Status
from tests.problems import Problem, numbers_only, solve, synthetic


def _rare(rows: int, numbers: int, classes: int) -> Problem:
    """Class c has about 1 / c of the rows of class 1; each class that is drawn has at least one."""
    random = np.random.default_rng(0)
    x = random.standard_normal((rows, numbers), dtype=np.float32)
    scores = x @ (random.standard_normal((numbers, classes)) / np.sqrt(numbers)) - np.log(np.arange(1, classes + 1))
    labels = (scores + random.gumbel(size=scores.shape)).argmax(1)
    return numbers_only(x, np.unique(labels, return_inverse=True)[1])


@pytest.mark.slow
@pytest.mark.parametrize(("numbers", "passes"), [(1, 20), (6, 40)])
def test_rare_classes_take_few_passes_to_a_certificate(numbers: int, passes: int) -> None:
    """13 and 35 when this was written; of 6 columns, 45 where b did not start at the classes' shares."""
    problem = _rare(6000, numbers, 400)
    assert problem.classes > 256
    solved = solve(problem, solver="auto", l2=1 / 6000, tolerance=1e-8)
    assert solved.result.status == Status.CONVERGED
    assert solved.outcome.bound <= 1e-8 * solved.objective
    assert solved.outcome.passes <= passes


def test_shares_of_classes_are_of_weight() -> None:
    """A class of rows without weight has next to none, but a finite logarithm."""
    problem = synthetic(300, 2, (), 3)
    weights = np.where(problem.labels == 2, 0.0, 1.5)
    weighted = Problem(problem.numbers, problem.codes, problem.labels, weights=weights)
    shares = class_shares(Rows(weighted.blocks(64), (), 3, threads=2)).numpy()
    counts = np.bincount(problem.labels)[:2]
    np.testing.assert_allclose(shares[:2], counts / counts.sum(), rtol=1e-15)
    assert 0 < shares[2] < 1e-200


_TRAIN = r"""
import pathlib, re
import numpy as np
from tests.problems import numbers_only, solve

def mebibytes(name):
    return int(re.search(name + r":\s*(\d+)", pathlib.Path("/proc/self/status").read_text(encoding="utf-8"))[1]) / 1024

random = np.random.default_rng(0)
x = random.standard_normal((16_384, 4), dtype=np.float32)
shares = 1 / np.arange(1, 1201)
labels = random.choice(1200, size=16_384, p=shares / shares.sum())
problem = numbers_only(x, np.unique(labels, return_inverse=True)[1])
before = mebibytes("VmRSS")
solve(problem, solver="auto", l2=1 / 16_384, tolerance=1e-4)
print(mebibytes("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured in kilobytes there only")
def test_memory_is_that_of_one_probability_a_row_and_class() -> None:
    """118 MiB when this was written, 78 of them probabilities; 423 where pieces had 8,192 rows."""
    printed = subprocess.run([sys.executable, "-c", _TRAIN], check=True, capture_output=True, text=True).stdout
    assert float(printed) < 200
