"""dvc.lock as DVC writes it, and texts that are none."""

import pytest

from pipeline.errors import UserError
from pipeline.repository import lockfile

TEXT = """
stages:
  train:
    deps:
    - {path: data/prepared, hash: md5, md5: aa.dir}
    - {path: pipeline/train, hash: md5, md5: bb}
    outs:
    - {path: models/softmax.json, hash: md5, md5: cc}
    - {path: models/live.csv}
  prepare:
    deps:
    - {path: "s3://bucket/raw.csv", etag: ee}
    outs:
    - {path: data/prepared, hash: md5, md5: aa.dir}
"""


def test_stages_are_told_by_what_they_read_and_wrote() -> None:
    """Digests by path; what has none, an address or an output outside the cache, is no md5 of DVC's."""
    lock = lockfile.parse(TEXT, "dvc.lock")
    assert lock.read_by("train") == {"data/prepared": "aa.dir", "pipeline/train": "bb"}
    assert lock.read_by("prepare") == {}
    assert lock.written() == {"models/softmax.json": "cc", "data/prepared": "aa.dir"}
    assert lock.written_by("train") == ["models/softmax.json", "models/live.csv"]
    assert lock.inputs() == {"pipeline/train": "bb", "s3://bucket/raw.csv": "ee"}
    assert [output.is_folder for output in lock.outputs()] == [False, False, True]
    assert lock.out_ending("softmax.json") == "models/softmax.json"
    assert lock.out_ending("nothing.json") is None


@pytest.mark.parametrize("text", ["", "schema: '2.0'", "stages: {train: {cmd: ls}}"])
def test_a_lock_without_files_is_empty(text: str) -> None:
    """Nothing recorded is no error of the format."""
    lock = lockfile.parse(text, "dvc.lock")
    assert (lock.outputs(), lock.inputs(), lock.read_by("train")) == ([], {}, {})


@pytest.mark.parametrize(
    "text", ["stages: [", "[1, 2]", "stages: [train]", "stages: {train: {outs: [{md5: aa}]}}", "1"]
)
def test_what_dvc_does_not_write_is_refused(text: str) -> None:
    """The sentence names the place."""
    with pytest.raises(UserError, match=r"HEAD: dvc\.lock: expected what DVC writes"):
        lockfile.parse(text, "HEAD: dvc.lock")
