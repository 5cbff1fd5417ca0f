"""docs/python.md: every line of Python runs, and gives what stands below it."""

import doctest
import os
from pathlib import Path

import pytest

from tests.project import SOURCE


@pytest.mark.slow
def test_the_page_says_what_python_says(repro: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repro)
    result = doctest.testfile(os.fspath(SOURCE / "docs/python.md"), module_relative=False)
    assert result.attempted > 20
    assert not result.failed
