"""dvc.lock as it is read, against the one that DVC wrote for this project."""

import json
from pathlib import Path

import pytest

from pipeline.commands.verify import lockfile_check
from pipeline.documents import yaml_documents
from pipeline.errors import UserError
from pipeline.repository.lockfile import Lock, listing_md5, parsed_listing

LOCK = """
schema: '2.0'
stages:
  train:
    cmd: python -m pipeline train
    deps:
    - {path: data/prepared, hash: md5, md5: aa.dir}
    - {path: pipeline/train, hash: md5, md5: bb}
    params:
      params.yaml:
        train: {lr: 0.1, schedule: {method: constant}}
    outs:
    - {path: models/w, hash: md5, md5: cc}
  prepare:
    cmd: python -m pipeline prepare
    deps:
    - {path: data/raw.csv, hash: md5, md5: dd}
    - {path: "s3://bucket/raw.csv", etag: ee}
    outs:
    - {path: data/prepared, hash: md5, md5: aa.dir}
"""


def _lock(folder: Path, text: str) -> Lock:
    (folder / "dvc.lock").write_text(text, encoding="utf-8")
    return lockfile_check.read(folder, "0123456789abcdef")


def test_inputs_are_what_no_stage_makes(tmp_path: Path) -> None:
    """Code and data are inputs, the output of another stage is not; an address has the tag of its server."""
    lock = _lock(tmp_path, LOCK)
    assert lock.inputs() == {"pipeline/train": "bb", "data/raw.csv": "dd", "s3://bucket/raw.csv": "ee"}
    assert [(output.path, output.is_folder) for output in lock.outputs()] == [
        ("models/w", False),
        ("data/prepared", True),
    ]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("md5: bb", "md5: b0", "train: pipeline/train"),
        ("lr: 0.1", "lr: 0.2", "train: params.yaml.train.lr"),
        ("method: constant", "method: step", "train: params.yaml.train.schedule.method"),
        ("pipeline train", "pipeline train --fast", "train: cmd"),
        ("etag: ee", "etag: e0", "prepare: s3://bucket/raw.csv"),
        ("path: models/w", "path: models/v", "train: models/v"),
        ("md5: cc}", "md5: cc, size: 3}", "train: models/w"),
        ("outs:\n    - {path: models/w", "extra: 1\n    outs:\n    - {path: models/w", "train: extra"),
        ("  prepare:\n", "  other:\n", "prepare"),
    ],
)
def test_what_a_stage_was_made_from_is_compared(tmp_path: Path, old: str, new: str, place: str) -> None:
    """Another input, param, command, output or stage in dvc.lock is told by its place."""
    recorded, rebuilt = _lock(tmp_path, LOCK), _lock(tmp_path, LOCK.replace(old, new))
    assert place in dict(lockfile_check.disagreements(recorded, rebuilt))
    assert not list(lockfile_check.disagreements(recorded, recorded))


def test_a_value_and_its_text_are_not_the_same_param(tmp_path: Path) -> None:
    """The number 1, the number 1.0, the text 1 and true differ, though Python calls three of them equal."""
    locks = [_lock(tmp_path, LOCK.replace("lr: 0.1", f"lr: {value}")) for value in ("1", "1.0", "'1'", "true")]
    for number, first in enumerate(locks):
        differing = [bool(list(lockfile_check.disagreements(first, other))) for other in locks]
        assert differing == [position != number for position in range(len(locks))]


def test_what_is_said_beside_the_bytes_of_another_stages_output_is_compared(tmp_path: Path) -> None:
    """Its bytes are compared as that stage's output, and only there."""
    forged = LOCK.replace(
        "{path: data/prepared, hash: md5, md5: aa.dir}", "{path: data/prepared, md5: ab.dir, isexec: true}", 1
    )
    files = dict(lockfile_check.disagreements(_lock(tmp_path, forged), _lock(tmp_path, LOCK)))
    assert list(files) == ["train: data/prepared"]
    assert "md5 ab" not in files["train: data/prepared"]


@pytest.mark.parametrize(
    "forged",
    [
        "{lr: 0.1, schedule.method: step, schedule: {method: constant}}",
        "{lr: 0.1, schedule.method: constant}",
        "{lr: 0.1, schedule: {method: constant, every: null}}",
    ],
)
def test_params_are_told_apart_by_every_key_on_the_way(forged: str) -> None:
    """A key with a dot hides none that is nested, and a key without a value is one."""
    honest = {"lr": 0.1, "schedule": {"method": "constant"}}
    differing = list(lockfile_check.params_that_differ("train", yaml_documents.parse(forged), honest))
    assert differing
    assert all(place.startswith("train: schedule.") for place, _ in differing)
    assert list(lockfile_check.params_that_differ("train", {"weights": {1: 2}}, {"weights": {"1": 2}}))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("stages: [", "expected what DVC writes"),
        ("schema: '2.0'", "expected the stages"),
        (LOCK.replace("md5: cc", "size: 3"), "expected an md5 for models/w"),
        ("stages: {only: {cmd: ls}}", "expected an md5 for outputs"),
    ],
)
def test_a_lock_that_records_nothing_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    """Where nothing is recorded nothing could differ: that must not pass for identical."""
    with pytest.raises(UserError, match=sentence):
        _lock(tmp_path, text)


def test_a_commit_without_a_lock_is_refused(tmp_path: Path) -> None:
    """The sentence says what the file is for, and how to get it."""
    with pytest.raises(UserError, match=r"commit 0123456789ab: expected dvc\.lock.*run `dvc repro`"):
        lockfile_check.read(tmp_path, "0123456789abcdef")


def test_the_digest_of_a_folder_is_that_of_dvc(tmp_path: Path) -> None:
    """Ours over a folder's files is what DVC's own library says, names of any alphabet included."""
    from dvc_data.hashfile.tree import Tree

    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("b.csv", "a.csv", 'deep/Ünï "quoted".csv', "deep/er/c", "deep.csv"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    files = lockfile_check.listing(tmp_path)
    entries = [{"md5": md5, "relpath": path} for path, md5 in files.items()]
    tree = Tree.from_list(entries, hash_name="md5")
    tree.digest()
    assert listing_md5(files) == tree.hash_info.value
    assert parsed_listing(tree.as_bytes()) == files


@pytest.mark.parametrize("path", ["../escape.csv", "/etc/passwd", "plots/../../escape.csv"])
def test_a_listing_that_leads_out_of_its_folder_is_refused(path: str) -> None:
    """No file is read or written outside, whatever a cache or a remote says."""
    with pytest.raises(UserError, match="expected paths in it"):
        parsed_listing(json.dumps([{"md5": "aa", "relpath": path}]).encode())
