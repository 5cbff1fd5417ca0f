"""A disk without room: one sentence that says so, whoever met it, and nothing left behind."""

import os
import subprocess
import sys

import pytest

from tests.commands.verify.small import Small
from tests.prepare.test_interrupted import on_a_small_disk
from tests.project import SOURCE

_CHILD = """
import sys
from pathlib import Path
from pipeline.errors import UserError
from pipeline.commands.verify import checkout, declared, lockfile_check
project, commit = Path(sys.argv[1]), sys.argv[2]
try:
    with checkout.checked_out(project, commit) as place:
        recorded = lockfile_check.read(place.folder, commit)
        place.set_aside(recorded)
        place.get_data(recorded)
        place.run_stages({})
except UserError as error:
    print(error)
print(list((project / ".cache").iterdir()))
"""


@pytest.mark.slow
@pytest.mark.parametrize("writer", ["git", "a stage"])
def test_a_full_disk_is_told_as_one(small: Small, writer: str) -> None:
    """Whether git checks a file out or a stage writes one, the sentence is of the disk, and the checkout is gone."""
    if writer == "git":
        (small.folder / "big").write_bytes(os.urandom(500_000))
    else:
        small.edit("stage.py", lambda text: text + "\n(folder / 'big').write_bytes(bytes(10**6))\n")
    commit = small.commit()
    (small.folder / ".cache").mkdir(exist_ok=True)
    command = [sys.executable, "-c", _CHILD, str(small.folder), commit]
    command = on_a_small_disk(small.folder / ".cache", command)
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    sentence, left = done.stdout.strip().splitlines()
    assert "/.cache/verify-" in sentence
    assert "cannot be written: no space left on device (0.0 MiB free); make room" in sentence
    assert left == "[]"
