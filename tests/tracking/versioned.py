"""A small project under real git and DVC, whose stages are not run: DVC takes their outputs as they lie there."""

import os
import subprocess
import sys
from pathlib import Path

from tests.tracking.outputs import Project

_STAGES = """
stages:
  prepare: {cmd: "no", outs: [prepared]}
  train:
    cmd: "no"
    deps: [prepared, code.py]
    params: [train]
    outs: [models/softmax.json, models/softmax.safetensors, models/history.csv, models/snapshots.safetensors]
  decide: {cmd: "no", deps: [models/softmax.json], outs: [models/decision.json]}
  evaluate:
    cmd: "no"
    deps: [models/softmax.json]
    outs: [reports/plots, reports/slices.json]
    metrics: [reports/metrics.json: {cache: false}]
"""


class Versioned:
    """A project of one commit; ``redo`` trains another model in it."""

    def __init__(self, folder: Path, outputs: Project) -> None:
        self.folder = folder
        self.outputs = outputs

    @classmethod
    def at(cls, folder: Path, seed: int) -> "Versioned":
        """A copy of a project that is there; equal outputs of its last training, of this seed, lie beside it."""
        return cls(folder, Project(folder.with_name("outputs"), seed=seed))

    @classmethod
    def new(cls, folder: Path) -> "Versioned":
        """Make outputs, let DVC take them, commit."""
        versioned = cls(folder, Project(folder))
        versioned._begin()
        return versioned

    def _begin(self) -> None:
        folder = self.folder
        (folder / "dvc.yaml").write_text(_STAGES, encoding="utf-8")
        (folder / "code.py").write_text("step = 1\n", encoding="utf-8")
        (folder / ".gitignore").write_text("/mlflow.db*\n/mlartifacts\n/.cache\n/prepared\n", encoding="utf-8")
        self.run("git", "init", "-q", "-b", "main")
        self.run("dvc", "init", "-q")
        self.run("dvc", "config", "core.analytics", "false")
        for words in (("user.name", "t"), ("user.email", "t@t")):
            self.run("git", "config", *words)
        (folder / "models" / ".gitignore").write_text("/*\n!.gitignore\n", encoding="utf-8")
        (folder / "reports" / ".gitignore").write_text("/plots\n/slices.json\n", encoding="utf-8")
        self.save("start")

    def redo(self, seed: int) -> None:
        """Leave the outputs of another training."""
        for name in ("prepared", "models", "reports"):
            for path in sorted((self.folder / name).rglob("*"), reverse=True):
                if path.is_file() and path.name != ".gitignore":
                    path.unlink()
            if name == "prepared":
                (self.folder / name).rmdir()
        self.outputs = Project(self.folder, seed=seed)

    def save(self, message: str) -> str:
        """Let DVC take the outputs, commit, and return the commit."""
        self.run("dvc", "commit", "-q", "-f")
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", message)
        return self.run("git", "rev-parse", "HEAD")

    def run(self, *command: str, check: bool = True) -> str:
        """What a command prints in the project."""
        tools = str(Path(sys.executable).parent)
        variables = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(command, cwd=self.folder, env=variables, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout.strip()
