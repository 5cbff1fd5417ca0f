"""A real MLflow store that the tests of this folder share, each with an experiment of its own."""

import itertools
import warnings
from pathlib import Path

import pytest

from pipeline.tracking.store.store import Store, open_store
from tests.tracking.outputs import Project

# MLflow warns of type hints of its own while it loads this module.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow.pyfunc  # noqa: F401

_numbers = itertools.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bear with MLflow, which uses SQLAlchemy in ways that SQLAlchemy calls old; our own warnings stay errors."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning"))


@pytest.fixture(scope="session")
def store_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the shared store."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def store(store_root: Path) -> Store:
    """The shared store, open at a new experiment."""
    return open_store(store_root, f"experiment {next(_numbers)}")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A small project with the outputs of all stages."""
    return Project(tmp_path / "project")
