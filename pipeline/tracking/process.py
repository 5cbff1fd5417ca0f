"""The environment of the child processes that load MLflow, so that a stage or a command need not."""

import os
from pathlib import Path


def child_environment() -> dict[str, str]:
    """This process's variables, by which a child imports this package's code, whatever the current folder holds."""
    code, inherited = str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": f"{code}{os.pathsep}{inherited}" if inherited else code}
