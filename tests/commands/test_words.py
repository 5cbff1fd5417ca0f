"""The words of the command line: help, examples, versions, folders below the root, completion."""

import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pipeline import __main__
from pipeline.commands import version
from pipeline.commands.cli import cli
from tests.project import SOURCE

SCRIPT = [sys.executable, "-c", "from pipeline.__main__ import softmax; softmax()"]
MODULE = [sys.executable, "-m", "pipeline"]


def run(*command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, where the package is found as in an environment that it was installed into."""
    variables = os.environ | {"PYTHONPATH": str(SOURCE)} | environment
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


@pytest.fixture
def below(tmp_path: Path) -> Iterator[Path]:
    """A folder below the root of a project that holds a table, its stages and their params."""
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(SOURCE / name, tmp_path / name)
    (tmp_path / "data/raw").mkdir(parents=True)
    shutil.copyfile(SOURCE / "data/raw/penguins.csv", tmp_path / "data/raw/penguins.csv")
    return tmp_path / "data/raw"


@pytest.mark.parametrize("columns", ["60", "80", "100", "200"])
def test_help_fits_the_terminal_and_cuts_no_sentence(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to 100 columns; of every word the first sentence stands in the list."""
    monkeypatch.setenv("COLUMNS", columns)
    lines = cli.make_context("softmax", [], resilient_parsing=True).get_help().splitlines()
    assert max(map(len, lines)) <= min(int(columns), 100)
    text = "".join("".join(lines).split())
    for word in cli.commands.values():
        assert "".join((word.help or "").split("\n\n")[0].split()).rstrip(".") in text


@pytest.mark.parametrize("word", cli.commands)
def test_every_word_shows_an_example_that_can_be_typed(word: str) -> None:
    """The options and arguments of the example are those that the word takes."""
    lines = CliRunner().invoke(cli, [word, "--help"], prog_name="softmax").output.splitlines()
    program, called, *rest = shlex.split(lines[lines.index("Example:") + 1])
    assert (program, called) == ("softmax", word)
    cli.commands[word].make_context(word, rest, resilient_parsing=False, parent=click.Context(cli)).close()


@pytest.mark.slow
def test_versions_come_without_the_libraries(below: Path) -> None:
    """Release, commit and libraries are told; none of the heavy ones is loaded for it."""
    result = run(sys.executable, "-X", "importtime", "-m", "pipeline", "--version", folder=below)
    first, code, libraries = result.stdout.splitlines()
    assert first.startswith(f"softmax-pipeline {version.release()}, ")
    assert code == f"code: {SOURCE / 'pipeline'}"
    assert [part.split()[0] for part in libraries.split(", ")] == ["python", "torch", "dvc", "mlflow"]
    loaded = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert loaded & {"torch", "mlflow", "dvc", "pandas"} == set()


def test_the_release_is_the_newest_of_the_changelog() -> None:
    """pyproject.toml is the one place of the number."""
    headings = [
        line for line in (SOURCE / "CHANGELOG.md").read_text(encoding="utf-8").splitlines() if line[:3] == "## "
    ]
    assert next(heading for heading in headings if heading != "## Unreleased") == f"## {version.release()}"


def test_the_script_is_the_command_line() -> None:
    """`softmax` is installed with the project."""
    scripts = tomllib.loads((SOURCE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert EntryPoint("softmax", scripts["softmax"], "console_scripts").load() is __main__.softmax


@pytest.mark.slow
def test_a_word_works_in_a_folder_below_the_root(below: Path) -> None:
    """Files that are typed count from there, those of the project from its root; a mistake is named as typed."""
    result = run(*SCRIPT, "init", "penguins.csv", "--target", "species", "-o", "../mine.yaml", folder=below)
    assert (result.returncode, result.stderr) == (0, "")
    assert "source: data/raw/penguins.csv" in (below / "../mine.yaml").read_text(encoding="utf-8")
    result = run(*SCRIPT, "init", "penguin.csv", "--target", "species", "-o", "-", folder=below)
    assert (result.returncode, result.stderr.partition(":")[0]) == (1, "penguin.csv")
    result = run(*SCRIPT, "summary", folder=below)
    assert result.stderr.startswith("models/history.csv: no such file")


@pytest.mark.slow
def test_the_code_is_that_of_the_project_around(below: Path) -> None:
    """Where another project is installed, the one in which a person stands runs nevertheless."""
    shutil.copytree(SOURCE / "pipeline", below.parent.parent / "pipeline")
    for program in (SCRIPT, MODULE):
        result = run(*program, "--version", folder=below, PYTHONSAFEPATH="1")
        assert f"code: {below.parent.parent / 'pipeline'}" in result.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_completes_words(shell: str, tmp_path: Path) -> None:
    """The script for the shell names the function that asks for the words; of these it gets those that fit."""
    assert "_softmax_completion" in run(*SCRIPT, folder=tmp_path, _SOFTMAX_COMPLETE=f"{shell}_source").stdout
    asked = {"COMP_WORDS": "softmax su", "COMP_CWORD": "1"}
    assert "summary" in run(*SCRIPT, folder=tmp_path, _SOFTMAX_COMPLETE=f"{shell}_complete", **asked).stdout
