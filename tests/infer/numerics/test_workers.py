"""The same bits from any number of processes, under real torchrun."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import SOURCE


def _digest(workers: int, out: Path) -> str:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={workers}"] if workers > 1 else []
    words = [sys.executable, *launcher, "-m", "tests.infer.numerics.all_numbers", str(out)]
    subprocess.run(words, cwd=SOURCE, check=True, env=os.environ, timeout=240)
    return out.read_text()


@pytest.mark.slow
def test_workers_leave_no_bit_in_inference(tmp_path: Path) -> None:
    """Three processes, one of them without a block: sums, maximum, clusters, changes and influence."""
    assert _digest(3, tmp_path / "three") == _digest(1, tmp_path / "one")
