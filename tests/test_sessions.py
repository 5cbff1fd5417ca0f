"""README, tutorial, inference and decisions: every command in a session runs, and prints what stands below it.

A section of README begins where `make run` ends, in a copy of its own; the others are run from beginning to end.
"""

import random
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests import sessions
from tests.project import SOURCE, UNTRACKED, Project
from tests.sessions import README, Step

pytestmark = pytest.mark.slow

TUTORIAL, KOREAN_TUTORIAL = "docs/tutorial.md", "docs/tutorial.ko.md"
INFERENCE, DECISIONS = "docs/inference.md", "docs/decisions.md"
PREDICT, EXPORT = "docs/predict.md", "docs/export.md"

# How commands begin that are shown and not run here, and why not. One more is a decision, not a way out.
NOT_RUN = {
    "make test": "runs this test",
    "dvc exp run -n penguins": "run by tests/test_bring_your_own.py",
    "dvc exp run -n faster": "run by tests/test_experiments.py",
    "python -m pipeline compare": "run by tests/test_experiments.py",
    "python -m pipeline verify": "half a minute; tests/commands/verify/test_command.py compares what is shown",
    "python -m benchmarks.first_run": "half an hour, and prints timings",
    "python -m benchmarks.solver --slow": "minutes, and prints timings",
    "python -m benchmarks.scaling": "minutes, and prints timings",
    "python -m benchmarks.prepare --large": "minutes, and prints timings",
    "python -m benchmarks.report": "minutes, and prints timings",
    "python -m benchmarks.overhead": "a minute, and prints timings",
    "python -m benchmarks.predict": "minutes, and prints timings",
    "python -m benchmarks.serve": "minutes, and prints timings",
    "python -m benchmarks.tampering": "an hour",
}

# A mistake is shown, too.
FAILING = ("python -m pipeline predict august.csv",)

# How a line begins that a person types, where no session shows it as one.
TYPED = re.compile(r"(?:\$ )?((?:python|dvc|git|make|softmax|pip|mlflow) .+)")

# What a person brings to the section on their own table: rows, and new ones with and without a mistake.
_DRAWN = random.Random(0)
_ROWS = [
    (_DRAWN.gauss(20, 8), _DRAWN.choice(["red", "green", "blue"]), _DRAWN.choice(["no", "yes"])) for _ in range(1_000)
]
MINE = "size,colour,answer\n" + "".join(
    f"{size:.3f},{colour},{'yes' if size > 25 else 'no' if size < 15 else answer}\n" for size, colour, answer in _ROWS
)
TABLES = {
    "data/raw/mine.csv": MINE,
    "../mine.csv": MINE,
    "new.csv": "size,colour\n3.5,red\n31.5,blue\n",
    "august.csv": "size,colour\n3.5,red\n31.5,blue\nbig,green\n",
}


def is_listed(command: str) -> bool:
    """Whether the command is one of those that are not run here."""
    return any(f"{command} ".startswith(f"{beginning} ") for beginning in NOT_RUN)


def not_listed(steps: list[Step]) -> list[Step]:
    """The steps to run here."""
    return [step for step in steps if not is_listed(step.command)]


def typed_elsewhere(document: str) -> list[str]:
    """Commands in blocks that are no sessions, and in the cells of tables."""
    lines: list[str] = []
    in_table = False
    for token in MarkdownIt("commonmark").enable("table").parse((SOURCE / document).read_text(encoding="utf-8")):
        in_table = token.type == "table_open" or (in_table and token.type != "table_close")
        if token.type in ("fence", "code_block") and token.info != "console":
            lines += token.content.splitlines()
        if in_table and token.type == "inline":
            lines += [part.content for part in token.children or () if part.type == "code_inline"]
    return [match[1] for line in lines if (match := TYPED.fullmatch(line.strip()))]


@pytest.fixture
def project(repro: Path, tmp_path: Path) -> Project:
    """A fresh clone after `make run`, and a person's own tables."""
    project = Project.after_repro(tmp_path / "project", repro)
    for name in ("Makefile", "requirements.lock", "pyproject.toml", "setup.py"):
        (project.folder / name).write_bytes((SOURCE / name).read_bytes())
    assert sessions.run(project, "git add -A; git commit -q -m clone")[0] == 0
    # The environment is there already.
    (project.folder / ".venv").mkdir()
    (project.folder / ".venv" / "installed").touch()
    for name, text in TABLES.items():
        (project.folder / name).write_text(text, encoding="utf-8")
    return project


@pytest.mark.parametrize("heading", [name for name, steps in sessions.sections(README).items() if not_listed(steps)])
def test_a_section_of_the_readme_does_what_it_shows(project: Project, heading: str) -> None:
    """Whoever copies its commands from top to bottom sees the same."""
    sessions.run_all(project, not_listed(sessions.sections(README)[heading]), FAILING, **UNTRACKED)


@pytest.mark.parametrize("document", [TUTORIAL, INFERENCE, DECISIONS, PREDICT, EXPORT])
def test_a_page_does_what_it_shows(project: Project, document: str) -> None:
    """Every number in it is printed by the command above it."""
    sessions.run_all(project, not_listed(sessions.steps(document)), FAILING, **UNTRACKED)


def test_the_korean_tutorial_is_the_same_lesson() -> None:
    """The same commands in the same sections, with the same output."""
    english, korean = (list(sessions.sections(document).values()) for document in (TUTORIAL, KOREAN_TUTORIAL))
    assert korean == english


def test_every_command_is_run_or_listed() -> None:
    """What stands outside of sessions is listed with a reason, and nothing is listed that no document shows."""
    documents = (README, TUTORIAL, KOREAN_TUTORIAL)
    elsewhere = [command for document in documents for command in typed_elsewhere(document)]
    in_sessions = [step.command for document in documents for step in sessions.steps(document)]
    assert [command for command in elsewhere if not is_listed(command)] == []
    for beginning in (*NOT_RUN, *FAILING):
        assert any(f"{command} ".startswith(f"{beginning} ") for command in [*elsewhere, *in_sessions]), beginning


@pytest.mark.parametrize(
    ("shown", "printed", "agree"),
    [
        ("a\nb", "a   \nb\n\n", True),
        ("a\nb", "a\nc\n", False),
        ("a\n...\nd", "a\nb\nc\nd\n", True),
        ("a\n...\nd", "a\nb\nc\n", False),
        ("...\nd", "a\nd\n", True),
        ("", "a\n", True),
        ("within 1.4e-11 of 0.0137", "within 9.1e-12 of 0.0137", True),
        ("within 1.4e-3", "within 9.1e-3", False),
    ],
)
def test_what_is_shown_is_compared(shown: str, printed: str, agree: bool) -> None:
    """Line by line, blanks at their ends aside; the digits of what rounding leaves are the processor's."""
    assert Step("command", shown).agrees_with(printed) == agree
