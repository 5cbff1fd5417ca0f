"""A real copy of the project in a folder of its own, under real git and DVC, for tests that run whole pipelines."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parent.parent
_PARTS = (
    "pipeline",
    "data",
    "models/.gitignore",
    "reports/.gitignore",
    "reports/headline.json",
    "reports/metrics.json",
    ".dvc",
    ".dvcignore",
    ".gitignore",
    "dvc.yaml",
    "dvc.lock",
    "params.yaml",
)
# Bytecode is copied: it is valid as long as the file beside it is the same, and compiling takes two seconds a project.
_LEFT_OUT = shutil.ignore_patterns("prepared", "prepared.part", "cache", "tmp", "config.local")


UNTRACKED = {"PIPELINE_TRACKING": "off"}  # environment of stages whose runs a test does not look at: a third faster


class Project:
    """The copy, and how to run commands in it as a person would."""

    def __init__(self, folder: Path) -> None:
        """Copy the tracked parts, make the first commit."""
        self.folder = folder
        for part in _PARTS:
            source = SOURCE / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=_LEFT_OUT)
            else:
                (folder / part).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, folder / part)
        for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "start"]):
            self.run("git", "-c", "user.name=t", "-c", "user.email=t@t", *command)

    @classmethod
    def after_repro(cls, folder: Path, base: Path) -> "Project":
        """A copy of the fixture ``repro``, which is a project as shipped after one `dvc repro` that MLflow did not see.

        The run lies in DVC's cache and in dvc.lock; it did not happen in this folder.
        """
        shutil.copytree(base, folder, dirs_exist_ok=True)
        return cls.at(folder)

    @classmethod
    def at(cls, folder: Path) -> "Project":
        """A project that is in the folder already."""
        project = cls.__new__(cls)
        project.folder = folder
        return project

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project; with ``check`` a failure shows what it printed."""
        tools = str(Path(sys.executable).parent)
        variables = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"} | environment
        result = subprocess.run(
            command, cwd=self.folder, env=variables, capture_output=True, text=True, encoding="utf-8", check=False
        )
        if check and result.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: exit {result.returncode}\n{result.stdout}\n{result.stderr}")
        return result

    def dvc(self, *words: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run DVC."""
        return self.run("dvc", *words, check=check, **environment)

    def pipeline(self, *words: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m pipeline`."""
        return self.run("python", "-m", "pipeline", *words, check=check, **environment)

    def read(self, path: str) -> str:
        """A file's text."""
        return (self.folder / path).read_text(encoding="utf-8")
