"""The model in Python needs only what `pip install .` brings: neither the command line's libraries nor the trackers."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).parent.parent.parent

_BLOCK = """
import sys

class Absent:
    names = set(sys.argv[1].split(","))

    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""

_FIT = """
import numpy as np
from pipeline import SoftmaxRegression, load

X = np.random.default_rng(0).normal(size=(60, 3))
fitted = SoftmaxRegression().fit(X, np.arange(60) % 3)
print(fitted.summary(), fitted.predict_proba(X).sum())
again = SoftmaxRegression.from_params("params.yaml").fit_file("data/raw/tutorial.csv", "y")
print(again.model_.key == load("models").model.key)
"""

_LOAD = """
import numpy as np
from pipeline import load

loaded = load("models")
print(loaded.predict(np.ones((2, 4))), loaded.explain(np.ones((1, 4))).of_row(0))
print(sorted({"torch", "mlflow", "dvc", "sklearn", "scipy"} & sys.modules.keys()))
"""

# Where a distribution's module is called otherwise.
_MODULES = {"Jinja2": "jinja2", "pillow": "PIL"}


def _absent() -> str:
    """The modules of the extras that are no dependencies."""
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [Requirement(text).name for name in ("pipeline", "serve", "export", "share")
              for text in project["optional-dependencies"][name]]  # fmt: skip
    needed = {Requirement(text).name for text in project["dependencies"]}
    # torch brings these two itself.
    left = {_MODULES.get(name, name.replace("-", "_")) for name in extras if name not in needed}
    return ",".join(sorted(left - {"filelock", "jinja2"}))


def _printed(code: str, folder: Path) -> str:
    run = subprocess.run(
        [sys.executable, "-c", _BLOCK + code, _absent()],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_an_estimator_is_fitted_without_the_extras(repro: Path) -> None:
    printed = _printed(_FIT, repro)
    assert "class 1 against 0" in printed
    assert printed.endswith("True\n")


def test_a_model_is_loaded_without_torch(repro: Path) -> None:
    printed = _printed(_LOAD, repro)
    assert printed.endswith("[]\n")


def test_the_command_line_says_that_it_is_not_installed(repro: Path) -> None:
    code = "import runpy\nsys.argv[:] = ['softmax']\nrunpy.run_module('pipeline', run_name='__main__')"
    run = subprocess.run(
        [sys.executable, "-c", _BLOCK + code, _absent()],
        cwd=repro, env=os.environ | {"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stderr.count("\n")) == (1, 1)
    assert "the command line is not installed" in run.stderr
