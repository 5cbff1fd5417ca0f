"""Commands that verification runs: an environment in which nothing of the person's own decides, ended as a whole."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from pipeline.commands import launch
from pipeline.repository import git

# Switches of Python, of torchrun, of this program and of MLflow would change what runs, or where it writes.
_STEERING = ("PYTHON", "PIPELINE_", "MLFLOW_", "TORCHELASTIC_")
_OF_A_WORKER = ("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR")
# A shell that runs a stage's command sources or defines what these say: a function called python, for one.
_OF_SHELLS = ("BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "CDPATH", "GLOBIGNORE")
_FUNCTION_OF_BASH = "BASH_FUNC_"
_STAYS = (launch.WORKERS_VARIABLE, "PYTHONUTF8")


def environment() -> dict[str, str]:
    """This process's environment without what could change a stage's result, with this Python before any other.

    Bytecode is not written: none in the checkout can be older than its code.
    """
    cleaned = {
        name: value
        for name, value in git.repository_free_environment().items()
        if name in _STAYS
        or not (name.startswith((*_STEERING, _FUNCTION_OF_BASH)) or name in _OF_A_WORKER or name in _OF_SHELLS)
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), cleaned.get("PATH", "")])
    return cleaned | {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def run(command: list[str], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, both of its streams in ``stdout``; if this process is interrupted, end all of it."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        text, _ = process.communicate()
    except BaseException:
        _end(process)
        raise
    return subprocess.CompletedProcess(command, process.returncode, text)


def _end(process: subprocess.Popen[str]) -> None:
    """Kill a process and all that it started, children first found, so that none starts another."""
    try:
        parent: Any = psutil.Process
        started = parent(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        started = []
    process.kill()
    for child in started:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
