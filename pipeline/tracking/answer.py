"""The child process that answers questions about the store, so that who asks need not load MLflow.

``python -m pipeline.tracking.answer`` reads a JSON object a line from standard input, and prints a line for each:

    {"ask": "run", "text", "experiment"}                            id, status, tags and metrics_md5 of a run
    {"ask": "examine", "key", "run", "again", "folder", "experiment"} runs of a model, each compared with the one in
                                                                      the store ``again``, if there is one
    {"ask": "attach", "verdicts", "receipt", "experiment"}            nothing; the runs have tag and receipt
    {"ask": "version", "name", "alias"}                               version and artifacts of a registered model
    {"ask": "fetch", "name", "version", "folder"}                     nothing; the files of its model are in the folder
    {"ask": "store", "experiment"}                                    uri, runs and abandoned

What a person has to mend comes back as ``failed``.
"""

import contextlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from pipeline import credentials
from pipeline.errors import UserError
from pipeline.repository import project
from pipeline.tracking.client import location
from pipeline.tracking.client.tags import KEY_TAG
from pipeline.tracking.runs import receipts, run_comparison
from pipeline.tracking.store import search
from pipeline.tracking.store.failures import as_user_errors
from pipeline.tracking.store.store import Store, open_store


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Do what a question asks for."""
    if question["ask"] in ("version", "fetch"):
        return _of_registry(question)
    store = open_store(project.project_root(), question["experiment"])
    match question["ask"]:
        case "run":
            run = receipts.find(store, question["text"])
            metrics_md5 = receipts.metrics_md5(store, run.info.run_id)
            tags = dict(run.data.tags)
            return {"id": run.info.run_id, "status": run.info.status, "tags": tags, "metrics_md5": metrics_md5}
        case "examine":
            return {"runs": _examined(store, question)}
        case "attach":
            receipts.attach(store, question["verdicts"], question["receipt"])
            return {}
        case _:
            return _state(store)


def _of_registry(question: dict[str, Any]) -> dict[str, Any]:
    """An answer about registered models; it makes neither store nor experiment."""
    client = MlflowClient(tracking_uri=location.tracking_uri(project.project_root()))
    name = question["name"]
    if question["ask"] == "version":
        try:
            version = client.get_model_version_by_alias(name, question["alias"])
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return {}
            raise
        artifacts = client.get_model_version_download_uri(name, version.version)
        return {"version": str(version.version), "artifacts": credentials.masked(artifacts)}
    download_artifacts(
        artifact_uri=f"models:/{name}/{question['version']}",
        dst_path=question["folder"],
        tracking_uri=location.tracking_uri(project.project_root()),
    )
    return {}


def _examined(store: Store, question: dict[str, Any]) -> list[dict[str, Any]]:
    """Id, tags, differences and number of places by kind of each run of the model, newest first.

    Without a store of runs that were made again there is nothing to compare with, and differences are None.
    """
    runs = receipts.of_model(store, question["key"], question["run"])
    folder = Path(question["folder"])
    newest = _newest_run(question["again"], question["key"]) if question["again"] and runs else None
    again = run_comparison.read(*newest, folder / "again") if newest else None
    examined = []
    for run in runs:
        answer: dict[str, Any] = {"id": str(run.info.run_id), "tags": dict(run.data.tags), "differences": None}
        if again:
            recorded = run_comparison.read(store.client, run, folder / run.info.run_id, again.artifacts)
            answer["differences"] = [asdict(each) for each in run_comparison.differences(recorded, again)]
            answer["counts"] = {kind: recorded.count(kind) for kind in run_comparison.KINDS}
        examined.append(answer)
    return examined


def _newest_run(uri: str, key: str) -> tuple[MlflowClient, Run] | None:
    """The newest run of a model in a store that only its own stages wrote; None if they wrote none."""
    database = location.sqlite_file(uri)
    if database is None or not database.exists():
        return None
    client = MlflowClient(tracking_uri=uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    condition = f"tags.`{KEY_TAG}` = '{key}'"
    runs = client.search_runs(experiments, condition, max_results=1, order_by=["attributes.start_time DESC"])
    return (client, runs[0]) if runs else None


def _state(store: Store) -> dict[str, Any]:
    runs = store.client.search_runs(search.everywhere(store), "", max_results=1000)
    abandoned = [str(run.info.run_id) for run in runs if run.info.status == "RUNNING" and search.is_abandoned(run)]
    return {"uri": location.masked(store.uri), "runs": len(runs), "abandoned": abandoned}


def main() -> None:
    """Answer the questions on standard input until it ends; libraries that print do so on standard error."""
    for line in sys.stdin:
        with contextlib.redirect_stdout(sys.stderr):
            try:
                with as_user_errors():
                    reply = answer(json.loads(line))
            except UserError as error:
                reply = {"failed": str(error)}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
