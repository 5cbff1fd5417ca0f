"""The small project, made once and copied for each test."""

from pathlib import Path

import pytest

from tests.commands.verify.small import Small


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """The project that no test changes."""
    return Small.made_in(tmp_path_factory.mktemp("small") / "project")


@pytest.fixture
def small(committed: Small, tmp_path: Path) -> Small:
    """A copy of the project, for one test."""
    return committed.copied_to(tmp_path / "project")
