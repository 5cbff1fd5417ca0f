"""Start the child processes that load MLflow, so that a stage or a command need not."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO


def start_child(module: str, errors: IO[bytes], folder: Path | None = None) -> subprocess.Popen[bytes]:
    """Start ``python -m module`` with this package's code, whatever the current folder or ``folder`` holds.

    Its input and output are pipes, its messages go to ``errors``. In a session of its own, on Windows in a group, a key
    press that interrupts this process does not reach it, so a stage's child can still close the run.
    """
    code, inherited = str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH")
    return subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{code}{os.pathsep}{inherited}" if inherited else code},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
