"""Sentences within the screen's width, and bars in a terminal only."""

import subprocess
import sys

import pytest
from rich.cells import cell_len

from pipeline import screen
from tests.terminal import drawn, unwrapped


@pytest.mark.parametrize(
    "text",
    [
        "train: " + "a word or two; " * 30,
        "train: 열이 서로 따릅니다 " * 12,
        "rows      336,776: " + "train 202,065, " * 12,
    ],
)
def test_a_long_sentence_is_broken_between_words(text: str) -> None:
    """No line is wider than the screen, further ones are indented, and no word is lost."""
    first, *others = screen.wrapped(text, 60, indent=10).split("\n")
    assert others
    assert all(cell_len(line) <= 60 for line in (first, *others))
    assert all(line.startswith(" " * 10 + line.strip()[0]) for line in others)
    assert unwrapped(" ".join([first, *others])) == unwrapped(text)


def test_what_is_copied_is_never_broken() -> None:
    """A command in backticks, a path with spaces and a long word stay on one line; so do lines that fit."""
    command, path, word = "`python -m pipeline track --all-experiments`", "my tables/of last  year.csv", "x" * 80
    text = f"the run is kept there: {command} sends it to {screen.unbroken(path)} and {word} too"
    broken = screen.wrapped(text, 60)
    assert broken.count("\n") > 1
    assert all(part in broken for part in (command, path, word))
    assert screen.wrapped("a   line\nthat  fits", 60) == "a   line\nthat  fits"


def test_errors_are_one_line_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output is wrapped at 100 columns wherever it goes; an error that no terminal shows is not."""
    sentence = "warning: " + "what went wrong and where; " * 10 + "\x1b[31m"
    screen.say(sentence)
    screen.say(sentence, error=True)
    out, err = capsys.readouterr()
    assert max(map(len, out.splitlines())) <= screen.WIDEST
    assert err.count("\n") == 1
    assert unwrapped(out) == err.strip()
    assert err.endswith("\\x1b[31m\n")


_WORKS = """
import time
from pipeline import screen
with screen.bar("outer", 4, "items", done=1) as outer:
    outer.advance()
    outer.note = "cost 0.5"
    time.sleep(1.2)
    with screen.bar("inner"):
        time.sleep(1.2)
print("done")
"""


@pytest.mark.slow
def test_a_terminal_shows_the_innermost_bar() -> None:
    """After a second each, within the width, the count with what was done before; at the end the line is empty."""
    states = drawn([sys.executable, "-c", _WORKS], columns=80).split("\r")
    shown = [state.rstrip() for state in states if state.strip()]
    assert shown[0].startswith("outer:  50%|")
    assert shown[0].endswith("| 2 of 4 items, 00:02 left, cost 0.5")
    assert shown[-1] == "inner: 00:01"
    assert max(map(len, states)) < 80
    assert states[-2].strip() == states[-1] == ""


@pytest.mark.slow
def test_without_a_terminal_there_is_no_bar() -> None:
    """A log gets what is printed and nothing else."""
    result = subprocess.run([sys.executable, "-c", _WORKS], capture_output=True, check=True)
    assert (result.stdout, result.stderr) == (b"done\n", b"")
