"""Questions to MLflow, asked of a process of its own: this one never loads it.

Where the store would be a file that is not there, nothing is asked: it knows of no run, and none is made.
"""

import contextlib
import json
import queue
import re
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from pipeline.errors import UserError
from pipeline.tracking.client import location
from pipeline.tracking.client.params import timeout_s
from pipeline.tracking.client.process import start_child

# Beside the wait for a database that another process holds.
_SECONDS = 120

# An id of an MLflow run, or enough of its start for a person to type; git's own ids are tried first.
RUN_ID = re.compile(r"[0-9a-f]{6,32}")


class StoreProcess:
    """The child process that has loaded MLflow and answers questions about a project's store, until the block ends.

    The first question starts it: loading takes seconds. Each method raises UserError if the store cannot be reached.
    """

    def __init__(self, project: Path, experiment: str) -> None:
        """``experiment`` is the MLflow experiment of the project."""
        self._project, self._experiment = project, experiment
        self._child: _Child | None = None

    def __enter__(self) -> "StoreProcess":
        """Nothing is started yet."""
        return self

    def __exit__(self, *error: object) -> None:
        """Kill the child, which has nothing left to do: it answers one question at a time."""
        if self._child:
            self._child.kill()

    def run(self, text: str) -> dict[str, Any]:
        """The run whose id is, or begins with, ``text``: its ``id``, ``status``, ``tags`` and ``metrics_md5``.

        The last is that of its metrics.json; None without an evaluation.
        Raises: UserError also if there is none, more than one, or no store.
        """
        run = self._ask({"ask": "run", "text": text})
        if not run:
            raise UserError(
                f"verify {text}: expected a revision of git, a DVC experiment, or an MLflow run, got a name that git "
                "and DVC do not know, and there is no MLflow store at "
                f"{location.sqlite_file(location.tracking_uri(self._project))}"
            )
        return run

    def examine(self, key: str, run_id: str | None, again: str | None, folder: Path) -> list[dict[str, Any]]:
        """``id``, ``tags``, ``differences`` and ``counts`` of the model's runs and the run ``run_id``, newest first.

        They are compared with the model's run in the store ``again``; without one, or without its address,
        ``differences`` is None. Artifacts are copied into ``folder``, which is the caller's to remove.
        """
        question = {"ask": "examine", "key": key, "run": run_id, "again": again, "folder": str(folder)}
        runs: list[dict[str, Any]] = self._ask(question).get("runs", [])
        return runs

    def attach(self, verdicts: dict[str, str], receipt: str) -> None:
        """Give each run its verdict as the tag ``verified``, and the receipt."""
        self._ask({"ask": "attach", "verdicts": verdicts, "receipt": receipt})

    def version_by_alias(self, name: str, alias: str) -> dict[str, str]:
        """``version`` of a registered model and address of its ``artifacts``; {} if no version has the alias."""
        return self._ask({"ask": "version", "name": name, "alias": alias})

    def fetch_version(self, name: str, version: str, folder: Path) -> None:
        """Copy the files of a version's model into a folder."""
        self._ask({"ask": "fetch", "name": name, "version": version, "folder": str(folder)})

    def state(self) -> dict[str, Any]:
        """The store's ``uri``, number of ``runs``, and ``abandoned``, those without a process; {} without a store."""
        return self._ask({"ask": "store"})

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """The answer; {} without a store."""
        database = location.sqlite_file(location.tracking_uri(self._project))
        if database is not None and not database.exists():
            return {}
        self._child = self._child or _Child(self._project)
        seconds = _SECONDS + timeout_s(self._project)
        try:
            answer = self._child.answer(question | {"experiment": self._experiment}, seconds)
        except (queue.Empty, RuntimeError) as error:  # the next question gets another child
            self._child.kill()
            self._child = None
            if isinstance(error, RuntimeError):
                raise
            raise UserError(
                f"MLflow: expected an answer, got none within {seconds:g} s; is MLFLOW_TRACKING_URI right?"
            ) from None
        if "failed" in answer:
            raise UserError(answer["failed"])
        return answer


class _Child:
    """`python -m pipeline.tracking.answer`: a line in, a line out."""

    def __init__(self, project: Path) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed by kill)
        self._process = start_child("pipeline.tracking.answer", self._errors, project)
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        """Queue each line, and at the end an empty one: a queue can be waited on for so many seconds everywhere."""
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def answer(self, question: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The answer to a question.

        Raises: queue.Empty after so many seconds; RuntimeError if the child ended.
        """
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=seconds)
        except OSError:  # nobody reads it
            line = b""
        if line.endswith(b"\n"):
            answer: dict[str, Any] = json.loads(line)
            return answer
        self._process.wait()
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace")
        raise RuntimeError(f"pipeline.tracking.answer ended with {self._process.returncode}:\n{text}")

    def kill(self) -> None:
        """End it at once; nothing of it is left."""
        self._process.kill()
        with self._errors, contextlib.suppress(OSError), self._process:  # half a question may wait to be written
            self._reader.join()
