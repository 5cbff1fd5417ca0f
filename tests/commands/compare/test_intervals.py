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
def test_interval_is_that_of_the_mean_difference(labels: list[str]) -> None:
    """Per split, statsmodels' normal interval of the mean of the paired differences; 1e-12 is rounding."""
    a, b = predictions(1, labels), predictions(2, labels)
    interval = intervals.paired(a, b)
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
            np.testing.assert_allclose(interval[split, metric], expected, rtol=1e-12, atol=1e-15)


def test_other_rows_have_no_interval() -> None:
    """Predictions of other rows, or of other labels, cannot be paired."""
    assert intervals.paired(predictions(1, ["a", "b"]), predictions(2, ["a", "b"], rows=40)) == {}
    assert intervals.paired(predictions(1, ["a", "b"]), predictions(2, ["b", "a"])) == {}


def test_equal_predictions_differ_by_nothing() -> None:
    """The interval of no difference is the point 0."""
    text = predictions(1, ["a", "b"])
    assert set(map(tuple, intervals.paired(text, text).values())) == {(0.0, 0.0)}


# On one processor, threads that run only when the main thread does not want to: what they have left to do, they leave.
STARVED = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from pipeline.commands.compare import intervals
from pipeline.errors import UserError
content = sys.stdin.buffer.read()
intervals.paired(content, content)
for thread in map(int, os.listdir("/proc/self/task")):
    if thread != os.getpid():
        os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
before = sys.getrefcount(content)
intervals.paired(content, content)
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
    ],
)
def test_what_are_no_predictions_is_one_sentence(forged: bytes) -> None:
    """On either side; the place is the one that it was called by."""
    assert intervals.paired(HONEST, HONEST)
    for sides in ((HONEST, forged), (forged, HONEST)):
        with pytest.raises(UserError, match=r"^theirs(: column probability_[ab])?: expected ") as refusal:
            intervals.paired(*sides, places=("theirs", "theirs"))
        assert len(str(refusal.value)) < 500
