"""Code that stages loaded, and what of it dvc.lock does not cover."""

import os
import subprocess
import sys
from pathlib import Path

from pipeline.commands.verify import loaded
from pipeline.repository.lockfile import Lock
from tests.commands.verify.small import Small

# A module that gives its place to the installed one, once it has run.
_STANDS_BEFORE = """
import sys
here = sys.path.pop(0)
del sys.modules["json"]
import json
sys.path.insert(0, here)
"""

LOCK = Lock({"copy": {"deps": [{"path": "code/covered.py", "md5": "aa"}, {"path": "library", "md5": "bb.dir"}]}})


def test_loaded_files_of_the_folder_are_recorded(tmp_path: Path) -> None:
    """A process lists what it loaded from the folder, one that stood before a library too; empty files say nothing."""
    project = tmp_path / "project"
    for name in ("main.py", "helper.py", "json.py", "package/__init__.py", "package/part.py", "unused.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("x = 1\n", encoding="utf-8")
    (project / "package/__init__.py").write_text("", encoding="utf-8")
    (project / "json.py").write_text(_STANDS_BEFORE, encoding="utf-8")
    (project / "main.py").write_text("import helper, json, package.part\njson.dumps(1)\n", encoding="utf-8")
    recording = loaded.Recording(tmp_path)
    subprocess.run([sys.executable, "main.py"], cwd=project, env=os.environ | recording.environment, check=True)
    assert recording.files(project) == {"main.py", "helper.py", "json.py", "package/part.py"}


def test_a_file_of_any_name_is_recorded(tmp_path: Path) -> None:
    """A line end in a name ends no name."""
    module = tmp_path / "project" / "a\nb.py"
    module.parent.mkdir()
    module.write_text("x = 1\n", encoding="utf-8")
    recording = loaded.Recording(tmp_path)
    command = [sys.executable, "-c", "import importlib; importlib.import_module('a\\nb')"]
    environment = os.environ | recording.environment | {"DVC_STAGE": "train"}
    assert recording.stages() == set()
    subprocess.run(command, cwd=module.parent, env=environment, check=True)
    assert recording.files(module.parent) == {"a\nb.py"}
    assert recording.stages() == {"train"}


def test_what_a_command_names_and_dvc_lock_does_not_is_named() -> None:
    """A file, or all files of a folder, however the shell's words end; not what is recorded, nor what nobody names."""
    command = "python -m code 'library/x.csv' --cache=kept>log;cp \"forged/w\" models/w && cat data/x|sort"
    outs = [{"path": "models/w", "md5": "cc"}]
    locked = Lock({"copy": LOCK.stages["copy"] | {"cmd": command, "outs": outs}})
    tracked = ["code/a.py", "library/x.csv", "kept/1.arrow", "kept/deep/2", "forged/w", "models/w", "data/x", "data/y"]
    assert loaded.arguments(locked, tracked) == {"kept/1.arrow", "kept/deep/2", "forged/w", "data/x"}


def test_the_environments_own_sitecustomize_still_runs(tmp_path: Path) -> None:
    """What an environment does at the start of every process it does here, too."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own/sitecustomize.py").write_text("print('own')\n", encoding="utf-8")
    recording = loaded.Recording(tmp_path)
    places = f"{recording.environment['PYTHONPATH']}{os.pathsep}{tmp_path / 'own'}"
    environment = os.environ | recording.environment | {"PYTHONPATH": places}
    command = [sys.executable, "-c", "print('stage')"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["own", "stage"]


def test_a_dependency_covers_itself_and_what_lies_in_it() -> None:
    """Everything else is told, in few words."""
    files = ["code/covered.py", "library/deep/part.py", "library.py", "code/other.py"]
    assert loaded.uncovered(files, LOCK) == ["code/other.py", "library.py"]
    ignored = {"library/deep/part.py", "code/covered.py"}  # the second is a dependency by itself
    assert loaded.uncovered(files, LOCK, ignored) == ["code/other.py", "library.py", "library/deep/part.py"]
    many = [f"code/deep/{name}.py" for name in "abcd"]
    assert loaded.summary(["code/a.py", "code/b.py", *many]) == "code/a.py, code/b.py, code/deep/ (4 files)"
    assert loaded.summary([]) == ""


def test_code_that_changed_after_the_lock_was_committed_is_named(small: Small) -> None:
    """Only those of the files that are asked about, and nothing in the commit that wrote dvc.lock itself."""
    assert loaded.changed_after_lock(small.folder, ["stage.py", "count.py"]) == []
    for name in ("stage.py", "count.py"):
        small.edit(name, lambda text: text + "\n")
    small.commit()
    assert loaded.changed_after_lock(small.folder, ["stage.py", "other.py"]) == ["stage.py"]
