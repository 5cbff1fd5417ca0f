"""Intervals of a difference between two models, against statsmodels and scipy."""

import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from statsmodels.stats.weightstats import DescrStatsW

from pipeline.commands.compare import intervals
from pipeline.errors import UserError


def predictions(seed: int, labels: list[str], rows: int = 60) -> bytes:
    """A predictions.csv of random probabilities; rows and labels depend on their number only."""
    generator = np.random.default_rng(seed)
    actual = [labels[i % len(labels)] for i in range(rows)]
    probability = softmax(generator.normal(size=(rows, len(labels))), axis=1)
    table = pd.DataFrame({"row": range(1, rows + 1), "split": ["train", "test"] * (rows // 2), "actual": actual})
    table["predicted"] = np.array(labels)[probability.argmax(axis=1)]
    for index, label in enumerate(labels):
        table[f"probability_{label}"] = probability[:, index]
    return table.to_csv(index=False).encode()


@pytest.mark.parametrize("labels", [["ant", "bee"], ["0", "1", "2"], ["true", "false"], ["", "NA"]])
def test_interval_is_about_that_of_the_mean_difference(labels: list[str]) -> None:
    """Per split, statsmodels' normal interval of the mean of the paired differences.

    A bound of 1,000 replicates is off by 0.1 of its distance from the mean, and 200 rows are not quite normal.
    """
    a, b = predictions(1, labels, 400), predictions(2, labels, 400)
    interval = intervals.paired(a, b, bins=10)
    types = {"actual": str, "predicted": str}
    read = [pd.read_csv(io.BytesIO(text), dtype=types, keep_default_na=False) for text in (a, b)]
    for split in ("train", "test"):
        loss, right = [], []
        for table in read:
            part = table[table["split"] == split]
            loss.append([-np.log(row[f"probability_{row['actual']}"]) for _, row in part.iterrows()])
            right.append((part["actual"] == part["predicted"]).to_numpy(float))
        for metric, (one, other) in {"log_loss": loss, "accuracy": right}.items():
            expected = DescrStatsW(np.subtract(other, one)).zconfint_mean()
            tolerance = 0.1 * (expected[1] - expected[0])
            np.testing.assert_allclose(interval[split, metric], expected, atol=tolerance)


def test_every_metric_of_a_split_has_an_interval() -> None:
    """All that evaluate writes of all classes."""
    interval = intervals.paired(predictions(1, ["0", "1", "2"]), predictions(2, ["0", "1", "2"]), bins=10)
    names = ["accuracy", "balanced_accuracy", "brier", "expected_calibration_error", "log_loss", "macro_f1"]
    assert sorted(interval) == sorted((split, name) for split in ("test", "train") for name in [*names, "roc_auc_ovr"])


def with_column(text: bytes, name: str, values: list[object]) -> bytes:
    """Predictions with another column."""
    table = pd.read_csv(io.BytesIO(text))
    table[name] = values
    return table.to_csv(index=False).encode()


def test_weights_multiply_and_rows_of_weight_0_do_not_count() -> None:
    """A weight of 2 in each row changes nothing; without the column there is no interval of weighted rows."""
    a, b = predictions(1, ["x", "y"]), predictions(2, ["x", "y"])
    plain = intervals.paired(a, b, bins=10)
    twice = intervals.paired(*(with_column(side, "weight", [2.0] * 60) for side in (a, b)), bins=10, weighted=True)
    assert plain.keys() == twice.keys()
    for key, bounds in plain.items():
        assert twice[key] == pytest.approx(bounds, abs=1e-9)
    assert intervals.paired(a, b, bins=10, weighted=True) == {}
    none_of_train = [0.0, 1.0] * 30
    held_out = intervals.paired(*(with_column(side, "weight", none_of_train) for side in (a, b)), bins=10)
    assert {split for split, _ in held_out} == {"test"}
    assert all(plain[key] == pytest.approx(bounds, abs=1e-9) for key, bounds in held_out.items())
    assert intervals.paired(a, with_column(b, "weight", [2.0] * 60), bins=10) == {}


def test_rows_of_a_group_are_drawn_together() -> None:
    """Groups beyond 2^63, as digests are; the interval is another one."""
    a, b = predictions(1, ["x", "y"]), predictions(2, ["x", "y"])
    groups = [2**64 - 1 - row // 10 for row in range(60)]
    grouped = intervals.paired(*(with_column(side, "group", groups) for side in (a, b)), bins=10)
    assert grouped["test", "log_loss"] != intervals.paired(a, b, bins=10)["test", "log_loss"]


def test_other_rows_have_no_interval() -> None:
    """Predictions of other rows, or of other labels, cannot be paired."""
    assert intervals.paired(predictions(1, ["a", "b"]), predictions(2, ["a", "b"], rows=40), bins=10) == {}
    assert intervals.paired(predictions(1, ["a", "b"]), predictions(2, ["b", "a"]), bins=10) == {}


def test_equal_predictions_have_no_interval_but_of_the_calibration_error() -> None:
    """No replicate differs from another; two calibration errors are bounded each by itself."""
    text = predictions(1, ["a", "b"])
    assert {metric for _, metric in intervals.paired(text, text, bins=10)} == {"expected_calibration_error"}


# On one processor, threads that run only when the main thread does not want to: what they have left to do, they leave.
STARVED = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from pipeline.commands.compare import intervals
from pipeline.errors import UserError
content = sys.stdin.buffer.read()
intervals.paired(content, content, bins=10)
for thread in map(int, os.listdir("/proc/self/task")):
    if thread != os.getpid():
        os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
before = sys.getrefcount(content)
intervals.paired(content, content, bins=10)
print(sys.getrefcount(content) - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux starves a thread by its class")
def test_no_thread_holds_what_was_read() -> None:
    """A thread that lets go of Python's bytes while the program ends aborts it, so none may hold them by then."""
    child = [sys.executable, "-c", STARVED]
    done = subprocess.run(child, input=predictions(1, ["a", "b"]), capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b"0\n", b"")


HONEST = b"row,split,actual,predicted,probability_a,probability_b\n1,test,a,a,1,0\n2,test,b,a,0.5,0.5\n"


@pytest.mark.parametrize(
    "forged",
    [
        *(b"\xff\xfe\x00", b"", b"row,split\n1,test\n", b"a\0b\n1\n", HONEST.replace(b",0.5\n", b"\n")),
        *(HONEST.replace(b"0.5", value) for value in (b"", b"x", b"nan", b"1e400", b"-0.5", b"1.5")),
        *(HONEST.replace(b"probability_b", b"other"), HONEST.replace(b"probability_b", b"probability_a")),
        *(HONEST.replace(b"row", b"split"), HONEST.replace(b"actual", b"x" * 100_000)),
        *(HONEST.replace(b"1,test", value) for value in (b"x,test", b"1.5,test", b"1e30,test")),
    ],
)
def test_what_are_no_predictions_is_one_sentence(forged: bytes) -> None:
    """On either side; the place is the one that it was called by."""
    assert intervals.paired(HONEST, HONEST, bins=10)
    for sides in ((HONEST, forged), (forged, HONEST)):
        with pytest.raises(UserError, match=r"^theirs(: column probability_[ab])?: expected ") as refusal:
            intervals.paired(*sides, places=("theirs", "theirs"), bins=10)
        assert len(str(refusal.value)) < 500
