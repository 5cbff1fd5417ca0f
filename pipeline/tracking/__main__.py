"""The child process: reads events from standard input, one JSON object a line, and answers in the same way.

Events: ``start`` (stage, identity, params, circumstances, paths, experiment, time), of a training ``begun`` (key of its
checkpoint), ``resumed`` (it goes on from there) and ``epochs`` (records, time); ``finished`` (records since the last
``epochs``, for what no file tells, such as seconds; time), ``stopped`` (status, time). Answers: ``ready`` once the
store is open; then one of ``done`` (run_id, name, uri, sent, of a training has_model), ``nothing`` (the stage stopped
before there was a run) and ``failed`` (message). Times are in ms since 1970. When the input ends without ``finished``
or ``stopped``, the parent was killed, and so is the run.
"""

import gc

# Loading MLflow makes many objects and no garbage: collecting meanwhile, and at exit, takes an eighth longer.
gc.disable()

import atexit
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import mlflow  # noqa: F401

from pipeline.errors import UserError
from pipeline.repository import project
from pipeline.tracking import resend
from pipeline.tracking.client import location
from pipeline.tracking.runs import sweep_run
from pipeline.tracking.runs.train_run import Mirrored, Started
from pipeline.tracking.store import search
from pipeline.tracking.store.failures import FAILURES, explained
from pipeline.tracking.store.store import Store, open_store

gc.freeze()
gc.enable()

Answer = Callable[[dict[str, Any]], None]

# A stage sends what earlier ones could not, as long as it takes no longer than loading a stage's libraries.
_SENT_AT_ONCE = 4


def mirror(events: Iterable[dict[str, Any]], answer: Answer) -> None:
    """Follow one stage from its ``start`` event to its end."""
    events = iter(events)
    start = next(events, None)
    if start is None:
        return
    root = project.project_root()
    store = open_store(root, start["experiment"])
    search.end_abandoned(store, start["time"])
    answer({"answer": "ready"})
    models = start["paths"].get("models")
    joined = Path(models) if models and start["stage"] != "train" else None
    sent = resend.send(store, root, _SENT_AT_ONCE, joined).sent
    if start["stage"] == "train":
        run_id = _follow_training(Mirrored(store, Started.of(start)), events)
    else:
        record = (resend.JOINING | {"sweep": sweep_run.record})[start["stage"]]
        run_id = _at_the_end(events, partial(record, store, Started.of(start)))
    answer(_last_answer(store, run_id, start["stage"]) | {"sent": len(sent)})


def _follow_training(training: Mirrored, events: Iterable[dict[str, Any]]) -> str | None:
    try:
        for event in events:
            match event["event"]:
                case "begun":
                    training.checkpoint = event["key"]
                case "resumed":
                    training.go_on()
                case "epochs":
                    training.epochs(event["records"], event["time"])
                case "finished":
                    return training.finished(event["time"], event["records"])
                case "stopped":
                    training.stopped(event["status"], event["time"])
                    return training.run_id
    except BaseException as error:
        # A run that cannot be completed must not look as if it still ran.
        training.stopped("KILLED" if isinstance(error, SystemExit) else "FAILED", _now())
        raise
    training.stopped("KILLED", _now())
    return training.run_id


def _at_the_end(events: Iterable[dict[str, Any]], record: Callable[[int], str]) -> str | None:
    """Record a stage that leaves a run only if it ends well."""
    for event in events:
        if event["event"] == "finished":
            return record(event["time"])
    return None


def _last_answer(store: Store, run_id: str | None, stage: str) -> dict[str, Any]:
    if run_id is None:
        return {"answer": "nothing"}
    run = store.client.get_run(run_id)
    answer = {"answer": "done", "run_id": run_id, "name": run.info.run_name, "uri": location.masked(store.uri)}
    has_model = run.info.status != "FINISHED" or bool(run.outputs and run.outputs.model_outputs)
    return answer | ({"has_model": has_model} if stage == "train" else {})


def _now() -> int:
    return time.time_ns() // 1_000_000


def _keep_traceback() -> str:
    """Write the traceback of a bug where a person can find it, and say where."""
    path = project.project_root() / ".cache" / "tracking-error.txt"
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(location.masked(traceback.format_exc()), encoding="utf-8")
    except OSError:
        return ""
    return f" (traceback in {path})"


def _end(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(1)


def main() -> None:
    """Mirror the events of standard input; never a traceback, so that the parent has one sentence to pass on."""
    # Ctrl-C is for the parent, which tells what becomes of the run.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    # Libraries print to standard output; the answers keep the real one for themselves.
    with os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1) as answers:
        os.dup2(2, 1)

        def answer(content: dict[str, Any]) -> None:
            answers.write(json.dumps(content) + "\n")

        try:
            # Of a line without an end the parent was killed in the middle.
            mirror((json.loads(line) for line in sys.stdin if line.endswith("\n")), answer)
        except UserError as error:
            answer({"answer": "failed", "message": explained(error)})
        except Exception as error:
            known = isinstance(error, FAILURES)
            answer({"answer": "failed", "message": explained(error) + ("" if known else _keep_traceback())})


if __name__ == "__main__":
    main()
    # All is answered and stored. Taking MLflow's modules apart would take an eighth of a second, and the stage waits.
    atexit._run_exitfuncs()
    sys.stderr.flush()
    os._exit(0)
