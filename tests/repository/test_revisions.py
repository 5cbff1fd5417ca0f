"""Names of commits, experiments and the workspace, and the commits that a model came with."""

from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.files import md5_bytes
from pipeline.repository import revisions
from tests.repository.test_git import git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose dvc.lock has the digest aa, then bb, then aa again."""
    git(tmp_path, "init", "-q", "-b", "main")
    for md5 in ("aa", "bb", "aa"):
        (tmp_path / "dvc.lock").write_text(f"stages: {{train: {{outs: [{{path: m, md5: {md5}}}]}}}}\n", "utf-8")
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-q", "-m", md5)
    return tmp_path


def add_experiment(repository: Path, name: str, baseline: str, commit: str) -> None:
    """A reference as DVC makes one for an experiment."""
    git(repository, "update-ref", f"refs/exps/{baseline[:2]}/{baseline[2:]}/{name}", commit)


def test_git_is_asked_before_dvc(repository: Path) -> None:
    """A branch with the name of an experiment is the branch, as it is for DVC; the experiment's commit is itself."""
    first, last = git(repository, "rev-parse", "HEAD~2"), git(repository, "rev-parse", "HEAD")
    for name in ("main", "ruddy-kaka"):
        add_experiment(repository, name, last, first)
    assert revisions.resolved(repository, "main").sha == last
    assert revisions.resolved(repository, "ruddy-kaka").sha == first
    experiment = revisions.resolved(repository, first).experiment
    assert experiment is not None
    assert experiment.baseline == last


def test_a_name_that_two_experiments_share_is_refused(repository: Path) -> None:
    """The sentence gives the commits to choose from."""
    commits = [git(repository, "rev-parse", name) for name in ("HEAD", "HEAD~1")]
    for sha in commits:
        add_experiment(repository, "ruddy-kaka", sha, sha)
    with pytest.raises(UserError, match="expected one DVC experiment, got several") as raised:
        revisions.find(repository, "ruddy-kaka")
    assert all(sha[:12] in str(raised.value) for sha in commits)


def test_commits_that_brought_a_model_are_found(repository: Path) -> None:
    """Each commit that brought the digest, newest first, and none that took it away; also those of experiments."""
    first, second, third = git(repository, "rev-list", "--reverse", "HEAD").split()
    assert revisions.commits_that_lock(repository, "aa") == [third, first]
    assert revisions.commits_that_lock(repository, "bb") == [second]
    assert revisions.commits_that_lock(repository, "aa", second) == [first]
    git(repository, "reset", "-q", "--hard", first)
    assert revisions.commits_that_lock(repository, "bb") == []
    add_experiment(repository, "ruddy-kaka", first, second)
    assert revisions.commits_that_lock(repository, "bb") == [second]


@pytest.mark.parametrize("name", ["no-such-branch", "--all", "HEAD~9"])
def test_a_name_that_nothing_has_is_none(repository: Path, name: str) -> None:
    """What looks like an option is a name like any other."""
    assert revisions.find(repository, name) is None
    with pytest.raises(UserError, match="expected a commit, branch, tag or DVC experiment"):
        revisions.resolved(repository, name)


def test_versions_are_those_that_the_revision_pins(repository: Path) -> None:
    """Lines without a pin are passed over; without the file there are none."""
    assert revisions.workspace(repository).pinned == {}
    (repository / "requirements.lock").write_text("# made by\ntorch==2.13.0+cpu\nnumpy == 2.4.6\n", "utf-8")
    assert revisions.workspace(repository).pinned == {"torch": "2.13.0+cpu", "numpy": "2.4.6"}


def test_a_commit_that_looks_like_an_option_is_none(repository: Path) -> None:
    """The tag of a run names a commit, and anyone who can write runs writes tags: git takes no option from one."""
    assert not revisions.locks(repository, "--output=written", "aa")
    assert revisions.Revision(repository, "a", "--output=written").tracked("dvc.lock") is None
    assert revisions.Revision(repository, "a", "--output=written").time == 0
    assert sorted(path.name for path in repository.iterdir()) == [".git", "dvc.lock"]


@pytest.mark.parametrize("committed", [True, False], ids=["a commit", "the workspace"])
def test_a_folder_of_code_stands_with_its_files_and_one_of_data_as_dvc_has_it(
    repository: Path, committed: bool
) -> None:
    """What two stages share is read once; data, which may be large, is not read at all."""
    for name in ("code/a.py", "code/deep/b.py", "raw/1.csv"):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(name, encoding="utf-8")
    deps = "deps: [{path: code, md5: cc.dir}, {path: raw, md5: dd.dir}]"
    (repository / "dvc.lock").write_text(f"stages: {{one: {{{deps}}}, two: {{{deps}}}}}\n", encoding="utf-8")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "code")
    revision = revisions.resolved(repository, "HEAD") if committed else revisions.workspace(repository)
    code = {name: md5_bytes(name.encode()) for name in ("code/a.py", "code/deep/b.py")}
    assert revision.read_by("one", "two", data="raw") == {"raw": "dd.dir"} | code
    assert revision.read_by("one") == code | {"raw/1.csv": md5_bytes(b"raw/1.csv")}
