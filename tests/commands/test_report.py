"""`python -m pipeline report REV -o FILE`: pages of commits, experiments, the workspace and runs."""

import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.project import UNTRACKED, Project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, repro: Path) -> Project:
    """A project with two commits that were run: as shipped, and with another learning rate."""
    folder = tmp_path_factory.mktemp("report")
    project = Project.after_repro(folder, repro)
    commit = ("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-a", "--allow-empty", "-m")
    project.run(*commit, "as shipped <b>")
    project.dvc("exp", "run", "-S", "train.lr=0.5", **UNTRACKED)
    project.run(*commit, "faster")
    return project


def _page(project: Project, revision: str, name: str = "page.html", check: bool = True) -> str:
    project.pipeline("report", revision, "-o", name, check=check)
    return project.read(name)


def test_the_page_of_a_commit_says_where_it_comes_from(project: Project) -> None:
    """Commit, message, params, versions, what changed since the commit before, and how to bring it back."""
    page = _page(project, "HEAD")
    sha = project.run("git", "rev-parse", "HEAD").stdout.strip()
    for text in (sha, "faster", f"python -m pipeline verify {sha}", "train.lr", "Params, a against b", "0.1"):
        assert text in page
    before = _page(project, "HEAD~1")
    assert "as shipped &lt;b&gt;" in before
    assert "<b>" not in before


def test_the_page_of_a_commit_is_the_same_bytes_again(project: Project, tmp_path: Path) -> None:
    """Made twice, and once in a copy of the project, it is the same."""
    page = _page(project, "HEAD~1")
    assert _page(project, "HEAD~1", "again.html") == page
    shutil.copytree(project.folder, tmp_path / "copy")
    assert _page(Project.at(tmp_path / "copy"), "HEAD~1") == page


def test_the_page_of_the_workspace_is_of_the_files_that_lie_there(project: Project) -> None:
    """It has no commit, and compares itself with the one that is checked out."""
    page = _page(project, "workspace")
    assert "Report of <bdi>workspace</bdi>" in page
    assert "To bring it back" not in page


def test_a_page_can_be_printed_to_a_pipe(project: Project) -> None:
    """With - it goes to standard output, and nothing else does."""
    printed = project.pipeline("report", "HEAD", "-o", "-").stdout
    assert printed == _page(project, "HEAD")


def test_a_damaged_file_is_a_sentence_in_its_section(project: Project, tmp_path: Path) -> None:
    """The page of the workspace stands, and the section of the file says what is wrong with it."""
    copy = Project.at(tmp_path / "copy")
    shutil.copytree(project.folder, copy.folder)
    (copy.folder / "reports" / "plots" / "calibration.csv").unlink()
    (copy.folder / "reports" / "plots" / "calibration.csv").write_text("predicted,observed\n", encoding="utf-8")
    page = _page(copy, "workspace")
    assert page.count("This section cannot be shown") == 1
    assert re.search(r"workspace: reports/plots/calibration\.csv: expected the columns", page)


def test_without_dvcs_cache_a_sentence_says_what_is_missing(project: Project, tmp_path: Path) -> None:
    """A clone that has git's files alone gets one message, and no page."""
    project.run("git", "clone", "-q", str(project.folder), str(tmp_path / "clone"))
    result = Project.at(tmp_path / "clone").pipeline("report", "HEAD", "-o", "page.html", check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("HEAD: models/softmax.json, models/softmax.safetensors: neither git nor DVC's")
    assert not (tmp_path / "clone" / "page.html").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("HEAD",), "expected a file for the page: REV -o FILE"),
        (("HEAD", "-o", "x.html", "--model", "models"), "without --model: these are for the stage"),
    ],
)
def test_stage_and_command_are_not_mixed(project: Project, words: tuple[str, ...], sentence: str) -> None:
    """The command needs a file, and takes none of the stage's folders."""
    result = project.pipeline("report", *words, check=False)
    assert result.returncode == 2
    assert sentence in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    "name", ["params.yaml", "reports/metrics.json", "models/softmax.json", "data/raw/tutorial.csv"]
)
def test_a_file_that_is_no_page_is_not_replaced(project: Project, name: str) -> None:
    """A slip of the hand costs no params, data or results; an earlier page gives way."""
    before = (project.folder / name).read_bytes()
    result = project.pipeline("report", "HEAD", "-o", name, check=False)
    assert result.returncode == 1
    sentence = "expected a new file or an earlier page, got a file that is no page; name another"
    assert result.stderr == f"{name}: {sentence}\n"
    assert (project.folder / name).read_bytes() == before


def test_an_unknown_revision_is_one_sentence(project: Project) -> None:
    """What is neither commit, experiment nor run is named."""
    result = project.pipeline("report", "nowhere", "-o", "x.html", check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("nowhere: expected a commit, branch, tag or DVC experiment")


def test_the_stage_writes_the_same_page_as_dvc_did(project: Project) -> None:
    """Without REV and -o the word is the stage, also without its options."""
    page = project.read("reports/report.html")
    project.pipeline("report")
    assert project.read("reports/report.html") == page


def test_the_page_of_a_run_is_of_its_artifacts(tmp_path: Path, repro: Path) -> None:
    """An MLflow run, named by the beginning of its id, has the page of its model, with what changed."""
    project = Project.after_repro(tmp_path, repro)
    project.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-a", "--allow-empty", "-m", "run")
    project.pipeline("track", "HEAD")
    with sqlite3.connect(project.folder / "mlflow.db") as database:
        ((run_id,),) = database.execute("SELECT run_uuid FROM runs").fetchall()
    page = _page(project, run_id[:12])
    assert run_id in page
    assert "0.162271" in page
    assert page.count("This section cannot be shown") == 0
