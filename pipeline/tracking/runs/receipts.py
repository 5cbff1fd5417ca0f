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


def find(store: Store, wanted: str) -> Run:
    """The run whose id begins with ``wanted``.

    Raises: UserError if there is none, or more than one.
    """
    found = search.starting_with(store, wanted)
    if len(found) == 1:
        return found[0]
    came = "none" if not found else "more than one"
    raise UserError(
        f"verify {wanted}: expected a revision of git, a DVC experiment, or the id of one MLflow run in "
        f"{location.shown(store.uri)}, got {came}"
    )


def metrics_md5(store: Store, run_id: str) -> str | None:
    """The md5 of the metrics that the run's evaluation left, by which dvc.lock knows them; None without any."""
    if METRICS_FILE not in (entry.path for entry in store.client.list_artifacts(run_id)):
        return None
    with tempfile.TemporaryDirectory() as folder:
        return files.md5_file(Path(store.client.download_artifacts(run_id, METRICS_FILE, folder)))


def of_model(store: Store, key: str, run_id: str | None) -> list[Run]:
    """The newest runs of the model ``key``, and the run ``run_id``; newest first, at most ``SHOWN`` and one."""
    found = search.tagged(store, KEY_TAG, key) if _KEY.fullmatch(key) else []
    if run_id and run_id not in [run.info.run_id for run in found]:
        found.append(store.client.get_run(run_id))
    return found


def attach(store: Store, verdicts: dict[str, str], receipt: str) -> None:
    """Give each run its verdict as the tag ``verified``, and the receipt's text as a file."""
    for run_id, verdict in verdicts.items():
        store.client.log_text(run_id, receipt, RECEIPT_FILE)
        store.client.set_tag(run_id, VERIFIED_TAG, verdict)
