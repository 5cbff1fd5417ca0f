"""kill -9 of DVC and its stage at random moments: never an output that DVC takes for good and that is not."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.commands.verify import lockfile_check
from pipeline.repository.lockfile import parse
from tests.project import UNTRACKED, Project

pytestmark = pytest.mark.slow

ROUNDS = 1  # of each stage; a round costs a whole `dvc repro`, `python -m benchmarks.identity --kills` has twenty

STAGES = ("prepare", "train", "evaluate")


def digests(project: Project) -> dict[str, str]:
    """The digest of every output that is there, by path, as dvc.lock would have it."""
    digest_by_path = {}
    for path in ("data/prepared", "models", "reports"):
        for name, md5 in lockfile_check.listing(project.folder / path).items():
            if not name.endswith(".gitignore"):
                digest_by_path[f"{path}/{name}"] = md5
    return digest_by_path


def outputs_in_lock(project: Project) -> dict[str, str]:
    """The digest of every output in dvc.lock; none without one, or before a stage has ended."""
    if not (project.folder / "dvc.lock").exists():
        return {}
    return {output.path: output.md5 for output in parse(project.read("dvc.lock"), "dvc.lock").outputs()}


def forget(project: Project, stage: str) -> None:
    """Make DVC run this stage, and what follows it, for the first time: nothing of them is known or there."""
    shutil.rmtree(project.folder / ".dvc/cache/runs", ignore_errors=True)
    taken = {
        "prepare": ("data/prepared", "models", "reports"),
        "train": ("models", "reports"),
        "evaluate": ("reports",),
    }
    for folder in taken[stage]:
        for path in (project.folder / folder).rglob("*"):
            if path.is_file() and path.name != ".gitignore":
                path.unlink()
    path = project.folder / "dvc.lock"
    path.write_text(_without(path.read_text(encoding="utf-8"), STAGES[STAGES.index(stage) :]), encoding="utf-8")


def _without(text: str, stages: tuple[str, ...]) -> str:
    entries, keep = [], True
    for line in text.splitlines(keepends=True):
        if line.startswith("  ") and line[2] != " ":
            keep = line.strip().removesuffix(":") not in stages
        if keep:
            entries.append(line)
    return "".join(entries) if any(line.startswith("  ") for line in entries) else "schema: '2.0'\nstages: {}\n"


def kill_after(project: Project, seconds: float) -> None:
    """Start `dvc repro` without the run cache, and kill -9 it and its stage after so long."""
    tools = str(Path(sys.executable).parent)
    process = subprocess.Popen(
        ["dvc", "repro", "--no-run-cache"],
        cwd=project.folder,
        env=os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def survive(project: Project, stage: str, rounds: int) -> None:
    """Kill so often while the stage runs; after each, what is there has to be right, or made right by DVC.

    The project's pipeline has been run.
    """
    began = time.monotonic()
    project.dvc("repro", "--force", "--single-item", stage, **UNTRACKED)
    seconds = time.monotonic() - began
    expected, recorded = digests(project), outputs_in_lock(project)
    draw = random.Random(STAGES.index(stage))
    for _ in range(rounds):
        forget(project, stage)
        kill_after(project, draw.uniform(0.2, 1.1) * seconds)
        assert outputs_in_lock(project).items() <= recorded.items()
        _repro(project)
        assert digests(project) == expected
        assert outputs_in_lock(project) == recorded


def _repro(project: Project) -> None:
    """`dvc repro`; where the kill met DVC as it wrote a file of its own, after what `doctor` says to do about it."""
    done = project.dvc("repro", check=False, **UNTRACKED)
    if done.returncode:
        findings = json.loads(project.pipeline("doctor", "--json", check=False).stdout)["findings"]
        cures = [finding["do"] for finding in findings if "DVC was killed" in finding["said"]]
        assert len(cures) == 1, done.stdout + done.stderr
        project.run(*cures[0].removeprefix("if nothing runs now: ").split())
        project.dvc("repro", **UNTRACKED)


@pytest.fixture(scope="module")
def project(repro: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project as shipped, run once."""
    return Project.after_repro(tmp_path_factory.mktemp("kill"), repro)


@pytest.mark.parametrize("stage", STAGES)
def test_a_kill_leaves_nothing_that_dvc_takes_for_good(stage: str, project: Project) -> None:
    """After each kill dvc.lock holds right digests only, and a plain `dvc repro` ends in the right bytes."""
    survive(project, stage, ROUNDS)
