"""Sessions in documents: blocks ```` ```console ````, where a command stands behind `$` and what it prints below it.

In what is shown `...` is any text, as in doctest. Where nothing is shown a command may print anything.
"""

import doctest
import re
import shlex
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from markdown_it import MarkdownIt

from tests.project import SOURCE, Project

README = "README.md"

# Numbers so near to 0 are what rounding leaves; their digits are the processor's.
_ROUNDING = re.compile(r"\b\d(\.\d+)?e-(0[7-9]|[1-9]\d)\b")

_COMMIT = {
    f"GIT_{who}_{what}": "t@t" if what == "EMAIL" else "t"
    for who in ("AUTHOR", "COMMITTER")
    for what in ("NAME", "EMAIL")
}


@dataclass(frozen=True)
class Step:
    """A command of one line or more, without its comment, and the text that the document shows below it."""

    command: str
    shown: str

    def agrees_with(self, printed: str) -> bool:
        """Whether a terminal could show ``printed`` where the document shows its text."""
        if not self.shown:
            return True
        shown, came = (_ROUNDING.sub("tiny", _without_blanks(text)) for text in (self.shown, printed))
        return doctest.OutputChecker().check_output(shown, came, doctest.ELLIPSIS)


def sections(document: str) -> dict[str, list[Step]]:
    """The steps of a document by the heading, of the second or third level, that they stand under."""
    by_heading: dict[str, list[Step]] = {}
    heading = ""
    tokens = MarkdownIt("commonmark").parse((SOURCE / document).read_text(encoding="utf-8"))
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and token.tag in ("h2", "h3") and following is not None:
            heading = following.content
        if token.type == "fence" and token.info == "console":
            by_heading.setdefault(heading, []).extend(_steps(token.content))
    return by_heading


def steps(document: str) -> list[Step]:
    """All steps of a document."""
    return [step for section in sections(document).values() for step in section]


def step(document: str, beginning: str) -> Step:
    """The one step of a document whose command begins so."""
    (only,) = [step for step in steps(document) if step.command.startswith(beginning)]
    return only


def run(project: Project, command: str, **environment: str) -> tuple[int, str]:
    """Exit status and output, standard error included, of a command in a shell in the project's root.

    The folder around it is the person's home.
    """
    variables = {"HOME": str(project.folder.parent)} | _COMMIT | environment
    # A terminal's width would be the output's, and a make below `make test` prints which folder it enters and leaves.
    unset = "unset COLUMNS MAKEFLAGS MAKELEVEL MFLAGS"
    result = project.run("bash", "-c", f"{unset}; exec 2>&1\n{command}", check=False, **variables)
    return result.returncode, result.stdout


def run_all(project: Project, steps: Iterable[Step], failing: Collection[str] = (), **environment: str) -> None:
    """Run the steps in order and check that each prints what is shown, and exits with 0, or 1 if it is ``failing``."""
    for step in steps:
        status, printed = run(project, step.command, **environment)
        assert status == (step.command in failing), f"$ {step.command}\n{printed}"
        if not step.agrees_with(printed):
            # Unequal all the same: pytest shows where.
            assert printed.splitlines() == step.shown.splitlines(), f"$ {step.command}\n{printed}"


def _steps(block: str) -> list[Step]:
    commands: list[tuple[list[str], list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            commands.append(([line.removeprefix("$ ")], []))
        elif not commands[-1][1] and _goes_on(commands[-1][0]):
            commands[-1][0].append(line)
        else:
            commands[-1][1].append(line)
    return [Step(_plain("\n".join(typed)), "\n".join(shown)) for typed, shown in commands]


def _plain(typed: str) -> str:
    """A command without the comment behind it, and without the line ends that a backslash hides."""
    return re.sub(r" *\\\n *", " ", re.sub(r" +# .*", "", typed))


def _goes_on(typed: list[str]) -> bool:
    """Whether a shell waits for another line: a here-document, a backslash or a quote is open."""
    if document := re.search(r"<< '(\w+)'", typed[0]):
        return document[1] not in typed
    if typed[-1].endswith("\\"):
        return True
    try:
        shlex.split("\n".join(typed), comments=True)
    except ValueError:
        return True
    return False


def _without_blanks(text: str) -> str:
    """The text without blanks at the ends of lines, and with one line end at its own."""
    return "\n".join(line.rstrip() for line in text.rstrip().split("\n")) + "\n"
