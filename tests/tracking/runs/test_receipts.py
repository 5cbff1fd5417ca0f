"""Receipts on runs, in a real store."""

import pytest

from pipeline import files
from pipeline.errors import UserError
from pipeline.tracking.client.run_files import RECEIPT_FILE
from pipeline.tracking.client.tags import KEY_TAG, VERIFIED_TAG
from pipeline.tracking.runs import receipts
from pipeline.tracking.store.store import Store

KEY, OTHER = "ab" * 32, "cd" * 32


def _run(store: Store, key: str) -> str:
    return str(store.client.create_run(store.experiment_id, tags={KEY_TAG: key}).info.run_id)


def test_every_run_of_the_model_is_found_and_gets_its_verdict(store: Store) -> None:
    """Repeats of one training share a key; a run of another model is none of them, unless it is named."""
    same, twin, named, other = (_run(store, key) for key in (KEY, KEY, OTHER, OTHER))
    receipt = receipts.of_model(store, KEY, named)
    assert {run.info.run_id for run in receipt} == {same, twin, named}
    verdicts = {same: "yes 0123", twin: "no 0123"}
    receipts.attach(store, verdicts, '{"verdict": "identical"}\n')
    for run_id, verdict in verdicts.items():
        assert store.client.get_run(run_id).data.tags[VERIFIED_TAG] == verdict
        assert [file.path for file in store.client.list_artifacts(run_id)] == [RECEIPT_FILE]
    for run_id in (named, other):
        assert VERIFIED_TAG not in store.client.get_run(run_id).data.tags


def test_a_key_that_is_none_asks_the_store_for_nothing(store: Store) -> None:
    """It comes from a file, and must not become a part of a query."""
    _run(store, KEY)
    assert receipts.of_model(store, "' OR tags.`model.key` != '", None) == []


def test_a_run_is_found_by_the_start_of_its_id(store: Store) -> None:
    """Eight characters are what the stages print; none and more than one are told."""
    first, _ = _run(store, KEY), _run(store, KEY)
    assert receipts.find(store, first[:8]).info.run_id == first
    assert receipts.find(store, first).info.run_id == first
    with pytest.raises(UserError, match="got more than one"):
        receipts.find(store, "")
    with pytest.raises(UserError, match="got none"):
        receipts.find(store, "f" * 32)


def test_the_metrics_of_a_run_have_the_md5_that_dvc_knows_them_by(store: Store) -> None:
    """Of the file that its last evaluation left; a run without one has none."""
    run_id = _run(store, KEY)
    assert receipts.metrics_md5(store, run_id) is None
    for text in ("{}", '{"log_loss": 0.5}\n'):
        store.client.log_text(run_id, text, "metrics.json")
        assert receipts.metrics_md5(store, run_id) == files.md5_bytes(text.encode())
