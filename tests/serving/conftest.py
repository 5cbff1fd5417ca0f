"""What several tests of serving use."""

from collections.abc import Iterator

import pytest

from tests.serving import models
from tests.serving.server import Server, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for a module's tests; columns, levels and classes of its model are named like markup."""
    folder = tmp_path_factory.mktemp("project")
    models.write(folder)
    with serving(folder) as running:
        yield running
