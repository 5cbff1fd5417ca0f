"""What the pipeline costs on top of the tools it stands on: `python -m benchmarks.overhead`.

Everything is timed in turn in one run, so that a machine that slows down slows both sides. The floor is what nobody who
uses these tools can avoid: importing torch and mlflow once, and DVC running as many stages that do nothing.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from tests.project import SOURCE, Project

ROUNDS = 5
_STAGES = list(YAML(typ="safe", pure=True).load((SOURCE / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
_EMPTY_STAGES = "stages:\n" + "".join(f"  {name}:\n    cmd: 'true'\n    deps: [params.yaml]\n" for name in _STAGES)


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _empty_project(folder: Path) -> Project:
    project = Project(folder)
    (folder / "dvc.yaml").write_text(_EMPTY_STAGES, encoding="utf-8")
    return project


def main() -> None:
    """Time the three commands in turn, and print medians and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        tutorial, empty = Project(Path(folder) / "tutorial"), _empty_project(Path(folder) / "empty")
        commands: dict[str, Callable[[], object]] = {
            'python -c "import torch, mlflow"': lambda: tutorial.run("python", "-c", "import torch, mlflow"),
            f"dvc repro -f, {len(_STAGES)} empty stages": lambda: empty.dvc("repro", "-f"),
            "dvc repro -f, the tutorial": lambda: tutorial.dvc("repro", "-f"),
        }
        for command in commands.values():  # once to warm caches and to make the store
            command()
        samples = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                samples[name].append(seconds(command))
        _print(samples)


def _print(samples: dict[str, list[float]]) -> None:
    imports, floor, pipeline = samples.values()
    ratios = [c / (a + b) for a, b, c in zip(imports, floor, pipeline, strict=True)]
    table = Table("command", "median s", "min s", "max s", title=f"Overhead, {ROUNDS} rounds, python {sys.version[:6]}")
    for name, values in samples.items():
        table.add_row(name, *(f"{f(values):.2f}" for f in (statistics.median, min, max)))
    table.add_row("tutorial / (imports + empty stages)", *(f"{f(ratios):.2f}" for f in (statistics.median, min, max)))
    Console().print(table)


if __name__ == "__main__":
    main()
