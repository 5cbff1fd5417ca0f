"""Softmax regression a person can trust, from CSV to probabilities.

    from pipeline import SoftmaxRegression, load

``load`` opens a trained model, ``SoftmaxRegression`` is an estimator of scikit-learn. Each is imported when it is first
asked for, so that a model loads without PyTorch, scikit-learn, MLflow and DVC.
"""

import importlib
from typing import Any

_MODULES = {"SoftmaxRegression": "pipeline.estimator.softmax_regression", "load": "pipeline.model_address"}

__all__ = ["SoftmaxRegression", "load"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_MODULES]
