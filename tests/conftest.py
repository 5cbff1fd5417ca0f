"""What every test may use."""

import os
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings  # loaded later than DVC and selenium it warns of what they have loaded

from tests.project import UNTRACKED, Project

# Drawn tests repeat from run to run; `--hypothesis-profile=long` draws others, and more, where a test scales with it.
settings.register_profile("repeat", derandomize=True, deadline=None)
settings.register_profile("long", max_examples=3_000, deadline=None)
settings.load_profile("repeat")

# A test that runs DVC inside a DVC stage would otherwise work on the outer project; pytest-xdist sets a screen's width.
for name in ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "MLFLOW_TRACKING_URI", "COLUMNS"):
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def repro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as shipped after one `dvc repro`, to be copied: run once, whichever process of pytest-xdist asks."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with FileLock(folder / "repro.lock"):
        if not (folder / "repro").exists():
            project = Project(folder / "repro.part")
            project.dvc("repro", **UNTRACKED)
            project.folder.rename(folder / "repro")
    return folder / "repro"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first: with the short ones at the end both processes have work until it."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
