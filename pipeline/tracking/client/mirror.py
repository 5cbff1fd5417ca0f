"""Mirrors a stage into MLflow from a process of its own, beside the stage and never in its way.

The child loads MLflow while the stage loads what it needs, and is fed events through a pipe; ``pipeline.tracking``
says which. Whatever happens to it, the stage goes on and its files are complete; one sentence at the end tells, and
what MLflow did not get is kept for later (``pipeline.tracking.client.outbox``).
"""

import json
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from pipeline import screen
from pipeline.errors import UserError
from pipeline.repository import project
from pipeline.tracking.client import database_lock, experiment, location, outbox, run_context
from pipeline.tracking.client.outbox import OutboxEntry
from pipeline.tracking.client.params import TrackingParams
from pipeline.tracking.client.process import start_child
from pipeline.tracking.client.thinning import SECONDS_BETWEEN_BATCHES, SHARE_BETWEEN_BATCHES, Recent

_EXIT_SECONDS = 10.0

_NO_MODEL = "the run is complete, but has no model to load or serve: the server is of a version before MLflow 3"


class Mirror:
    """The parent's end of the pipe. No method raises because of the child, and none but ``finish`` waits for it."""

    def __init__(self, entry: OutboxEntry, params: TrackingParams, paths: Mapping[str, Path]) -> None:
        self._params = params
        self._entry = entry
        self._paths = dict(paths)
        self._began = time.monotonic()
        self._next_batch = self._began + params.live_after_s
        self._recent = Recent()
        self._has_run = False
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed by _leave)
        self._outgoing: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._child = start_child("pipeline.tracking", self._errors)
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._write, self._read)]
        for thread in self._threads:
            thread.start()

    def send(self, event: dict[str, Any]) -> None:
        """Pass an event on, with the time; returns at once, however slow the child is."""
        self._outgoing.put(event | {"time": now_ms()})

    def begun(self, key: str) -> None:
        """Tell the key of a training's checkpoint, by which a later process finds the run if this one is killed."""
        self.send({"event": "begun", "key": key})

    def resumed(self) -> None:
        """Tell that the training goes on where an earlier process was stopped, so that its run goes on too."""
        self.send({"event": "resumed"})
        self._has_run = True

    def catch_up(self, records: list[dict[str, Any]]) -> None:
        """Send records of the epochs before the child was started."""
        self.send({"event": "epochs", "records": records})
        self._has_run = True

    def watch(self, record: dict[str, Any]) -> None:
        """Take an epoch's record; every few seconds those that a chart needs are sent."""
        self._recent.add(record)
        now = time.monotonic()
        if now >= self._next_batch:
            self.catch_up(self._recent.take())
            self._next_batch = now + max(SECONDS_BETWEEN_BATCHES, SHARE_BETWEEN_BATCHES * (now - self._began))

    def wait_until_ready(self) -> None:
        """Wait until the store is open.

        Raises: UserError if it cannot be reached in time.
        """
        answer = self._next_answer(self._params.timeout_s)
        if answer["answer"] != "ready":
            self.abandon()
            raise UserError(
                f"params.yaml: tracking.required: expected MLflow to be there before the stage: {answer['message']}; "
                "mend the store or MLFLOW_TRACKING_URI, or set tracking.required: false"
            )

    def finish(self) -> str:
        """Tell that the stage ended well, and wait for its run.

        Returns: the sentence to print; it begins with ``warning:`` if the stage is not in MLflow, or not all of it.
        """
        ended = now_ms()
        self.send({"event": "finished", "records": self._recent.take()})
        answer = self._last_answer(self._params.timeout_s)
        self._leave()
        if answer["answer"] == "done":
            sent = f"; {answer['sent']} kept before went with it" if answer.get("sent") else ""
            sentence = f"MLflow: run {answer['run_id'][:8]} '{answer['name']}' in {answer['uri']}{sent}"
            return sentence if answer.get("has_model", True) else f"warning: {sentence}; {_NO_MODEL}"
        return f"warning: MLflow: {answer['message']}; the stage's files are complete, {self._keep_for_later(ended)}"

    def _keep_for_later(self, ended: int) -> str:
        """Keep what MLflow did not get, and tell where."""
        root = project.project_root()
        try:
            folder = outbox.keep(root, replace(self._entry, ended=ended), self._paths)
        except (OSError, UserError) as error:
            return f"only the run is missing ({error})"
        return f"its run is kept in {folder.relative_to(root)}: `python -m pipeline track` sends it"

    def stop(self, status: str) -> None:
        """Tell that the stage ended early; ``status`` is FAILED or KILLED."""
        if self._has_run:
            self.send({"event": "stopped", "status": status})
            self._last_answer(_EXIT_SECONDS)
            self._leave()
        else:
            self.abandon()

    def abandon(self) -> None:
        """Kill the child; it has no run yet."""
        self._child.kill()
        self._leave()

    def _last_answer(self, timeout: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        answer = self._next_answer(timeout)
        while answer["answer"] == "ready":
            answer = self._next_answer(deadline - time.monotonic())
        return answer

    def _next_answer(self, timeout: float) -> dict[str, Any]:
        try:
            return self._answers.get(timeout=max(0.0, timeout))
        except queue.Empty:
            self._child.kill()
            self._child.wait()  # what it held itself is free now
            waited = self._params.timeout_s
            database = location.sqlite_file(location.tracking_uri(project.project_root()))
            if database is not None and database_lock.is_held(database):
                return _failed(database_lock.sentence(database, waited))
            return _failed(f"no answer within {waited:g} s (tracking.timeout_s)")

    def _leave(self) -> None:
        """Close the pipe, and leave neither a process nor a file behind."""
        self._outgoing.put(None)
        try:
            self._child.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        for thread in self._threads:
            thread.join()
        self._errors.close()

    def _write(self) -> None:
        assert self._child.stdin is not None
        # Here, because git may take its time.
        self._entry = replace(self._entry, circumstances=run_context.here().to_json())
        try:
            with self._child.stdin as pipe:
                pipe.write(json.dumps(self._start_event()).encode() + b"\n")
                pipe.flush()
                while (event := self._outgoing.get()) is not None:
                    pipe.write(json.dumps(event, default=_plain).encode() + b"\n")
                    pipe.flush()
        except BrokenPipeError:
            pass  # the child is gone; what it said last, or did not say, tells why

    def _start_event(self) -> dict[str, Any]:
        return {
            "event": "start",
            "time": self._entry.started,
            "stage": self._entry.stage,
            "identity": self._entry.identity,
            "experiment": self._entry.experiment,
            "params": self._entry.params,
            "circumstances": self._entry.circumstances,
            "paths": {name: str(path) for name, path in self._paths.items()},
        }

    def _read(self) -> None:
        assert self._child.stdout is not None
        with self._child.stdout as pipe:
            for line in pipe:
                if line.endswith(b"\n"):  # else it was killed in the middle of the line
                    self._answers.put(json.loads(line))
        self._answers.put(_failed(self._last_words() or "its process ended without a word"))

    def _last_words(self) -> str:
        """The last line that the child wrote to standard error."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


@contextmanager
def started(
    stage: str, params: TrackingParams, document: Mapping[str, Any], paths: Mapping[str, Path]
) -> Iterator[Mirror]:
    """Mirror the stage that runs inside the block, and print one sentence about its run at the end.

    ``stage`` is train, evaluate, infer, report or sweep; ``document`` is the whole params document; ``paths`` names the
    folders prepared, models (but for sweep) and reports (but for train). Enter the block before the stage's heavy
    imports: the child's run beside them.
    The block's exceptions pass through unchanged.
    Raises: UserError before the block if ``params.required`` and MLflow cannot be reached.
    """
    mirror = Mirror(begun_entry(stage, params, document), params, paths)
    if params.required:
        mirror.wait_until_ready()
    try:
        yield mirror
    except BaseException as error:
        mirror.stop(status_of(error))
        raise
    finish(mirror, params)


def finish(mirror: Mirror, params: TrackingParams) -> None:
    """Wait for the run of a stage that ended well, and print where it is."""
    with screen.bar(f"waiting for MLflow, at most {params.timeout_s:g} s"):
        sentence = mirror.finish()
    screen.say(sentence, error=sentence.startswith("warning:"))


def status_of(error: BaseException) -> str:
    """The status of a run whose stage ended with ``error``."""
    return "KILLED" if isinstance(error, KeyboardInterrupt | SystemExit) else "FAILED"


def begun_entry(stage: str, params: TrackingParams, document: Mapping[str, Any]) -> OutboxEntry:
    """The stage as it begins; its circumstances, its records and its end come later."""
    content: dict[str, Any] = json.loads(json.dumps(document, default=_plain))
    began = now_ms()
    return OutboxEntry(
        stage=stage,
        identity=outbox.new_identity(),
        experiment=experiment.named(params.experiment, content),
        params=content,
        circumstances={},
        started=began,
        ended=began,
    )


def now_ms() -> int:
    """Time in ms since 1970."""
    return time.time_ns() // 1_000_000


def _plain(value: Any) -> Any:
    """A value that JSON does not know: numbers of numpy and torch as float, dates of YAML and the like as text."""
    return float(value) if hasattr(value, "__float__") else str(value)


def _failed(message: str) -> dict[str, Any]:
    return {"answer": "failed", "message": message}
