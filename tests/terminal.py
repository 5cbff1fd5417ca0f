"""Output as a person reads it: without the line breaks of a screen, and in a real terminal."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest


def unwrapped(text: str) -> str:
    """Sentences without the ends of lines within them."""
    return " ".join(text.split())


def drawn(command: Sequence[str], columns: int = 80, folder: Path | None = None) -> str:
    """What a command writes to standard error where that is a terminal; standard output is none.

    Raises: CalledProcessError if it fails.
    """
    pty = pytest.importorskip("pty", reason="the system has no such terminals")
    termios = pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    try:
        subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, cwd=folder, env=environment, check=True)
        return os.read(ours, 1 << 16).decode()
    finally:
        os.close(theirs)
        os.close(ours)
