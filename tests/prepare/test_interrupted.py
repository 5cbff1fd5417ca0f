"""Prepare that is killed or finds the disk full: what was prepared before stays whole, or the new data is."""

import json
import multiprocessing
import random
import subprocess
import sys
import time
from itertools import cycle
from pathlib import Path

import pytest

from pipeline.dataset import reader
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams

pytestmark = pytest.mark.slow

ROUNDS = 20
# Of 30,000 rows, a label and a number each: more than the disk of the test holds.
LARGE = "x,y\n" + "".join(f"{row},{'ab'[row % 2]}\n" for row in range(30_000))
SMALL = "x,y\n1,a\n2,b\n"


def _prepare_on_and_on(sources: list[Path], out: Path) -> None:
    for source in cycle(sources):
        prepare.main(params=PrepareParams(source="", target="y"), source=source, out=out)


def test_killed_at_any_moment_it_leaves_whole_data(tmp_path: Path) -> None:
    """After each of many kills at random moments, one of the two tables that took turns lies there whole."""
    out = tmp_path / "prepared"
    sources, digests = [], set()
    for name, text in (("small.csv", SMALL), ("other.csv", SMALL + "3,a\n")):
        sources.append(tmp_path / name)
        sources[-1].write_text(text, encoding="utf-8")
        prepare.main(params=PrepareParams(source="", target="y"), source=sources[-1], out=out)
        digests.add(reader.open_dataset(out).digest)
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["pipeline.prepare.stage"])
    moments = random.Random(1)
    stamp = out.stat().st_ino
    for _ in range(ROUNDS):
        process = server.Process(target=_prepare_on_and_on, args=(sources, out))
        process.start()
        while out.exists() and out.stat().st_ino == stamp:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.05))
        process.kill()
        process.join()
        assert reader.open_dataset(out).digest in digests
        stamp = out.stat().st_ino


_CHILD = """
import json, resource, sys
from pathlib import Path
from pipeline.dataset import reader
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.errors import UserError

small, large, out, limit = json.loads(sys.argv[1])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
params = PrepareParams(source="", target="y")
prepare.main(params=params, source=small, out=Path(out))
before = reader.open_dataset(Path(out)).digest
try:
    prepare.main(params=params, source=large, out=Path(out))
except UserError as error:
    left = [path.name for path in Path(out).parent.iterdir()]
    print(json.dumps([str(error), reader.open_dataset(Path(out)).digest == before, left]))
"""


@pytest.mark.parametrize(
    ("limit", "reason"), [(100_000, "file too large"), (None, "no space left on device")], ids=["file limit", "disk"]
)
def test_a_full_disk_is_told_and_harms_nothing(tmp_path: Path, limit: int | None, reason: str) -> None:
    """Without room for the new data there is one sentence; the earlier data is whole, and nothing half-done is left."""
    for name, text in (("small.csv", SMALL), ("large.csv", LARGE)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    disk = tmp_path / "disk"
    disk.mkdir()
    arguments = json.dumps([*(str(tmp_path / name) for name in ("small.csv", "large.csv")), f"{disk}/prepared", limit])
    command = [sys.executable, "-c", _CHILD, arguments]
    if limit is None:
        command = on_a_small_disk(disk, command)
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    message, is_complete, left = json.loads(result.stdout.splitlines()[-1])
    assert f"cannot be written: {reason}; make room and run again" in message
    assert (is_complete, left) == (True, ["prepared"])


def on_a_small_disk(folder: Path, command: list[str]) -> list[str]:
    """The command where ``folder`` is a disk of 256 KiB, which only it sees."""
    mount = ["unshare", "--mount", "--map-root-user", "sh", "-c", f'mount -t tmpfs -o size=256k disk {folder} && "$@"']
    tried = subprocess.run([*mount, "sh", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no disk may be mounted here: {tried.stderr.strip()}")
    return [*mount, "sh", *command]
