"""What every test may use."""

import os

import pytest
from hypothesis import settings  # loaded later than DVC and selenium it warns of what they have loaded

import pipeline  # noqa: F401  (pins the vector width before torch loads)

# Drawn tests repeat from run to run; `--hypothesis-profile=long` draws others, and more, where a test scales with it.
settings.register_profile("repeat", derandomize=True, deadline=None)
settings.register_profile("long", max_examples=3_000, deadline=None)
settings.load_profile("repeat")

# A test that runs DVC inside a DVC stage would otherwise work on the outer project.
for name in ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "MLFLOW_TRACKING_URI"):
    os.environ.pop(name, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first: with the short ones at the end both processes have work until it."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
