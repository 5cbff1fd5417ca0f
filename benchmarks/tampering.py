"""What `verify` finds of tampering: `python -m benchmarks.tampering [--count N] [--seed 0] [--kinds NAME ...]`.

The shipped tutorial, of a few epochs, is run and committed. Each case changes one thing in a copy of it that the
project promises, drawn by the seed, and commits it; `verify` must end with status 1 and name the place (caught), or,
for what dvc.lock does not record, pass and name it (named). Cases that are found only after the stages have run share
a copy, and each must be named on a line of its own. Prints a line a case and a table of kinds; exit status 1 if a case
was neither.
"""

import argparse
import contextlib
import importlib
import io
import multiprocessing
import os
import random
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import dvc.cli
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from pipeline import __main__ as command_line
from pipeline.files import md5_file
from tests.project import SOURCE, Project

EPOCHS = 3
CAUGHT, NAMED, MISSED = "caught", "named", "MISSED"

_YAML = YAML(typ="safe", pure=True)
_HEXADECIMAL = "0123456789abcdef"
_MODULES = ["data_loader", "errors", "files", "model"]  # of the stages


@dataclass(frozen=True)
class Kind:
    """A way to tamper: ``tamper`` changes the project and returns what ``words`` of the command line must print.

    It must stand on a line with ``line``. ``share`` is the number of its cases, of all cases. Kinds of one ``batch`` do
    not meet in one place; one case of each is committed at once.
    """

    name: str
    share: int
    tamper: Callable[[Project, Random], str]
    outcome: str = CAUGHT
    words: Callable[[Project], list[str]] = lambda _: ["verify"]
    batch: str | None = None
    line: str = ""

    @property
    def needs_run(self) -> bool:
        """Whether it is about the run in MLflow; without one no other kind waits for MLflow."""
        return self.words is _run_id


@dataclass(frozen=True)
class Case:
    """One thing to change: its kind, and its number among all cases."""

    number: int
    kind: Kind


def _lock(project: Project, change: Callable[[dict[str, Any]], str]) -> str:
    """Change dvc.lock as YAML; returns what ``change`` does."""
    path = project.folder / "dvc.lock"
    document = _YAML.load(path.read_text(encoding="utf-8"))
    expected = change(document["stages"])
    text = io.StringIO()
    _YAML.dump(document, text)
    path.write_text(text.getvalue(), encoding="utf-8")
    return expected


def _other_digit(text: str, rng: Random, digits: str = "0123456789") -> str:
    """The text with one of its digits changed; never one that starts a number, which would change its format."""
    places = [place for place in range(1, len(text)) if text[place] in digits and text[place - 1] in f"{digits}."]
    place = rng.choice(places)
    digit = rng.choice([digit for digit in digits if digit != text[place]])
    return text[:place] + digit + text[place + 1 :]


def _rewrite(path: Path, change: Callable[[str], str]) -> None:
    """Change a file that may be a link into DVC's cache, without the cache."""
    text = path.read_bytes().decode()
    path.unlink()
    path.write_bytes(change(text).encode())


def _entries(stages: dict[str, Any], side: str, among: Callable[[str], bool]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, entry) for name in stages for entry in stages[name][side] if among(str(entry["path"]))]


def _is_code(path: str) -> bool:
    return path.startswith("pipeline/")


def _is_output(path: str) -> bool:
    return path.startswith(("data/prepared", "models/", "reports/"))


def _digest(side: str, among: Callable[[str], bool]) -> Callable[[Project, Random], str]:
    """Another md5 of an input or output in dvc.lock."""

    def tamper(project: Project, rng: Random) -> str:
        def change(stages: dict[str, Any]) -> str:
            _, entry = rng.choice(_entries(stages, side, among))
            entry["md5"] = _other_digit(entry["md5"].partition(".")[0], rng, _HEXADECIMAL) + entry["md5"][32:]
            return str(entry["path"])

        return _lock(project, change)

    return tamper


def _size(side: str, among: Callable[[str], bool]) -> Callable[[Project, Random], str]:
    """Another size, or number of files, in dvc.lock."""

    def tamper(project: Project, rng: Random) -> str:
        def change(stages: dict[str, Any]) -> str:
            _, entry = rng.choice(_entries(stages, side, among))
            key = rng.choice([key for key in ("size", "nfiles") if key in entry])
            entry[key] += rng.choice([-1, 1, 1000])
            return str(entry["path"])

        return _lock(project, change)

    return tamper


def _lock_param(project: Project, rng: Random) -> str:
    def change(stages: dict[str, Any]) -> str:
        section = stages["train"]["params"]["params.yaml"]["train"]
        name = rng.choice(["seed", "epochs", "lr", "l2", "momentum", "precision", "snapshot_every"])
        section[name] = f"{section[name]}0" if isinstance(section[name], str) else section[name] + 1
        return f"train.{name}"

    return _lock(project, change)


def _lock_command(project: Project, rng: Random) -> str:
    def change(stages: dict[str, Any]) -> str:
        name = rng.choice(list(stages))
        stages[name]["cmd"] += rng.choice([" ", " --fast", "; true"])
        return f"{name}: cmd"

    return _lock(project, change)


def _lock_dependency(project: Project, rng: Random) -> str:
    def change(stages: dict[str, Any]) -> str:
        name = rng.choice(list(stages))
        if rng.random() < 0.5:
            return str(stages[name]["deps"].pop(rng.randrange(len(stages[name]["deps"])))["path"])
        stages[name]["deps"].append({"path": "README.md", "hash": "md5", "md5": "ab" * 16, "size": 1})
        return "README.md"

    return _lock(project, change)


def _lock_stage(project: Project, rng: Random) -> str:
    def change(stages: dict[str, Any]) -> str:
        name = rng.choice(["prepare", "train", "evaluate"])
        stages[f"{name}2"] = stages[name] if rng.random() < 0.5 else stages.pop(name)
        return name

    return _lock(project, change)


_EDITS = [
    *(("seed: 1 ", "seed: 2 "), ("lr: 0.1 ", "lr: 0.2 "), ("calibration_bins: 10", "calibration_bins: 11")),
    *(("epochs: 3", "epochs: 4"), ("standardise: false", "standardise: true"), ("l2: 0.0 ", "l2: 0.5 ")),
]


def _params(project: Project, rng: Random) -> str:
    old, new = rng.choice(_EDITS)
    _rewrite(project.folder / "params.yaml", lambda text: text.replace(old, new, 1))
    return old.partition(":")[0]


def _code(project: Project, rng: Random) -> str:
    """A covered module, changed so that no result changes."""
    stages = _YAML.load(project.read("dvc.lock"))["stages"]
    covered = [project.folder / entry["path"] for _, entry in _entries(stages, "deps", _is_code)]
    modules = sorted({file for path in covered for file in ([path] if path.is_file() else path.rglob("*.py"))})
    path = rng.choice(modules).relative_to(project.folder).as_posix()
    _rewrite(project.folder / path, lambda text: text + rng.choice(["\n", "# \n", "_UNUSED = 1\n"]))
    return path


def _uncovered_code(project: Project, rng: Random) -> str:
    path = rng.choice(
        [
            "pipeline/__main__.py",
            "pipeline/commands/launch.py",
            "pipeline/tracking/client/mirror.py",
            "pipeline/tracking/runs/run_writer.py",
        ]
    )
    _rewrite(project.folder / path, lambda text: text + "_UNUSED = 1\n")
    return path


def _hidden_code(project: Project, rng: Random) -> str:
    """A module that .dvcignore hides from the digest of its folder, changed after dvc.lock was written."""
    path = rng.choice(["pipeline/numerics/exact/sums.py", "pipeline/dataset/encoder.py", "pipeline/table/stream.py"])
    _rewrite(project.folder / ".dvcignore", lambda text: f"{text}{path}\n")
    _dvc(project, "commit", "-q", "-f")
    _commit(project)
    _rewrite(project.folder / path, lambda text: text + "_UNUSED = 1\n")
    return path


def _shadow(project: Project, rng: Random) -> str:
    """A module that stands before an installed one."""
    name = rng.choice(["tqdm", "safetensors"])
    folder = project.folder / name
    folder.mkdir()
    (folder / "__init__.py").write_text(
        f"import sys\n_here = sys.path.pop(0)\ndel sys.modules[{name!r}]\nimport {name} as _real\n"
        f"sys.path.insert(0, _here)\n__path__ = _real.__path__\nglobals().update(vars(_real))\n",
        encoding="utf-8",
    )
    return f"{name}/__init__.py"


def _data(project: Project, rng: Random) -> str:
    def change(text: str) -> str:
        lines = text.splitlines(keepends=True)
        match rng.randrange(4):
            case 0:
                return "".join(lines) + "\n"
            case 1:
                return "".join(lines[:-1])
            case 2:
                return text.replace("\n", "\r\n")
            case _:
                row = rng.randrange(1, len(lines))
                lines[row] = lines[row].replace(",", ".5,", 1)
                return "".join(lines)

    _rewrite(project.folder / "data/raw/tutorial.csv", change)
    return "data/raw/tutorial.csv"


def _data_in_cache(project: Project, rng: Random) -> str:
    """The same, of a table that DVC keeps: only its cache is changed, read-only as DVC left it."""
    path = "data/raw/tutorial.csv"
    md5 = md5_file(project.folder / path)
    project.run("git", "rm", "-q", "--cached", path)
    _dvc(project, "add", "-q", path)
    entry_file = project.folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    entry_file.chmod(0o644)
    text = entry_file.read_text(encoding="utf-8")
    entry_file.write_text(text + "\n" if rng.random() < 0.5 else text.replace(",", ".5,", 1), encoding="utf-8")
    entry_file.chmod(0o444)
    return path


def _output_in_cache(project: Project, rng: Random) -> str:
    """A changed digit of an output in DVC's cache, from which runs are built anew."""
    (entry,) = [entry for entry in _outputs(project) if entry["path"] == "models/history.csv"]
    entry_file = project.folder / ".dvc/cache/files/md5" / entry["md5"][:2] / entry["md5"][2:]
    entry_file.chmod(0o644)
    entry_file.write_text(_other_digit(entry_file.read_text(encoding="utf-8"), rng), encoding="utf-8")
    entry_file.chmod(0o444)
    return f"{entry['md5'][2:]}: expected the bytes that its name is the md5 of"


def _outputs(project: Project) -> list[dict[str, Any]]:
    stages = _YAML.load(project.read("dvc.lock"))["stages"]
    return [entry for _, entry in _entries(stages, "outs", lambda _: True)]


def _metrics(project: Project, rng: Random) -> str:
    _rewrite(project.folder / "reports/metrics.json", lambda text: _other_digit(text, rng))
    return "reports/metrics.json"


def _metrics_link(project: Project, _: Random) -> str:
    path = project.folder / "reports/metrics.json"
    path.rename(project.folder / "reports/forged.json")
    path.symlink_to("forged.json")
    return "reports/metrics.json"


def _made_by_others(name: str) -> Callable[[Project, Random], str]:
    """An output of other bytes, recorded by `dvc commit` as if the stages had made it."""

    def tamper(project: Project, rng: Random) -> str:
        _rewrite(project.folder / name, lambda text: _other_digit(text, rng))
        _dvc(project, "commit", "-q", "-f")
        return name

    return tamper


def _bytecode(project: Project, rng: Random) -> str:
    module = rng.choice(_MODULES)
    version = f"cpython-{sys.version_info.major}{sys.version_info.minor}"
    path = rng.choice([f"pipeline/__pycache__/{module}.{version}.pyc", f"pipeline/{module}.pyc"])
    return _added(project, path, b"compiled")


def _stand_in(project: Project, rng: Random) -> str:
    """A package or an extension beside a covered module, which Python takes in its place."""
    module = rng.choice(_MODULES)
    path = rng.choice([f"pipeline/{module}/__init__.py", f"pipeline/{module}.abi3.so"])
    return _added(project, path, b"")


def _added(project: Project, path: str, content: bytes) -> str:
    """The path, of a new file that git tracks though it may ignore its like."""
    (project.folder / path).parent.mkdir(exist_ok=True)
    (project.folder / path).write_bytes(content)
    project.run("git", "add", "-f", path)
    return path


def _dotted_param(project: Project, rng: Random) -> str:
    """Another value of a param, under a key with dots beside the nested one."""

    def change(stages: dict[str, Any]) -> str:
        name = f"train.{rng.choice(['seed', 'lr', 'schedule.method'])}"
        value = rng.choice([None, 7, "other"])
        stages["train"]["params"]["params.yaml"][name] = value
        return f"{name}: {value!r} recorded"

    return _lock(project, change)


def _pointer(project: Project, rng: Random) -> str:
    """A .dvc file that names a file above its folder, or a digest that is a path: DVC would write or read there."""
    victim = project.folder.parent / "victim"
    victim.write_text("precious", encoding="utf-8")
    (entry,) = [entry for entry in _outputs(project) if entry["path"] == "models/history.csv"]
    up = f"{'../' * 5}victim"
    outs: list[dict[str, Any]] = [
        {"path": "more", "hash": "md5", "files": [{"relpath": up, "md5": entry["md5"], "size": entry["size"]}]},
        {"path": "more", "hash": "md5", "md5": f"../{up}"},
    ]
    with (project.folder / "more.dvc").open("w", encoding="utf-8") as file:
        _YAML.dump({"outs": [rng.choice(outs)]}, file)
    return "more.dvc of commit"


def _pin(project: Project, rng: Random) -> str:
    name = rng.choice(["numpy", "scipy", "torch", "pyarrow", "safetensors"])
    lines = project.read("requirements.lock").splitlines()
    changed = [f"{name}==0.0.1" if line.startswith(f"{name}==") else line for line in lines]
    (project.folder / "requirements.lock").write_text("\n".join(changed) + "\n", encoding="utf-8")
    return f"asks for {name}==0.0.1"


def _elsewhere(project: Project, rng: Random) -> str:
    """An output outside the checkout, where there is a file that must stay."""
    victim = project.folder.parent / "victim"
    victim.write_text("precious", encoding="utf-8")
    spelling = rng.choice([str(victim), "../victim", "data/../../../../victim", "c:/victim", "link/victim"])
    if spelling.startswith("link"):
        (project.folder / "link").symlink_to(victim.parent)
    name = rng.choice(["dvc.lock", "dvc.yaml"])
    _rewrite(project.folder / name, lambda text: text.replace("models/history.csv", spelling))
    if spelling.startswith("link"):
        return "link -> "
    # DVC joins the paths of dvc.yaml.
    return "expected outputs inside the project, got" + (f" {spelling!r}" if name == "dvc.lock" else "")


_METRICS = ("train/final_cost", "eval/log_loss", "eval/accuracy", "weights/0/x1")
_PARAMS = ("train.seed", "train.lr", "prepare.source")


def _larger(text: str) -> str:
    return str(float(text) + 0.5)


def _longer(text: str) -> str:
    return f"{text}0"


def _run_id(project: Project) -> list[str]:
    with contextlib.closing(sqlite3.connect(project.folder / "mlflow.db")) as database:
        ((run_id,),) = database.execute("SELECT run_uuid FROM runs")
    return ["verify", str(run_id)[:8]]


def _run_row(table: str, keys: tuple[str, ...], value: Callable[[str], str]) -> Callable[[Project, Random], str]:
    """Another value of a key of the run, in MLflow's database."""

    def tamper(project: Project, rng: Random) -> str:
        key = rng.choice(keys)
        with contextlib.closing(sqlite3.connect(project.folder / "mlflow.db")) as database, database:
            for name in (table, f"latest_{table}") if table == "metrics" else (table,):
                rows = database.execute(f"SELECT value FROM {name} WHERE key = ?", (key,)).fetchall()
                new = value(str(rows[-1][0]))
                database.execute(f"UPDATE {name} SET value = ? WHERE key = ?", (new, key))
        return key

    return tamper


def _run_artifact(project: Project, rng: Random) -> str:
    files = sorted(path for path in (project.folder / "mlartifacts").rglob("metrics.json"))
    _rewrite(rng.choice(files), lambda text: _other_digit(text, rng))
    return "metrics.json"


_AGAIN: dict[str, Any] = {"batch": "outputs", "line": "DIFFERENT"}
_OF_RUN: dict[str, Any] = {"batch": "run", "line": "DIFFERENT  MLflow run", "words": _run_id}

# Most cases are of kinds that are found before a stage runs: they take seconds.
KINDS = [
    Kind("forged metrics.json in git", 7, _metrics),
    Kind("md5 of an input in dvc.lock", 7, _digest("deps", lambda path: not _is_output(path))),
    Kind("md5 of what another stage wrote", 7, _digest("deps", _is_output)),
    Kind("size or nfiles of an input", 6, _size("deps", lambda _: True)),
    Kind("a param in dvc.lock", 6, _lock_param),
    Kind("a command in dvc.lock", 5, _lock_command),
    Kind("an input more or less in dvc.lock", 6, _lock_dependency),
    Kind("a stage more or less in dvc.lock", 5, _lock_stage),
    Kind("params.yaml", 6, _params),
    Kind("code that dvc.lock covers", 6, _code),
    Kind("data in git", 6, _data),
    Kind("data in DVC's cache", 5, _data_in_cache),
    Kind("history.csv in DVC's cache, track", 3, _output_in_cache, words=lambda _: ["track", "HEAD"]),
    Kind("metrics.json as a link", 2, _metrics_link),
    Kind("committed bytecode", 3, _bytecode),
    Kind("a package or an extension in a module's place", 3, _stand_in),
    Kind("a param under a key with dots in dvc.lock", 3, _dotted_param),
    Kind("a .dvc file that leads out", 3, _pointer),
    Kind("an output outside the project", 4, _elsewhere),
    Kind("predictions of other bytes", 2, _made_by_others("reports/predictions.csv"), **_AGAIN),
    Kind("history of other bytes", 2, _made_by_others("models/history.csv"), **_AGAIN),
    Kind("md5 of an output in dvc.lock", 2, _digest("outs", lambda path: path == "reports/plots"), **_AGAIN),
    Kind(
        "size or nfiles of an output", 2, _size("outs", lambda path: path == "models/snapshots.safetensors"), **_AGAIN
    ),
    # First of its batch: what changes before dvc.lock is committed has not changed after it.
    Kind("code that .dvcignore hides", 2, _hidden_code, NAMED, batch="named", line="of these changed after"),
    Kind("code that dvc.lock does not cover", 2, _uncovered_code, NAMED, batch="named", line="of these changed after"),
    Kind("a module before an installed one", 2, _shadow, NAMED, batch="named", line="not in dvc.lock, but loaded"),
    Kind("a pin in requirements.lock", 2, _pin, NAMED, batch="named", line="note: "),
    Kind("a metric of the run in MLflow", 2, _run_row("metrics", _METRICS, _larger), **_OF_RUN),
    Kind("a param of the run in MLflow", 2, _run_row("params", _PARAMS, _longer), **_OF_RUN),
    Kind("a tag of the run in MLflow", 2, _run_row("tags", ("data.digest", "train.status"), _longer), **_OF_RUN),
    Kind("an artifact of the run in MLflow", 2, _run_artifact, **_OF_RUN),
]


def _base(folder: Path) -> Project:
    """The tutorial, run for a few epochs and committed."""
    folder.parent.mkdir()
    project = Project(folder)
    for name in ("requirements.lock", ".gitattributes"):
        shutil.copyfile(SOURCE / name, folder / name)
    _rewrite(folder / "params.yaml", lambda text: text.replace("epochs: 1001", f"epochs: {EPOCHS}"))
    project.dvc("repro", "-q")
    _commit(project)
    return project


def _commit(project: Project) -> None:
    project.run("git", "add", "-A")
    project.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "state")


def _pipeline(words: list[str]) -> object:
    sys.argv = ["pipeline", *words]
    return command_line.main()


def _call(folder: Path, command: Callable[[list[str]], object], words: list[str], printed: Path) -> None:
    """Run a command line in a process that has loaded it already, and exit with its status."""
    os.chdir(folder)
    with (
        printed.open("w", encoding="utf-8") as file,
        contextlib.redirect_stdout(file),
        contextlib.redirect_stderr(file),
    ):
        try:
            status = command(words)
        except SystemExit as ended:
            status = ended.code
            if isinstance(status, str):
                print(status)
    sys.exit(0 if status in (None, 0) else 1)


def _forked(folder: Path, command: Callable[[list[str]], object], words: list[str]) -> tuple[int, str]:
    """Exit status and output of a command line."""
    printed = folder.parent / "printed"
    process = multiprocessing.get_context("fork").Process(target=_call, args=(folder, command, words, printed))
    process.start()
    process.join()
    return process.exitcode or 0, printed.read_text(encoding="utf-8")


def _dvc(project: Project, *words: str) -> None:
    status, text = _forked(project.folder, dvc.cli.main, list(words))
    if status:
        raise AssertionError(f"dvc {' '.join(words)}: exit {status}\n{text}")


def _outcomes(base: Path, folder: Path, cases: list[Case], seed: int) -> tuple[list[tuple[str, str]], str]:
    """Outcome of each case of a copy, with what had to be named; and what was printed."""
    first = cases[0].kind
    left_out = None if first.needs_run else shutil.ignore_patterns("mlflow.db", "mlartifacts")
    shutil.copytree(base, folder / "project", symlinks=True, ignore=left_out)
    project = Project.at(folder / "project")
    draws = [random.Random(f"{seed}-{case.number}-{case.kind.name}") for case in cases]
    expected = [case.kind.tamper(project, rng) for case, rng in zip(cases, draws, strict=True)]
    _commit(project)
    status, text = _forked(project.folder, _pipeline, first.words(project))
    victim = folder / "victim"
    unharmed = not victim.exists() or victim.read_text(encoding="utf-8") == "precious"
    as_it_should = unharmed and status == (1 if first.outcome == CAUGHT else 0)
    outcomes = []
    for case, place in zip(cases, expected, strict=True):
        named = any(place in line and case.kind.line in line for line in text.splitlines())
        outcomes.append((case.kind.outcome if as_it_should and named else MISSED, place))
    return outcomes, text


def _batches(kinds: list[Kind], count: int) -> list[list[Case]]:
    """The cases, kind after kind in turns; those of one turn and batch together."""
    turns = range(max(kind.share for kind in kinds))
    dealt = [(turn, kind) for turn in turns for kind in kinds if turn < kind.share]
    batches: dict[object, list[Case]] = {}
    for number in range(count):
        lap, place = divmod(number, len(dealt))
        turn, kind = dealt[place]
        key = (lap, turn, kind.batch) if kind.batch else number
        batches.setdefault(key, []).append(Case(number, kind))
    return list(batches.values())


def main() -> None:
    """Run the cases and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=0, help="cases; all of the kinds by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", default=[], help="only kinds whose name holds one of these")
    given = parser.parse_args()
    kinds = [kind for kind in KINDS if not given.kinds or any(part in kind.name for part in given.kinds)]
    if not kinds:
        parser.error(f"--kinds: expected parts of {', '.join(kind.name for kind in KINDS)}")
    console, outcomes = Console(highlight=False, soft_wrap=True), Counter[tuple[str, str]]()
    for name in (
        "dvc.repo",
        "dvc.config",
        "dvc.fs",
        "dvc.dependency",
        "pipeline.commands.verify.command",
        "pipeline.model",
    ):
        importlib.import_module(name)  # once, before the cases are forked off
    with tempfile.TemporaryDirectory() as scratch:
        base, folder = Path(scratch) / "base", Path(scratch) / "case"
        tutorial = _base(folder / "project")
        shutil.copytree(tutorial.folder, base, symlinks=True)
        status, text = _forked(tutorial.folder, _pipeline, _run_id(tutorial))
        if status:
            sys.exit(f"the commit without tampering must verify:\n{text}")
        for cases in _batches(kinds, given.count or sum(kind.share for kind in kinds)):
            shutil.rmtree(folder)
            folder.mkdir()  # always the same: MLflow knows a run's files by their whole path
            results, text = _outcomes(base, folder, cases, given.seed)
            for case, (outcome, expected) in zip(cases, results, strict=True):
                console.print(f"{case.number + 1:4} {outcome:7} {case.kind.name}: {expected}", markup=False)
                outcomes[case.kind.name, outcome] += 1
            if any(outcome == MISSED for outcome, _ in results):
                console.print(text, markup=False)
    _print_table(console, kinds, outcomes)
    if any(outcome == MISSED for _, outcome in outcomes):
        sys.exit(1)


def _print_table(console: Console, kinds: list[Kind], outcomes: Counter[tuple[str, str]]) -> None:
    table = Table("changed", CAUGHT, NAMED, MISSED, "total")
    names = [kind.name for kind in kinds if any(name == kind.name for name, _ in outcomes)]
    for name in names:
        counts = [outcomes[name, outcome] for outcome in (CAUGHT, NAMED, MISSED)]
        table.add_row(name, *map(str, counts), str(sum(counts)))
    counts = [sum(outcomes[name, outcome] for name in names) for outcome in (CAUGHT, NAMED, MISSED)]
    console.print(table)
    console.print(f"caught {counts[0]}, named {counts[1]}, missed {counts[2]}, of {sum(counts)}")


if __name__ == "__main__":
    main()
