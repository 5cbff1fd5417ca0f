"""The environment of the child processes that load MLflow, so that a stage or a command need not."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO


def child_environment() -> dict[str, str]:
    """This process's variables, by which a child imports this package's code, whatever the current folder holds."""
    code, inherited = str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": f"{code}{os.pathsep}{inherited}" if inherited else code}


def start_child(errors: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start ``python -m pipeline.tracking`` with this package's code, whatever the current folder holds.

    In a session of its own a key press that interrupts the stage does not reach it, so it can still close the run.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.tracking"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=child_environment(),
        start_new_session=True,
    )
