"""Tasks of DVC's queue after their processes were killed, with DVC's own queue."""

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from pipeline.commands.doctor import command, queue_tasks
from tests.repository.test_git import git

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="needs kill -9")]

STAGES = "stages: {wait: {cmd: 'sleep ${seconds} && echo > out.txt', params: [seconds], outs: [out.txt]}}"


def dvc(folder: Path, *words: str) -> str:
    """What DVC prints; the workers that it starts must not hold the pipe."""
    with (folder.parent / "said.txt").open("w+", encoding="utf-8") as sentence:
        done = subprocess.run(
            ["dvc", *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=sentence, stderr=sentence, check=False
        )
        sentence.seek(0)
        printed = sentence.read()
    assert done.returncode == 0, printed
    return printed


def pid_of(path: Path) -> int:
    """The process that a file of DVC's names; waits until it is there."""
    deadline = time.monotonic() + 200
    while True:
        try:
            return int(json.loads(path.read_bytes())["pid"])
        except (OSError, ValueError, TypeError):
            assert time.monotonic() < deadline, f"no process in {path}"
            time.sleep(0.2)


def _kill(pid: int) -> None:
    """End a process, and then all that it had started, by kill -9; wait until none is left, not even as a zombie.

    `dvc queue kill` takes a zombie for a process that it has ended, and leaves the task as it is.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        processes = [process, *process.children(recursive=True)]
        for each in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(processes, timeout=60)


def test_a_killed_task_is_named_and_can_be_taken_away(tmp_path: Path) -> None:
    """While it runs nothing is said; after kill -9 of worker and task the advice, followed, leaves none."""
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    dvc(root, "init", "-q")
    dvc(root, "config", "core.analytics", "false")
    for name, text in (("dvc.yaml", STAGES), ("params.yaml", "seconds: 1000"), (".gitignore", "/out.txt")):
        (root / name).write_text(f"{text}\n", encoding="utf-8")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "start")
    assert list(queue_tasks.lost(root)) == []
    dvc(root, "exp", "run", "--queue", "-n", "wary-moth", "-S", "seconds=1001")
    assert list(queue_tasks.lost(root)) == []
    dvc(root, "queue", "start")
    exps = root / ".dvc" / "tmp" / "exps"
    worker = pid_of(exps / "celery" / "dvc-exp-worker-1.json")
    while not (tasks := list((exps / "run").glob("*/*.json"))):
        time.sleep(0.2)
    task = pid_of(tasks[0])
    try:
        assert list(queue_tasks.lost(root)) == []
    finally:
        _kill(worker)
        _kill(task)
    (check,) = command.CHECKS["dvc queue"](root)
    assert check.sentence == "task wary-moth counts as running, but its process is gone"
    assert check.do.startswith(
        "dvc queue kill wary-moth && dvc queue remove wary-moth; then queue it again, and rm -r "
    )
    dvc(root, "queue", "kill", "wary-moth")
    dvc(root, "queue", "remove", "wary-moth")
    assert "wary-moth" not in dvc(root, "queue", "status")
    assert list(queue_tasks.lost(root)) == []


FORGED = [b"\xff", b"", b"[1]", b"[" * 100_000, b'{"pid": 1e400}', b'{"pid": 1e300}', b'{"pid": -1}', b'{"pid": null}']


@pytest.mark.parametrize("content", [*FORGED, b'{"pid": "\\ud800"}', b'{"root_dir": 3}', b'{"root_dir": "a\\u0000b"}'])
def test_a_file_that_names_no_process_names_none(tmp_path: Path, content: bytes) -> None:
    """Nor a folder: whatever is written below .dvc/tmp, `doctor` goes on."""
    (tmp_path / "task.json").write_bytes(content)
    assert not queue_tasks._is_alive(tmp_path / "task.json")
    assert queue_tasks._workspace(tmp_path / "task.json", tmp_path) is None
