"""The child process that answers one question about the store, so that who asks need not load MLflow.

``python -m pipeline.tracking.questions`` reads one JSON object from standard input and prints one line of JSON:

    {"ask": "run", "wanted", "experiment"}                            id, status and tags of a run
    {"ask": "attach", "key", "run", "tag", "receipt", "experiment"}   ids of the runs, and tags of the newest
    {"ask": "store", "experiment"}                                    uri, runs and abandoned; nothing without a store

What a person has to mend comes back as ``failed``.
"""

import contextlib
import json
import os
import sys
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")

from pipeline import provenance
from pipeline.errors import UserError
from pipeline.tracking import join, location, receipts
from pipeline.tracking.failures import as_user_errors
from pipeline.tracking.store import Store, open_store


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Do what a question asks for; never make a store, for a new one knows of no run."""
    root = provenance.project_root()
    database = location.sqlite_file(location.tracking_uri(root))
    if database is not None and not database.exists():
        return _without_store(question, str(database))
    store = open_store(root, question["experiment"])
    match question["ask"]:
        case "run":
            run = receipts.find(store, question["wanted"])
            return {"id": str(run.info.run_id), "status": run.info.status, "tags": dict(run.data.tags)}
        case "attach":
            runs = receipts.attach(store, question["key"], question["run"], question["tag"], question["receipt"])
            tags = dict(runs[0].data.tags) if runs else {}
            return {"ids": [str(run.info.run_id) for run in runs], "tags": tags}
        case _:
            return _state(store)


def _without_store(question: dict[str, Any], database: str) -> dict[str, Any]:
    if question["ask"] == "run":
        raise UserError(
            f"verify {question['wanted']}: expected a revision of git, a DVC experiment, or an MLflow run, got a name "
            f"that git and DVC do not know, and there is no MLflow store at {database}"
        )
    return {"ids": [], "tags": {}} if question["ask"] == "attach" else {}


def _state(store: Store) -> dict[str, Any]:
    runs = store.client.search_runs([store.experiment_id], "", max_results=1000)
    abandoned = [str(run.info.run_id) for run in runs if run.info.status == "RUNNING" and join.is_abandoned(run)]
    return {"uri": location.shown(store.uri), "runs": len(runs), "abandoned": abandoned}


def main() -> None:
    """Answer the question on standard input; libraries that print do so on standard error."""
    with contextlib.redirect_stdout(sys.stderr):
        try:
            with as_user_errors():
                said = answer(json.load(sys.stdin))
        except UserError as error:
            said = {"failed": str(error)}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
