"""A later version of the code as a commit of the project: what stays, what is asked, what is refused."""

import subprocess
from pathlib import Path

import pytest

from pipeline.commands.new import update
from pipeline.commands.new.upstream import RECORD_FILE, Record, Version
from pipeline.errors import UserError
from tests.terminal import unwrapped

LIST = "pipeline/commands/new/template.txt"
LINES = "".join(f"line {number}\n" for number in range(20))


class Repository:
    """Real git in a folder."""

    def __init__(self, folder: Path) -> None:
        """An empty one."""
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "t")
        self.git("config", "user.email", "t@example.org")

    def git(self, *words: str) -> str:
        """Run git; a failure shows what it printed."""
        done = subprocess.run(["git", *words], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, subject: str, **files: str) -> str:
        """Write files, `a__py` for pipeline/a.py, and commit everything."""
        for name, text in files.items():
            self.write(f"pipeline/{name.replace('__', '.')}", text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", subject)
        return self.git("rev-parse", "HEAD")

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text, encoding="utf-8")

    def read(self, name: str) -> str:
        """A file's text."""
        return (self.folder / name).read_text(encoding="utf-8")


@pytest.fixture
def code(tmp_path: Path) -> Repository:
    """The repository of the code."""
    code = Repository(tmp_path / "code")
    code.write(LIST, "pipeline\npyproject.toml\n")
    code.write("pyproject.toml", '[project]\nname = "softmax-pipeline"\nversion = "1.0"\n')
    code.write("README.md", "Of the code\n")
    code.commit("Begin", a__py=LINES, b__py=LINES)
    return code


@pytest.fixture
def mine(code: Repository, tmp_path: Path) -> Repository:
    """A project of it, with a table and a README of its own."""
    mine = Repository(tmp_path / "mine")
    begun = Version(code.folder, code.git("rev-parse", "HEAD"))
    for name, content in begun.files().items():
        mine.write(name, content.decode())
    mine.write(RECORD_FILE, Record("1.0", begun.commit, None).to_text())
    mine.write("README.md", "Mine\n")
    mine.git("config", "softmax-pipeline.source", str(code.folder))
    mine.commit("A project")
    return mine


def test_the_difference_of_two_versions_is_one_commit(
    code: Repository, mine: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """Own changes stay, in a file of another name too, and so do files that are no code; it says what it has."""
    mine.commit("Mine", a__py=LINES + "mine\n", b__py=LINES + "mine\n")
    code.write("pyproject.toml", '[project]\nname = "softmax-pipeline"\nversion = "1.1"\n')
    code.write("README.md", "Other\n")
    code.git("mv", "pipeline/b.py", "pipeline/c.py")
    later = code.commit("Begin lines with a capital", a__py="First\n" + LINES, d__py="new\n")
    update.main(root=mine.folder, source=None, revision="HEAD")
    assert mine.read("pipeline/a.py") == "First\n" + LINES + "mine\n"
    assert mine.read("pipeline/c.py") == LINES + "mine\n"
    assert mine.read("pipeline/d.py") == "new\n"
    assert mine.read("README.md") == "Mine\n"
    assert not (mine.folder / "pipeline/b.py").exists()
    assert Record.read(mine.folder) == Record("1.1", later, None)
    assert mine.git("status", "--porcelain") == ""
    assert mine.git("log", "--format=%an %P", "-1") == f"t {mine.git('rev-parse', 'HEAD~1')}"
    subject, _, *body = mine.git("log", "--format=%B", "-1").splitlines()
    assert subject.startswith("softmax-pipeline 1.0 (")
    assert body == ["- Begin lines with a capital"]
    update.main(root=mine.folder, source=None, revision="HEAD")
    assert "make run up to date: softmax-pipeline 1.1" in unwrapped(capsys.readouterr().out)


def test_a_history_that_was_rewritten_is_updated(code: Repository, mine: Repository) -> None:
    """The record alone says what the project is made of."""
    mine.commit("Mine", a__py=LINES + "mine\n")
    mine.git("checkout", "--quiet", "--orphan", "squashed")
    mine.commit("All in one")
    mine.git("branch", "--delete", "--force", "main")
    code.commit("Later", a__py="First\n" + LINES)
    update.main(root=mine.folder, source=None, revision="main")
    assert mine.read("pipeline/a.py") == "First\n" + LINES + "mine\n"


def test_lines_that_both_changed_are_asked_and_can_be_taken_back(code: Repository, mine: Repository) -> None:
    """The sentence names the file, and both ways on are git's own."""
    before = mine.commit("Mine", a__py="mine\n" + LINES)
    code.commit("Later", a__py="later\n" + LINES)
    with pytest.raises(UserError, match=r"pipeline/a.py: you and the later version changed the same lines") as refused:
        update.main(root=mine.folder, source=None, revision="HEAD")
    assert "git cherry-pick --continue" in str(refused.value)
    mine.git("cherry-pick", "--abort")
    assert (mine.git("rev-parse", "HEAD"), mine.git("status", "--porcelain")) == (before, "")


def test_an_update_is_refused_before_anything_changes(code: Repository, mine: Repository, tmp_path: Path) -> None:
    """Changes in the way, no such version, an earlier one, no repository, one of something else, no record."""
    first = code.git("rev-parse", "HEAD")
    later = code.commit("Later", a__py=LINES + "later\n", new__py="later\n")
    other = Repository(tmp_path / "other")
    other.commit("Other", a__py="x\n")

    def refusal(source: Path | None = None, revision: str = "HEAD") -> str:
        with pytest.raises(UserError) as refused:
            update.main(root=mine.folder, source=str(source) if source else None, revision=revision)
        return str(refused.value)

    assert "has no version none; name a clone" in refusal(revision="none")
    assert "has no version --all; name a clone" in refusal(revision="--all")
    assert "none: cannot be cloned: " in refusal(tmp_path / "none")
    assert f"other: has no version {first}" in refusal(other.folder)
    mine.write("pipeline/new.py", "mine\n")
    assert "git cherry-pick: failed: " in refusal()
    assert mine.read("pipeline/new.py") == "mine\n"
    (mine.folder / "pipeline/new.py").unlink()
    mine.write("pipeline/a.py", "changed\n")
    assert refusal().startswith("pipeline/a.py: expected nothing but what is committed")
    mine.git("checkout", "--quiet", "--", ".")
    assert Record.read(mine.folder).commit == first
    update.main(root=mine.folder, source=None, revision=later)
    assert "expected a later version, got one before 1.0" in refusal(revision=first)
    mine.git("config", "--unset", "softmax-pipeline.source")
    assert "--from ADDRESS" in refusal()
    mine.git("rm", "--quiet", RECORD_FILE)
    mine.commit("No record")
    assert refusal().startswith(f"{RECORD_FILE}: no such file")
