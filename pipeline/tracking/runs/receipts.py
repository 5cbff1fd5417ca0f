"""Receipts of `verify` on the runs that they are about: a tag that the table of runs shows, and the file itself."""

import re
import tempfile
from pathlib import Path

from mlflow.entities import Run

from pipeline import files
from pipeline.errors import UserError
from pipeline.output_files import METRICS_FILE
from pipeline.tracking.client import location
from pipeline.tracking.client.run_files import RECEIPT_FILE
from pipeline.tracking.client.tags import KEY_TAG, VERIFIED_TAG
from pipeline.tracking.store import search
from pipeline.tracking.store.store import Store

# A digest; whatever else a model's metadata says must not become a part of a query.
_KEY = re.compile(r"[0-9a-f]{64}")


def find(store: Store, text: str) -> Run:
    """The run whose id begins with ``text``.

    Raises: UserError if there is none, or more than one.
    """
    runs = search.starting_with(store, text)
    if len(runs) == 1:
        return runs[0]
    came = "none" if not runs else "more than one"
    raise UserError(
        f"verify {text}: expected a revision of git, a DVC experiment, or the id of one MLflow run in "
        f"{location.masked(store.uri)}, got {came}"
    )


def metrics_md5(store: Store, run_id: str) -> str | None:
    """The md5 of the metrics that the run's evaluation left, by which dvc.lock knows them; None without any."""
    if METRICS_FILE not in (entry.path for entry in store.client.list_artifacts(run_id)):
        return None
    with tempfile.TemporaryDirectory() as folder:
        return files.md5_file(Path(store.client.download_artifacts(run_id, METRICS_FILE, folder)))


def of_model(store: Store, key: str, run_id: str | None) -> list[Run]:
    """The newest runs of the model ``key``, and the run ``run_id``; newest first, at most ``MOST_RUNS`` and one."""
    runs = search.tagged(store, KEY_TAG, key) if _KEY.fullmatch(key) else []
    if run_id and run_id not in [run.info.run_id for run in runs]:
        runs.append(store.client.get_run(run_id))
    return runs


def attach(store: Store, verdicts: dict[str, str], receipt: str) -> None:
    """Give each run its verdict as the tag ``verified``, and the receipt's text as a file."""
    for run_id, verdict in verdicts.items():
        store.client.log_text(run_id, receipt, RECEIPT_FILE)
        store.client.set_tag(run_id, VERIFIED_TAG, verdict)
