"""Outputs read from the workspace."""

import os
from pathlib import Path

import pytest

from pipeline.repository import outputs


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_may_never_end_is_not_read(tmp_path: Path) -> None:
    """A pipe without a writer would be waited for, a device such as /dev/zero would fill the memory."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    assert outputs.read(tmp_path / "pipe") is None
    assert outputs.read(tmp_path / "zeros") is None
