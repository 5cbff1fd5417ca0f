"""Receipts of `verify` on the runs that they are about: a tag that the table of runs shows, and the file itself."""

from mlflow.entities import Run

from pipeline.errors import UserError
from pipeline.tracking import join, location
from pipeline.tracking.store import Store

VERIFIED_TAG = "verified"
RECEIPT_FILE = "receipt.json"

# Repeats of one training share a key; more of them than this are not looked at one by one.
_MOST_RUNS = 100


def find(store: Store, wanted: str) -> Run:
    """The run whose id begins with ``wanted``.

    Raises: UserError if there is none, or more than one.
    """
    found = join.starting_with(store, wanted)
    if len(found) == 1:
        return found[0]
    came = "none" if not found else "more than one"
    raise UserError(
        f"verify {wanted}: expected a revision of git, a DVC experiment, or the id of one MLflow run in "
        f"{location.shown(store.uri)}, got {came}"
    )


def attach(store: Store, key: str, run_id: str | None, tag: str, receipt: str) -> list[Run]:
    """Tag the runs of the model ``key``, and the run ``run_id``, as verified or not; they get the receipt's text.

    Returns: the runs, newest first.
    """
    condition = f"tags.`{join.KEY_TAG}` = '{key}'"
    newest_first = ["attributes.start_time DESC"]
    found = list(
        store.client.search_runs([store.experiment_id], condition, max_results=_MOST_RUNS, order_by=newest_first)
    )
    if run_id and run_id not in [run.info.run_id for run in found]:
        found.append(store.client.get_run(run_id))
    for run in found:
        store.client.log_text(run.info.run_id, receipt, RECEIPT_FILE)
        store.client.set_tag(run.info.run_id, VERIFIED_TAG, tag)
    return found
