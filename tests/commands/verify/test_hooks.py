"""Verification inside a hook of git, whose variables name another repository than the one that it makes."""

import os
import sys
from pathlib import Path

import pytest

from pipeline.repository import git
from tests.commands.verify.small import Small
from tests.project import SOURCE


def _state(small: Small) -> list[str]:
    """What a person's repository must still be after a commit of the worktree: branch, settings, index."""
    return [
        small.run("git", "symbolic-ref", "HEAD"),
        small.run("git", "config", "--list", "--local"),
        small.run("git", "ls-files", "--stage"),
        small.run("git", "status", "--porcelain"),
    ]


@pytest.mark.slow
def test_a_hook_of_a_linked_worktree_leaves_the_repository_as_it_is(small: Small, tmp_path: Path) -> None:
    """A real pre-commit hook verifies the last commit: it passes, and HEAD, settings and index are untouched."""
    linked = Small(tmp_path / "linked")
    small.run("git", "worktree", "add", "-q", "-b", "side", str(linked.folder))
    linked.write(".dvc/config.local", f"[cache]\n    dir = {small.folder / '.dvc/cache'}\n")
    hook = small.folder / ".git/hooks/pre-commit"
    hook.write_text(
        f'#!/bin/sh\nenv | grep ^GIT_ > "{tmp_path}/variables"\n'
        f'exec "{sys.executable}" -m pipeline verify "$(git rev-parse HEAD)" > "{tmp_path}/printed" 2>&1\n',
        encoding="utf-8",
    )
    hook.chmod(0o755)
    before, head = _state(small), linked.run("git", "rev-parse", "HEAD")
    linked.write("note.txt", "new\n")
    linked.run("git", "add", "note.txt")
    linked.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qam", "note", PYTHONPATH=str(SOURCE))
    printed = (tmp_path / "printed").read_text(encoding="utf-8")
    assert f"GIT_DIR={small.folder}/.git/worktrees/linked" in (tmp_path / "variables").read_text(encoding="utf-8")
    assert "verified: all 4 are identical" in printed
    assert _state(small) == before
    assert linked.run("git", "symbolic-ref", "HEAD") == "refs/heads/side"
    assert linked.run("git", "rev-parse", "HEAD~1") == head
    assert linked.run("git", "ls-tree", "--name-only", "HEAD", "note.txt") == "note.txt"


def test_variables_of_another_repository_do_not_steer_git(
    committed: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every variable that the installed git calls local to a repository is dropped, for git and for DVC."""
    head = committed.run("git", "rev-parse", "HEAD")
    names = committed.run("git", "rev-parse", "--local-env-vars").split()
    for name in (*names, "DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_LITERAL_PATHSPECS", "1")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "stays")
    environment = git.repository_free_environment()
    assert not environment.keys() & {*names, "DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "GIT_LITERAL_PATHSPECS"}
    assert environment["GIT_AUTHOR_NAME"] == "stays"
    assert git.stdout(committed.folder, "rev-parse", "HEAD") == f"{head}\n"
    commit = git.head_commit(committed.folder)
    assert commit is not None
    assert (commit.sha, commit.dirty) == (head, False)
    git.leave_repository_of_hook()
    assert not os.environ.keys() & set(names)
