"""`python -m pipeline runs`: the MLflow runs of revisions, with their key numbers and a link."""

import json
from typing import Any

from pipeline import screen
from pipeline.output_files import WEIGHTS_FILE
from pipeline.repository import project, revisions
from pipeline.repository.revisions import Revision
from pipeline.tracking.client.tags import KEY_TAG, WEIGHTS_TAG
from pipeline.tracking.store import lookup
from pipeline.tracking.store.database import RunView
from pipeline.tracking.store.lookup import Runs

# What decides between runs; the rest is in the UI.
_METRICS = ("eval/log_loss", "eval/accuracy", "train/final_cost")


def main(*, experiment: str, names: tuple[str, ...], as_json: bool) -> None:
    """Print the runs of the named revisions, of HEAD and workspace without names.

    Raises: UserError if a revision is unknown or the store cannot be used.
    """
    # Look the revisions' runs up.
    root = project.project_root()
    chosen = [revisions.resolved(root, name) for name in names] if names else revisions.head_and_workspace(root)
    runs = lookup.opened(root, experiment)
    records = [_record(runs, revision) for revision in chosen]
    # Print them.
    if as_json:
        print(json.dumps(records, ensure_ascii=False, indent=2))
    else:
        _print(records)


def _record(runs: Runs, revision: Revision) -> dict[str, Any]:
    """A revision and its runs, newest first."""
    key = revision.model_key
    weights = revision.lock.out_ending(WEIGHTS_FILE)
    md5 = revision.lock.written()[weights] if weights else None
    # Without the metadata in a cache, the md5 of the weights in dvc.lock is almost as good.
    matches = runs.tagged(KEY_TAG, key) if key else runs.tagged(WEIGHTS_TAG, md5) if md5 else []
    return {
        "revision": revision.name,
        "commit": revision.sha,
        "model": key,
        "runs": [_run_record(run, runs.page) for run in matches],
    }


def _run_record(run: RunView, page: str) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "name": run.name,
        "status": run.status,
        "metrics": {name: run.metrics[name] for name in _METRICS if name in run.metrics},
        "link": f"{page}/#/experiments/{run.experiment_id}/runs/{run.run_id}?workflowType=machine_learning",
    }


def _print(records: list[dict[str, Any]]) -> None:
    """Two lines a run; a missing run is told with the command that makes it."""
    for record in records:
        commit = f" {record['commit'][:8]}" if record["commit"] else ""
        if not record["runs"]:
            again = "track" if record["revision"] == revisions.WORKSPACE else f"track {record['revision']}"
            screen.say(f"{record['revision']}{commit}: no MLflow run; `python -m pipeline {again}` makes it")
            continue
        screen.say(f"{record['revision']}{commit}")
        for run in record["runs"]:
            numbers = [f"{name} {value:.6f}" for name, value in run["metrics"].items()]
            screen.say("  " + "  ".join([run["run_id"][:8], run["status"], run["name"], *numbers]), indent=12)
            screen.say(f"   {screen.unbroken(run['link'])}")
