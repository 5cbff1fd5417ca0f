"""The child process: reads events from standard input, one JSON object a line, and answers in the same way.

Events: ``start`` (stage, params, paths, experiment, time), ``epochs`` (records, time), ``finished`` (time), ``stopped``
(status, time). Answers: ``ready`` once the store is open; then one of ``done`` (run_id, name, uri), ``nothing`` (the
stage stopped before there was a run) and ``failed`` (message). Times are in ms since 1970. When the input ends without
``finished`` or ``stopped``, the parent was killed, and so is the run.
"""

import gc

# Loading MLflow makes many objects and no garbage: collecting meanwhile, and at exit, costs two seconds.
gc.disable()

import json  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Callable, Iterable, Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, NoReturn  # noqa: E402

# Before MLflow loads. Without a second try a server that is down is known to be in seconds, not minutes.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")

from mlflow.exceptions import MlflowException  # noqa: E402
from requests import RequestException  # noqa: E402
from sqlalchemy.exc import SQLAlchemyError  # noqa: E402

from pipeline import provenance  # noqa: E402
from pipeline.errors import UserError  # noqa: E402
from pipeline.tracking import evaluation, join, location  # noqa: E402
from pipeline.tracking.store import Store, open_store  # noqa: E402
from pipeline.tracking.training import Mirrored  # noqa: E402

gc.freeze()
gc.enable()

Answer = Callable[[dict[str, Any]], None]

_MESSAGE_LENGTH = 400


def mirror(events: Iterable[dict[str, Any]], answer: Answer) -> None:
    """Follow one stage from its ``start`` event to its end."""
    events = iter(events)
    start = next(events, None)
    if start is None:
        return
    paths = {name: Path(path) for name, path in start["paths"].items()}
    store = open_store(provenance.project_root(), start["experiment"])
    join.end_abandoned(store, start["time"])
    answer({"answer": "ready"})
    if start["stage"] == "train":
        run_id = _follow_training(Mirrored(store, start["params"], paths, start["time"]), events)
    else:
        run_id = _follow_evaluation(store, start["params"], paths, events)
    answer(_told(store, run_id))


def _follow_training(training: Mirrored, events: Iterable[dict[str, Any]]) -> str | None:
    try:
        for event in events:
            match event["event"]:
                case "epochs":
                    training.epochs(event["records"], event["time"])
                case "finished":
                    return training.finished(event["time"])
                case "stopped":
                    training.stopped(event["status"], event["time"])
                    return training.run_id
    except BaseException as error:
        # A run that cannot be completed must not look as if it still ran.
        training.stopped("KILLED" if isinstance(error, SystemExit) else "FAILED", _now())
        raise
    training.stopped("KILLED", _now())
    return training.run_id


def _follow_evaluation(
    store: Store, params: dict[str, Any], paths: dict[str, Path], events: Iterable[dict[str, Any]]
) -> str | None:
    for event in events:
        if event["event"] == "finished":
            return evaluation.record(store, params, paths, event["time"])
    return None


def _told(store: Store, run_id: str | None) -> dict[str, Any]:
    if run_id is None:
        return {"answer": "nothing"}
    name = store.client.get_run(run_id).info.run_name
    return {"answer": "done", "run_id": run_id, "name": name, "uri": location.shown(store.uri)}


def _now() -> int:
    return time.time_ns() // 1_000_000


def _explained(error: BaseException) -> str:
    """One line about an error, without passwords."""
    chain = list(_chain(error))
    if any(isinstance(link, RequestException) for link in chain):
        uri = location.tracking_uri(provenance.project_root())
        text = f"{uri} cannot be reached: {chain[-1]}"
    else:
        text = str(error.message if isinstance(error, MlflowException) else error) or type(error).__name__
    return location.shown(" ".join(text.split()))[:_MESSAGE_LENGTH].rstrip(".")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from, the root last."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _keep_traceback() -> str:
    """Write the traceback of a bug where a person can find it, and say where."""
    path = provenance.project_root() / ".cache" / "tracking-error.txt"
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(location.shown(traceback.format_exc()), encoding="utf-8")
    except OSError:
        return ""
    return f" (traceback in {path})"


def _end(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(1)


def main() -> None:
    """Mirror what standard input tells; never a traceback, so that the parent has one sentence to pass on."""
    # Ctrl-C is for the parent, which tells what becomes of the run.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    # Libraries print to standard output; the answers keep the real one for themselves.
    with os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1) as answers:
        os.dup2(2, 1)

        def answer(content: dict[str, Any]) -> None:
            answers.write(json.dumps(content) + "\n")

        try:
            mirror((json.loads(line) for line in sys.stdin), answer)
        except UserError as error:
            answer({"answer": "failed", "message": _explained(error)})
        except Exception as error:
            known = isinstance(error, MlflowException | SQLAlchemyError | OSError | ImportError)
            answer({"answer": "failed", "message": _explained(error) + ("" if known else _keep_traceback())})


if __name__ == "__main__":
    main()
    gc.freeze()
