"""Receipts on runs, in a real store."""

import pytest

from pipeline.errors import UserError
from pipeline.tracking import join, receipts
from pipeline.tracking.store import Store


def _run(store: Store, key: str) -> str:
    return str(store.client.create_run(store.experiment_id, tags={join.KEY_TAG: key}).info.run_id)


def test_every_run_of_the_model_gets_receipt_and_tag(store: Store) -> None:
    """Repeats of one training share the verdict; a run of another model does not, unless it is named."""
    same, twin, named, other = (_run(store, key) for key in ("k", "k", "l", "l"))
    found = receipts.attach(store, "k", named, "yes 0123", '{"verdict": "identical"}\n')
    assert {run.info.run_id for run in found} == {same, twin, named}
    for run_id in (same, twin, named):
        assert store.client.get_run(run_id).data.tags[receipts.VERIFIED_TAG] == "yes 0123"
        assert [file.path for file in store.client.list_artifacts(run_id)] == [receipts.RECEIPT_FILE]
    assert receipts.VERIFIED_TAG not in store.client.get_run(other).data.tags


def test_a_run_is_found_by_the_start_of_its_id(store: Store) -> None:
    """Eight characters are what the stages print; none and more than one are told."""
    first, _ = _run(store, "k"), _run(store, "k")
    assert receipts.find(store, first[:8]).info.run_id == first
    assert receipts.find(store, first).info.run_id == first
    with pytest.raises(UserError, match="got more than one"):
        receipts.find(store, "")
    with pytest.raises(UserError, match="got none"):
        receipts.find(store, "f" * 32)
