"""The answers in docs/serve.md are what the server says."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.project import SOURCE
from tests.serving.server import serving

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")]

_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def test_the_session_is_true(repro: Path, tmp_path: Path) -> None:
    """Each command prints what stands below it; `...` stands for any text."""
    text = (SOURCE / "docs" / "serve.md").read_text(encoding="utf-8")
    lines = [line for block in _BLOCK.findall(text) for line in block.splitlines()]
    assert len(lines) == 6
    with serving(repro, "--prepared", "data/prepared", log=tmp_path / "server.log") as server:
        for command, expected in zip(lines[::2], lines[1::2], strict=True):
            words = shlex.split(command.removeprefix("$ ").replace("http://127.0.0.1:8080", server.url))
            printed = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", check=True).stdout
            assert re.fullmatch(".*".join(map(re.escape, expected.split("..."))), printed), printed
