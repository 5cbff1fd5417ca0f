"""Say where the person is: the project, its last run and metrics, what is out of date, and one command to go on."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from pipeline import screen
from pipeline.commands.new.upstream import RECORD_FILE, Record
from pipeline.commands.place import at_root
from pipeline.commands.status import stages
from pipeline.commands.status.stages import StageState
from pipeline.errors import printable, shortened
from pipeline.output_files import METRICS_FILE, REPORTS_FOLDER
from pipeline.params import PARAMS_FILE, read_params
from pipeline.repository import git, outputs, project
from pipeline.repository.lockfile import LOCK_FILE
from pipeline.results import verdict
from pipeline.results.reports import parse_metrics
from pipeline.table import remote
from pipeline.tracking.client import outbox

_NEXT = "next"
_SHORT_COMMIT = 10

_COLOURS = {"up to date": "not bold green", "out of date": "not bold yellow", "has not run": "not bold yellow"}


def main(*, program: str) -> None:
    """Print to standard output; ``program`` is what the person called.

    Raises: UserError if a file of the project is not what it must be.
    """
    root = project.enclosing(Path.cwd())
    if root is None:
        _print(_outside(program))
        return
    _print(_lines(root, program))


def _outside(program: str) -> Iterator[tuple[str, str]]:
    yield "project", f"none: {Path.cwd()} lies in no folder with dvc.yaml and params.yaml"
    yield _NEXT, f"{program} new DIR FILE.csv --target COLUMN   makes one for your table"


def _lines(root: Path, program: str) -> Iterator[tuple[str, str]]:
    """Each line as its name and text."""
    yield "project", f"{root.name}, in {root}"
    commit = git.head_commit(root)
    pending = _pending(root)
    if commit is None:
        yield "commit", "none yet"
    else:
        differ = f", {pending} file{'' if pending == 1 else 's'} not committed" if pending else ""
        yield "commit", f"{commit.sha[:_SHORT_COMMIT]} on {commit.branch or 'no branch'}{differ}"
    if (root / RECORD_FILE).is_file():
        yield "code", f"softmax-pipeline {Record.read(root)}"
    if not (root / PARAMS_FILE).is_file():
        yield "params", f"no {PARAMS_FILE}"
        yield _NEXT, at_root(root, f"{program} init FILE.csv --target COLUMN")
        return
    params = read_params(root / PARAMS_FILE)
    section = params.get("prepare")
    table = section if isinstance(section, dict) else {}
    source = str(table.get("source", ""))
    yield "table", f"{shortened(source)}, target {shortened(table.get('target'))}"
    lock = stages.read_lock(root)
    yield from _last_run(root)
    if waiting := len(outbox.waiting(root)):
        yield "MLflow", f"lacks {waiting} stage{'' if waiting == 1 else 's'}: `{program} track` sends what is kept"
    every = stages.states(root, params, lock)
    for state in every:
        yield state.name, _described(state)
    yield _NEXT, at_root(root, _next(root, program, source, every, pending, commit is not None))


def _last_run(root: Path) -> Iterator[tuple[str, str]]:
    """The commit of the last run, and what it came to."""
    path = REPORTS_FOLDER / METRICS_FILE
    content = outputs.read(root / path)
    if content is None:
        return
    is_committed = not (git.stdout(root, "status", "--porcelain", "--", LOCK_FILE) or "").strip()
    commit = (git.stdout(root, "log", "-1", "--format=%h %s", "--", LOCK_FILE) or "").strip() if is_committed else ""
    yield "last run", f"commit {shortened(commit)}" if commit else "not committed"
    numbers = parse_metrics(content, path)
    yield "metrics", verdict.sentence(numbers)


def _described(state: StageState) -> str:
    if not state.ran:
        return "has not run"
    return f"out of date: {'; '.join(state.reasons)}" if state.reasons else "up to date"


def _next(root: Path, program: str, source: str, every: list[StageState], pending: int, has_commit: bool) -> str:
    """One command that can be run as it stands."""
    is_local = bool(source) and not remote.is_remote(source)
    pointer = root / f"{source}.dvc"
    if is_local and not (root / source).exists():
        return f"dvc pull {shlex.quote(source)}" if pointer.is_file() else f"{program} init FILE.csv --target COLUMN"
    if git.stdout(root, "rev-parse", "--git-dir") is None:
        return "git init"
    if is_local and not pointer.is_file() and git.stdout(root, "ls-files", "--error-unmatch", "--", source) is None:
        return f"dvc add {shlex.quote(source)}"
    if any(not state.ran or state.reasons for state in every):
        return "dvc repro"
    if pending or not has_commit:
        return "git add -A && git commit"
    if not _is_verified(root):
        return f"{program} verify"
    return f"{program} predict {shlex.quote(source)}"


def _pending(root: Path) -> int:
    """How many files differ from the commit, or are in none."""
    listing = git.stdout(root, "status", "--porcelain", "-z", "--no-renames", "--", ".") or ""
    return len(listing.split("\0")) - 1


def _is_verified(root: Path) -> bool:
    """Whether a receipt of `verify` is of a commit since the last run."""
    run = (git.stdout(root, "log", "-1", "--format=%H", "--", LOCK_FILE) or "").strip()
    since = (git.stdout(root, "rev-list", "HEAD", f"^{run}") or "").split() if run else []
    return any((root / REPORTS_FOLDER / "receipts" / f"{sha[:12]}.json").is_file() for sha in [run, *since])


def _print(lines: Iterator[tuple[str, str]]) -> None:
    """A line or more each, within the terminal and 100 columns; the command that is next is never broken."""
    printed = [(printable(name), printable(sentence)) for name, sentence in lines]
    indent = max(len(name) for name, _ in printed) + 2
    width = screen.width() - indent
    console = Console(highlight=False, emoji=False, soft_wrap=True)
    for name, sentence in printed:
        text = Text(name.ljust(indent), style="bold")
        text.append(sentence if name == _NEXT else _indented(sentence, width, indent), style=_style(sentence))
        console.print(text)


def _indented(sentence: str, width: int, indent: int) -> str:
    return screen.wrapped(sentence, width, indent=0).replace("\n", f"\n{' ' * indent}")


def _style(sentence: str) -> str:
    return next((colour for start, colour in _COLOURS.items() if sentence.startswith(start)), "not bold")
