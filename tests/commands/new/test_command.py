"""A project for a table in a new folder: what is in it, what is refused, and that nothing half-made is left."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.commands.cli import cli
from pipeline.commands.new.upstream import RECORD_FILE, Record
from pipeline.documents import yaml_documents
from pipeline.errors import UserError
from pipeline.repository import git
from tests.project import SOURCE, UNTRACKED, Project

PENGUINS = SOURCE / "data/raw/penguins.csv"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a table, for a person whom git knows by these variables alone."""
    for name, value in {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(name, value)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "t")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "t@example.org")
    folder = tmp_path / "place"
    folder.mkdir()
    shutil.copyfile(PENGUINS, folder / "mine.csv")
    monkeypatch.chdir(folder)
    return folder


def new(*words: str) -> Result:
    """Call the word in this process."""
    return CliRunner().invoke(cli, ["new", *words])


def refusal(*words: str) -> str:
    """The sentence that it is refused with."""
    result = new(*words)
    assert isinstance(result.exception, UserError), result.output
    return str(result.exception)


@pytest.mark.slow
def test_a_project_runs_and_keeps_nothing_of_where_it_was_made(place: Path) -> None:
    """One commit of the code, params and the table's digest, which names no folder of this machine; stages run."""
    result = new("my project", "mine.csv", "--target", "species")
    assert result.output.splitlines()[-1] == "next: cd 'my project' && make run"
    project = Project.at(place / "my project")
    assert sorted(path.name for path in place.iterdir()) == ["mine.csv", "my project"]
    assert project.run("git", "status", "--porcelain").stdout == ""
    names = project.run("git", "ls-files").stdout.splitlines()
    assert {"README.md", "data/raw/mine.csv.dvc", "params.yaml", RECORD_FILE, "dvc.yaml"} <= set(names)
    assert [name for name in names if name.startswith(("tests/", "docs/", "benchmarks/", "dvc.lock"))] == []
    for name in names:
        assert str(place).encode() not in (project.folder / name).read_bytes()
        assert str(SOURCE).encode() not in (project.folder / name).read_bytes()
    assert Record.read(project.folder).commit == (git.stdout(SOURCE, "rev-parse", "HEAD") or "").strip()
    project.dvc("repro", "prepare", **UNTRACKED)
    assert "Gentoo" in project.read("data/prepared/schema.json") + project.read("data/prepared/encoder.json")


@pytest.mark.slow
def test_several_files_are_one_table_in_a_folder(place: Path) -> None:
    """They lie in a folder of the project's name, which is under DVC as one."""
    header, *rows = PENGUINS.read_text(encoding="utf-8").splitlines()
    for name, half in (("a.csv", rows[::2]), ("b.csv", rows[1::2])):
        (place / name).write_text("\n".join([header, *half, ""]), encoding="utf-8")
    assert new("both", "a.csv", "b.csv", "--target", "species").exit_code == 0
    params = yaml_documents.parse((place / "both/params.yaml").read_text(encoding="utf-8"))
    assert params["prepare"]["source"] == "data/raw/both"
    assert sorted(path.name for path in (place / "both/data/raw/both").iterdir()) == ["a.csv", "b.csv"]
    assert (place / "both/data/raw/both.dvc").is_file()


@pytest.mark.slow
def test_an_address_stays_where_it_is(place: Path) -> None:
    """Nothing is copied; an empty folder that is there becomes the project."""
    (place / "far").mkdir()
    address = f"file://{place}/mine.csv"
    assert new("far", address, "--target", "species").exit_code == 0
    assert yaml_documents.parse((place / "far/params.yaml").read_text(encoding="utf-8"))["prepare"]["source"] == address
    assert not (place / "far/data/raw").exists()


@pytest.mark.parametrize("name", [".gitignore", "mine.dvc", "dvc.yaml", "a\nb.csv"])
def test_a_table_has_a_name_that_means_nothing_else(name: str, tmp_path: Path) -> None:
    """In the project git, DVC or a line of a file would take it for something of theirs."""
    shutil.copyfile(PENGUINS, tmp_path / name)
    assert refusal("p", str(tmp_path / name), "--target", "species").endswith("; rename it")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("p", "none.csv", "--target", "species"), "none.csv: expected a CSV file: no such file"),
        (("p", "mine.csv", "--target", "speces"), "mine.csv: expected a column for --target, got 'speces'"),
        (("p", "mine.csv", "./mine.csv", "--target", "species"), "mine.csv: expected files of different names"),
        (("p", "s3://a/b.csv", "mine.csv", "--target", "y"), "s3://a/b.csv: expected one address alone"),
        (("p", "http://u:secret@h/b.csv", "--target", "y"), "http://***@h/b.csv: expected an address without"),
        (("a/p", "mine.csv", "--target", "species"), "a/p: expected a new folder in one that is there"),
        (("mine.csv", "mine.csv", "--target", "species"), "mine.csv: expected a new folder or an empty one"),
        (("..", "mine.csv", "--target", "species"), "..: expected a new folder or an empty one"),
        ((".", "mine.csv", "--target", "species"), ".: expected a new folder, got the one in which you stand"),
        (("a\nb", "mine.csv", "--target", "species"), r"a\nb: expected a name of a folder that can be printed"),
        (("x" * 300, "mine.csv", "--target", "species"), "xxx"),
        pytest.param(
            ("/proc/p", "mine.csv", "--target", "species"),
            "/proc/p: cannot be made: ",
            marks=pytest.mark.skipif(
                not Path("/proc/self").is_dir(), reason="needs a folder that takes no files: /proc"
            ),
        ),
    ],
)
def test_what_cannot_be_made_is_refused_and_leaves_nothing(words: tuple[str, ...], sentence: str, place: Path) -> None:
    """One sentence that names the place as it was typed."""
    assert refusal(*words).startswith(sentence)
    assert [path.name for path in place.iterdir()] == ["mine.csv"]


def test_no_project_is_made_in_a_repository(place: Path) -> None:
    """The sentence says where it could be."""
    subprocess.run(["git", "init", "--quiet"], cwd=place, check=True)
    sentence = refusal("p", "mine.csv", "--target", "species")
    assert sentence.startswith(f"p: expected a folder outside of every git repository, got one in {place.resolve()}")
    assert sentence.endswith(f"such as {Path('..') / 'p'}")


def test_git_must_know_who_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the table is copied."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_NAME")
        monkeypatch.delenv(f"GIT_{role}_EMAIL")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("EMAIL", "")
    settings = Path(os.environ["HOME"])
    settings.mkdir()
    (settings / ".gitconfig").write_text("[user]\n\tuseConfigOnly = true\n", encoding="utf-8")
    assert refusal("p", "mine.csv", "--target", "species").startswith("git: expected to know who commits")


def test_words_that_do_not_go_together_are_misuse() -> None:
    """Exit status 2, as click's own."""
    for words in ((), ("p",), ("p", "mine.csv"), ("p", "--update"), ("--update", "--target", "y")):
        assert new(*words).exit_code == 2
