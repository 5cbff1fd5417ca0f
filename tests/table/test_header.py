"""The header is asked for before a table is read: without one the address is refused."""

from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.table import header


def test_a_source_that_is_no_file(tmp_path: Path) -> None:
    """A path to nothing and a path to a folder are told apart."""
    with pytest.raises(UserError, match=r"nothing.csv: expected a CSV file: no such file"):
        header.column_names(tmp_path / "nothing.csv")
    with pytest.raises(UserError, match="expected a CSV file: is a directory"):
        header.column_names(tmp_path)
