"""Questions to MLflow, asked of a process of its own: this one never loads it.

Where the store would be a file that is not there, nothing is asked: it knows of no run, and none is made.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.tracking import location
from pipeline.tracking.params import timeout_s

# Beside the wait for a database that another process holds.
_SECONDS = 120

# An id of an MLflow run, or enough of its start for a person to type; git's own ids are tried first.
RUN_ID = re.compile(r"[0-9a-f]{6,32}")


def run(project: Path, wanted: str, experiment: str) -> dict[str, Any]:
    """The run whose id is, or begins with, ``wanted``: its ``id``, ``status``, ``tags`` and ``metrics_md5``.

    The last is that of its metrics.json; None without an evaluation.

    Raises: UserError if there is none, more than one, or no store.
    """
    found = _ask(project, {"ask": "run", "wanted": wanted, "experiment": experiment})
    if not found:
        raise UserError(
            f"verify {wanted}: expected a revision of git, a DVC experiment, or an MLflow run, got a name that git and "
            f"DVC do not know, and there is no MLflow store at {location.sqlite_file(location.tracking_uri(project))}"
        )
    return found


def examine(
    project: Path, experiment: str, key: str, run_id: str | None, again: str | None, folder: Path
) -> list[dict[str, Any]]:
    """``id``, ``tags``, ``differences`` and ``counts`` of the model's runs, and of the run ``run_id``, newest first.

    They are compared with the model's run in the store ``again``; without one, or without its address,
    ``differences`` is None. Artifacts are copied into ``folder``, which is the caller's to remove.
    Raises: UserError if the store cannot be reached.
    """
    question = {"ask": "examine", "experiment": experiment, "key": key, "run": run_id, "again": again}
    runs: list[dict[str, Any]] = _ask(project, question | {"folder": str(folder)}).get("runs", [])
    return runs


def attach(project: Path, experiment: str, verdicts: dict[str, str], receipt: str) -> None:
    """Give each run its verdict as the tag ``verified``, and the receipt.

    Raises: UserError if the store cannot be reached.
    """
    _ask(project, {"ask": "attach", "experiment": experiment, "verdicts": verdicts, "receipt": receipt})


def store(project: Path, experiment: str) -> dict[str, Any]:
    """The store's ``uri``, its number of ``runs``, and ``abandoned``, runs whose process is gone; {} without a store.

    Raises: UserError if it cannot be opened.
    """
    return _ask(project, {"ask": "store", "experiment": experiment})


def _ask(project: Path, question: dict[str, Any]) -> dict[str, Any]:
    """The answer; {} without a store."""
    database = location.sqlite_file(location.tracking_uri(project))
    if database is not None and not database.exists():
        return {}
    code = str(Path(__file__).parents[1])
    known = os.environ.get("PYTHONPATH")
    seconds = _SECONDS + timeout_s(project)
    environment = os.environ | {"PYTHONPATH": f"{code}{os.pathsep}{known}" if known else code}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.tracking.questions"],
            cwd=project,
            env=environment,
            input=json.dumps(question),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UserError(
            f"MLflow: expected an answer, got none within {seconds:g} s; is MLFLOW_TRACKING_URI right?"
        ) from None
    if done.returncode:
        raise RuntimeError(f"pipeline.tracking.questions ended with {done.returncode}:\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if "failed" in answer:
        raise UserError(answer["failed"])
    return answer
