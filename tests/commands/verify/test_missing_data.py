"""A commit whose data is neither in DVC's cache nor in a remote."""

import subprocess
import sys

import pytest

from pipeline import files
from tests.commands.verify.small import Small
from tests.project import SOURCE, Project


@pytest.mark.slow
def test_a_data_version_that_is_gone_is_named(small: Small) -> None:
    """The sentence has file, md5 and what to do; the project stays as it was, and no workspace is left."""
    path = "data/in.csv"
    md5 = files.md5_file(small.folder / path)
    small.run("git", "rm", "-q", "--cached", path)
    small.run("dvc", "add", "-q", path)
    commit = small.commit()
    cached = small.folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    content = cached.read_bytes()
    cached.unlink()
    result = _verify(small, commit)
    assert result.returncode == 1
    assert result.stderr.startswith(f"{path} (md5 {md5}): expected this version in DVC's cache, got nothing")
    assert "dvc remote add" in result.stderr

    remote = small.folder.parent / "remote"
    (remote / "files/md5" / md5[:2]).mkdir(parents=True)
    (remote / "files/md5" / md5[:2] / md5[2:]).write_bytes(content)
    # Local, and relative to .dvc: a checkout elsewhere has to find it all the same.
    small.run("dvc", "remote", "add", "-q", "--local", "-d", "near", "../remote")
    assert "identical  data/copies/one.csv" in _verify(small, commit).stdout
    assert not list((small.folder / ".cache").glob("verify-*"))


def _verify(small: Small, commit: str) -> subprocess.CompletedProcess[str]:
    words = (sys.executable, "-m", "pipeline", "verify", commit)
    return Project.at(small.folder).run(*words, check=False, PYTHONPATH=str(SOURCE))
