"""`verify --deep`: several numbers of threads and of workers, so that what depends on them is found."""

import json

import pytest

from tests.commands.verify.small import Small
from tests.project import SOURCE

# The number of workers, and whether MLflow is to hear of the stage, are what it writes.
_COUNT = """\
import os, pathlib, sys
workers, tracking = os.environ.get("PIPELINE_WORKERS", "1"), os.environ.get("PIPELINE_TRACKING", "on")
pathlib.Path(sys.argv[2]).write_text('{"workers": %s}' % workers, encoding="utf-8")
pathlib.Path("reports/lines.txt").write_text(tracking, encoding="utf-8")
"""


@pytest.mark.slow
def test_what_depends_on_threads_or_workers_is_found(small: Small) -> None:
    """Each trial is compared and in the receipt; only the first leaves a run, as the others would leave the same."""
    small.write("count.py", _COUNT)
    small.run("dvc", "repro", "-q")
    commit = small.commit()
    command = "python -m pipeline verify --deep; test $? = 1"
    printed = small.run("sh", "-c", command, PYTHONPATH=str(SOURCE)).splitlines()
    verdicts = [
        [line.split()[0] for line in printed if line.startswith((f"  identical  {path}", f"  DIFFERENT  {path}"))]
        for path in ("reports/metrics.json", "reports/lines.txt")
    ]
    assert verdicts == [["identical"] * 3 + ["DIFFERENT"] * 2, ["identical"] + ["DIFFERENT"] * 4]
    receipt = json.loads((small.folder / f"reports/receipts/{commit[:12]}.json").read_text(encoding="utf-8"))
    threads, workers = (1, 2, 3), (2, 3)
    assert [trial["setting"] for trial in receipt["trials"]] == [
        *(f"threads: {count}" for count in threads),
        *(f"workers: {count}, of one thread each" for count in workers),
    ]
    assert receipt["verdict"] == "different"
