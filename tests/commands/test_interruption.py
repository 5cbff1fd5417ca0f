"""Ctrl-C, as a terminal sends it: nothing half-written, and one sentence on how to go on."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.project import UNTRACKED, Project

# A shell ignores the signal in what it starts in the background, and so would this.
_WORD = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal to a group of processes")
@pytest.mark.parametrize(
    ("every_s", "stage", "expected"),
    [
        (0.0, "train", "interrupted: the next `dvc repro` goes on after epoch "),
        (600.0, None, "interrupted: no checkpoint was written yet, the same command begins anew\n"),
    ],
)
def test_training_says_whether_it_goes_on(
    tmp_path: Path, repro: Path, every_s: float, stage: str | None, expected: str
) -> None:
    """After a checkpoint, with its epoch, from where the next training does go on; before the first one, anew."""
    project = Project.after_repro(tmp_path, repro)
    text = project.read("params.yaml")
    text = re.sub(r"(?m)^  epochs: \d+", "  epochs: 10000000", text)
    text = re.sub(r"(?m)^  every_s: [\d.]+", f"  every_s: {every_s}", text)
    (project.folder / "params.yaml").write_text(text, encoding="utf-8")
    variables = {name: value for name, value in os.environ.items() if name != "DVC_STAGE"} | UNTRACKED
    running = subprocess.Popen(
        [sys.executable, "-c", _WORD, "train", "--prepared", "data/prepared", "--out", "new"],
        cwd=project.folder,
        env=variables | ({"DVC_STAGE": stage} if stage else {}),
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    checkpoints = project.folder / ".cache" / "checkpoints"
    if every_s:
        time.sleep(4)
    else:
        while not list(checkpoints.glob("*.checkpoint")):
            time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert errors.lstrip("\n").startswith(expected)
    assert ("`dvc checkout` brings them back" in errors) is (stage is not None)
    assert not (project.folder / "new").exists()
