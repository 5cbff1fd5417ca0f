"""`check`: what is wrong in params.yaml is told before DVC takes outputs away."""

import re
import shutil
from pathlib import Path

import pytest

from pipeline.commands import check
from pipeline.errors import UserError
from tests.project import SOURCE


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tutorial's params and table in the current folder."""
    shutil.copy(SOURCE / "params.yaml", tmp_path)
    (tmp_path / "data/raw").mkdir(parents=True)
    shutil.copy(SOURCE / "data/raw/tutorial.csv", tmp_path / "data/raw")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "params.yaml"


def test_the_shipped_params_pass(params: Path) -> None:
    """Without a word."""
    check.main()
    assert params.exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lr: 0.1 ", "lr: fast ", r"train\.lr: expected a valid number, got 'fast'"),
        ("target: y ", "target: z ", r"prepare\.target: expected a column of data/raw/tutorial\.csv, got 'z'"),
        ("keep: [] ", "keep: [x5] ", r"prepare\.keep: expected a column of data/raw/tutorial\.csv, got 'x5'"),
        ("keep: [] ", "keep: [x1, x1] ", r"prepare\.keep: expected each column once, got \[x1, x1\]"),
        ("required: false", "required: maybe", r"tracking\.required: expected a valid boolean, got 'maybe'"),
        ("workers: 1", "workers: many", r"workers: expected a whole number"),
        ("coverage: 0.9", "coverage: 90", r"decide\.coverage: expected less than 1, got 90"),
        (
            "costs: ",
            "costs: {0: -1} ",
            r"decide\.costs: expected costs >= 0, got -1 for actual 0, a gain; add 1 to every",
        ),
        ("patience: 0", "patience: 5", r"patience: expected 0 with prepare\.split\.method none"),
        ("tutorial.csv", "tutorials.csv", r"data/raw/tutorials\.csv: .*no such file"),
        ("l2: 0.0 ", "l2: auto ", r"train\.l2 a number with train\.solver sgd"),
        ("effects_by:", "effects_by: x5", r"infer\.effects_by: expected a feature \(x1, x2, x3, x4\), got 'x5'"),
        ("base_levels:", "base_levels: {x5: a}", r"infer\.base_levels: expected a feature"),
        ("columns: all ", "columns: [x1, x5] ", r"infer\.columns: expected a feature"),
    ],
)
def test_a_wrong_param_is_a_sentence(params: Path, old: str, new: str, message: str) -> None:
    """Wherever it stands: types, columns of the table, what two params mean together."""
    params.write_text(params.read_text(encoding="utf-8").replace(old, new, 1))
    with pytest.raises(UserError, match=message):
        check.main()


def test_a_cluster_may_be_a_column_that_is_kept(params: Path) -> None:
    """And must be known: a feature, the key of the split, or one that stays with the rows."""
    text = re.sub(r"\n  cluster: *", r"\n  cluster: x5  ", params.read_text(encoding="utf-8"))
    params.write_text(text.replace("covariance: model ", "covariance: cluster ", 1), encoding="utf-8")
    with pytest.raises(UserError, match=r"infer\.cluster: expected a feature .*'x5'; name it in prepare\.keep"):
        check.main()
    kept = params.read_text(encoding="utf-8").replace("cluster: x5", "cluster: x4").replace("keep: [] ", "keep: [x4] ")
    params.write_text(kept.replace("leave_out: [] ", "leave_out: [x4] "), encoding="utf-8")
    check.main()


def test_what_is_no_yaml_is_told_once(params: Path) -> None:
    """Not once for every section."""
    params.write_text("prepare: [\n", encoding="utf-8")
    with pytest.raises(UserError) as raised:
        check.main()
    assert len(str(raised.value).splitlines()) == 1


def test_every_wrong_section_has_its_line(params: Path) -> None:
    """A person mends them at once."""
    text = params.read_text(encoding="utf-8").replace("lr: 0.1 ", "lr: fast ").replace("every_s: 30.0", "every_s: soon")
    params.write_text(text.replace("target: y ", "target: z "), encoding="utf-8")
    with pytest.raises(UserError) as raised:
        check.main()
    assert [line.split(":")[1].strip() for line in str(raised.value).splitlines()] == [
        "train.lr",
        "checkpoint.every_s",
        "prepare.target",
    ]
