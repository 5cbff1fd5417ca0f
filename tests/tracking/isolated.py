"""A process that loads a model as somebody without this project does: nothing of it can be imported, nor reached.

Only packages of the model's own requirements are there, and what these need; connecting anywhere fails; pickle is off.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# What this project needs beside a model's requirements, and they do not.
_ABSENT = ("pipeline", "torch", "dvc", "fsspec", "ruamel", "rich", "tqdm", "filelock", "statsmodels")

_BEGIN = f"""
import socket, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {_ABSENT!r}:
            raise ModuleNotFoundError(f"{{name}} is not installed here", name=name)

def refuse(*arguments, **options):
    raise OSError("there is no network here")

sys.meta_path.insert(0, Absent())
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse

import json
import mlflow
import pandas as pd

folder, table, missing = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
model = mlflow.pyfunc.load_model(folder)
frame = pd.read_csv(table, keep_default_na=False, na_values=missing)
"""


def run(code: str, folder: str, table: Path, missing: tuple[str, ...] = (), **environment: str) -> Any:
    """What ``code`` leaves in ``answer``, as JSON; it finds ``model`` of ``folder`` and ``frame`` of ``table``."""
    command = [sys.executable, "-c", f"{_BEGIN}\n{code}\nprint(json.dumps(answer))"]
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MLFLOW"))}
    variables |= {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"} | environment
    done = subprocess.run(
        [*command, folder, str(table), json.dumps(missing)],
        cwd=Path(folder),
        env=variables,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
