"""Without a word: what is out of date and why, and one command that goes on."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.commands.cli import cli
from tests.project import Project


@pytest.fixture
def project(repro: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project after a run that is committed, in which the person stands."""
    project = Project.after_repro(tmp_path / "mine", repro)
    project.run("git", "config", "user.name", "t")
    project.run("git", "config", "user.email", "t@example.org")
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "--allow-empty", "--message", "A run")
    monkeypatch.chdir(project.folder)
    return project


def status() -> dict[str, str]:
    """The text of each line by its name; a line without one belongs to the one before."""
    result = CliRunner().invoke(cli, [], prog_name="softmax")
    assert result.exception is None, result.exception
    assert max(map(len, result.output.splitlines())) <= 100
    return dict(_entries(result.output))


def _entries(output: str) -> Iterator[tuple[str, str]]:
    indent = output.index(output.split(maxsplit=1)[1])
    entries: list[list[str]] = []
    for line in output.splitlines():
        if line[:indent].strip():
            entries.append([line[:indent].strip(), line[indent:]])
        else:
            entries[-1][1] += " " + line.strip()
    yield from ((name, text) for name, text in entries)


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text in a file, which DVC may have linked to its cache."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.unlink()
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.slow
def test_it_agrees_with_dvc_on_what_is_out_of_date(project: Project) -> None:
    """After a run nothing is; then params, code, data and outputs change, one after another."""
    assert {status()[stage] for stage in ("prepare", "train", "evaluate")} == {"up to date"}
    assert status()["metrics"].startswith("train log loss 0.1622 nats, accuracy 1.0000: 85% of the uncertainty is gone")
    assert status()["next"] == "softmax verify"
    edit(project.folder / "params.yaml", "lr: 0.1 ", "lr: 0.5 ")
    assert status()["train"] == "out of date: params changed: train.lr 0.1 -> 0.5"
    assert (status()["evaluate"], status()["next"]) == ("out of date: after decide, train", "dvc repro")
    edit(project.folder / "pipeline/scoring/logits.py", '"""', '"""A ')
    assert status()["evaluate"] == "out of date: code changed: pipeline/scoring; after decide, train"
    edit(project.folder / "data/raw/tutorial.csv", "1", "2")
    assert status()["prepare"] == "out of date: data changed: data/raw/tutorial.csv"
    changed = project.dvc("status").stdout
    assert all(f"{stage}:\n" in changed for stage in ("prepare", "train", "evaluate"))
    project.run("git", "checkout", "--quiet", "--", ".")
    (project.folder / "models/history.csv").unlink()
    assert status()["train"] == "out of date: output missing: models/history.csv"
    assert "evaluate" not in project.dvc("status").stdout
    (project.folder / "dvc.lock").unlink()
    assert {status()[stage] for stage in ("prepare", "train", "evaluate")} == {"has not run"}


@pytest.mark.slow
def test_the_next_command_goes_on(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a clean commit to its proof, to predictions; from below the root; without table, params or project."""
    receipts = project.folder / "reports/receipts"
    shutil.rmtree(receipts, ignore_errors=True)
    receipts.mkdir(parents=True)
    (receipts / f"{project.run('git', 'rev-parse', 'HEAD').stdout[:12]}.json").write_text("{}", encoding="utf-8")
    assert status()["next"] == "git add -A && git commit"
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "--message", "Its receipt")
    assert status()["next"] == "softmax predict data/raw/tutorial.csv"
    monkeypatch.chdir(project.folder / "data/raw")
    assert status()["next"] == "cd ../.. && softmax predict data/raw/tutorial.csv"
    monkeypatch.chdir(project.folder)
    project.run("git", "rm", "--quiet", "--cached", "data/raw/tutorial.csv")
    assert status()["next"] == "dvc add data/raw/tutorial.csv"
    (project.folder / "data/raw/tutorial.csv").unlink()
    assert status()["next"] == "softmax init FILE.csv --target COLUMN"
    (project.folder / "data/raw/tutorial.csv.dvc").touch()
    assert status()["next"] == "dvc pull data/raw/tutorial.csv"
    (project.folder / "params.yaml").unlink()
    assert status()["next"] == "softmax init FILE.csv --target COLUMN"
    monkeypatch.chdir(project.folder.parent)
    assert status()["next"].startswith("softmax new DIR FILE.csv --target COLUMN")
