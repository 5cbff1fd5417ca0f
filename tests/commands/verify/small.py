"""A project of two stages that take no time, under real git and DVC: what verification reads is all there."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.commands.verify import checkout, consistency, declared, lockfile_check
from pipeline.commands.verify.comparison import OutputResult
from pipeline.repository.lockfile import Lock

_STAGES = """\
stages:
  copy:
    cmd: python stage.py data/in.csv data/copies
    deps: [data/in.csv, stage.py]
    outs: [data/copies]
  count:
    cmd: python count.py data/copies reports/metrics.json
    deps: [data/copies, count.py]
    params: [count]
    outs: [reports/lines.txt]
    metrics: [{reports/metrics.json: {cache: false}}]
"""

_PARAMS = """\
count: {blank: false, limit: 3}
tracking: {experiment: small, required: false, live_after_s: 10.0, timeout_s: 60.0}
"""

_COPY = """\
import pathlib, sys
text, folder = pathlib.Path(sys.argv[1]).read_bytes(), pathlib.Path(sys.argv[2])
folder.mkdir(parents=True)
for name in ("one.csv", "two.csv"):
    (folder / name).write_bytes(text)
"""

_COUNT = """\
import pathlib, sys
rows = pathlib.Path(sys.argv[1], "one.csv").read_bytes().split()
pathlib.Path(sys.argv[2]).write_text('{"rows": %d}' % len(rows), encoding="utf-8")
pathlib.Path("reports/lines.txt").write_bytes(b"\\n".join(rows))
"""


class Small:
    """The project, and how to change, commit and check it."""

    def __init__(self, folder: Path) -> None:
        """The project that lies in the folder."""
        self.folder = folder

    @classmethod
    def made_in(cls, folder: Path) -> "Small":
        """Write the project, run its stages and commit it."""
        project = cls(folder)
        for name, text in {
            "dvc.yaml": _STAGES,
            "stage.py": _COPY,
            "count.py": _COUNT,
            "params.yaml": _PARAMS,
            "data/in.csv": "a\n1\n2\n",
            "reports/.gitignore": "/lines.txt\n",
            ".gitignore": ".cache/\n",
        }.items():
            project.write(name, text)
        project.run("git", "init", "-q", "-b", "main")
        project.run("dvc", "init", "-q")
        project.run("dvc", "repro", "-q")
        project.commit()
        return project

    def copied_to(self, folder: Path) -> "Small":
        """The same project in another folder, with its history and cache."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Small(folder)

    def write(self, path: str, text: str) -> None:
        """Write a file, byte for byte."""
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(text.encode())

    def edit(self, path: str, change: Callable[[str], str]) -> None:
        """Change a file's text, which must not stay as it was."""
        before = (self.folder / path).read_bytes().decode()
        after = change(before)
        assert after != before
        self.write(path, after)

    def run(self, *command: str, **environment: str) -> str:
        """Run a command in the project; what it prints."""
        tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        variables = os.environ | {"PATH": tools} | environment
        done = subprocess.run(command, cwd=self.folder, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def commit(self) -> str:
        """Commit every change; the commit's id."""
        self.run("git", "add", "-A")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "state")
        return self.run("git", "rev-parse", "HEAD")

    @contextmanager
    def checked(self) -> Iterator[tuple[checkout.Checkout, Lock, list[OutputResult]]]:
        """The checkout of a commit of all changes, its dvc.lock, and what is found before a stage runs."""
        commit = self.commit()
        with checkout.checked_out(self.folder, commit) as place:
            recorded = lockfile_check.read(place.folder, commit)
            place.set_aside(recorded)
            with declared.repository(place.folder, commit) as repository:
                place.get_data(recorded)
                findings = consistency.contradictions(place, recorded, repository)
            yield place, recorded, findings

    def contradictions(self) -> dict[str, str]:
        """What is found before a stage runs, sentence by place."""
        with self.checked() as (_, _, findings):
            return {finding.place: str(finding.difference) for finding in findings}
