"""A commit as git holds it: its own bytes, and nothing in it that would run or be read in their place."""

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import files
from pipeline.commands.verify import children, declared, git_files
from pipeline.errors import UserError
from pipeline.repository import git
from tests.commands.verify.small import Small

_TEXT = """write_text('{"rows": %d}' % len(rows), encoding="utf-8")"""
_BYTES = "write_bytes(b'{\"rows\": %d}\\r\\n' % len(rows))"


@pytest.mark.parametrize(
    "name", ["code/part/__init__.py", "code/part.so", "code/part.abi3.so", "code/part.cpython.pyd"]
)
def test_what_python_would_run_in_place_of_a_module_is_refused(tmp_path: Path, name: str) -> None:
    """A package and a compiled extension go before the module that dvc.lock records; other neighbours do not."""
    for path in ("code/part.py", "code/part.json", "code/part/data.txt", "code/other.so"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("", encoding="utf-8")
    git_files.refuse_stand_ins(tmp_path, "0123456789abcdef")
    (tmp_path / name).write_text("", encoding="utf-8")
    with pytest.raises(UserError, match=f"one file for each module, got code/part.py and {name}, which Python"):
        git_files.refuse_stand_ins(tmp_path, "0123456789abcdef")


@pytest.mark.parametrize("name", ["softmax_kernels.so", "below/softmax_kernels.cpython-311-x86_64-linux-gnu.so"])
def test_a_commit_that_brings_the_arithmetic_compiled_is_refused(tmp_path: Path, name: str) -> None:
    """It would be loaded in place of the environment's, whatever the sources beside it say."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("", encoding="utf-8")
    with pytest.raises(UserError, match=f"expected the sources of softmax_kernels, got it compiled.*: {name};"):
        git_files.refuse_stand_ins(tmp_path, "0123456789abcdef")


@pytest.mark.slow
def test_what_git_holds_is_compared_and_not_what_a_checkout_makes_of_it(small: Small) -> None:
    """Attributes may change bytes on their way out of git, where a web page shows what git holds."""
    small.write(".gitattributes", "reports/metrics.json text eol=crlf\ncount.py text eol=crlf\n")
    small.edit("count.py", lambda text: text.replace(_TEXT, _BYTES))
    small.edit("count.py", lambda text: text.replace("\n", "\r\n"))
    small.run("dvc", "repro", "-q")
    with small.checked() as (place, _, findings):
        assert place.converted == ["count.py", "reports/metrics.json"]
        (finding,) = findings
        assert finding.place == "reports/metrics.json"
        assert files.md5_bytes(b'{"rows": 3}\n') in str(finding.difference)


def test_what_stages_keep_for_later_runs_is_no_part_of_a_commit(small: Small) -> None:
    """A committed checkpoint would be gone on from, and columns as they were parsed taken for those of the table."""
    small.write(".cache/checkpoints/ab.checkpoint", "forged")
    small.run("git", "add", "-f", ".cache/checkpoints/ab.checkpoint")
    with small.checked() as (place, _, findings):
        assert findings == []
        assert not (place.folder / ".cache").exists()


def test_a_replaced_commit_is_read_as_it_was(small: Small) -> None:
    """refs/replace of a clone puts another commit in the place of one, for those who ask git without care."""
    honest = small.run("git", "rev-parse", "HEAD")
    small.edit("params.yaml", lambda text: text.replace("limit: 3", "limit: 4"))
    small.run("git", "replace", honest, small.commit())
    assert b"limit: 3" in (git.stdout_bytes(small.folder, "show", f"{honest}:params.yaml") or b"")
    assert "limit: 4" in small.run("git", "show", f"{honest}:params.yaml")


def test_commands_that_dvc_lock_says_nothing_of_are_known(small: Small) -> None:
    """DVC runs a stage of another dvc.yaml where one of the project's reads its output."""
    small.write("data/dvc.yaml", "stages:\n  make:\n    cmd: cp old.csv in.csv\n    outs: [in.csv: {cache: false}]\n")
    with declared.repository(small.folder, "0123456789abcdef") as opened:
        assert declared.other_commands(opened) == {"data/dvc.yaml: make": "cp old.csv in.csv"}
        assert declared.stages(opened).keys() == {"copy", "count"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_a_shell_of_a_stage_runs_what_the_command_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a function that a person has exported nor a file that every shell of theirs reads goes before it."""
    (tmp_path / "rc").write_text("python() { echo sourced; }\n", encoding="utf-8")
    command = ["bash", "-c", "python -c 'print(1)'"]
    for name, value in {"BASH_ENV": str(tmp_path / "rc"), "BASH_FUNC_python%%": "() { echo function; }"}.items():
        with contextlib.ExitStack() as after:
            after.callback(monkeypatch.undo)
            monkeypatch.setenv(name, value)
            steered = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            assert steered.strip() in ("sourced", "function")
            assert children.run(command, tmp_path, children.environment()).stdout == "1\n"
    assert Path(sys.executable).parent == Path(children.environment()["PATH"].split(":")[0])
