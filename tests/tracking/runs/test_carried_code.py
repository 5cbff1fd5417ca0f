"""The code that a model carries: all that scoring imports, under a name of its own, and the same bytes each time."""

import ast
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from pipeline.tracking.runs import carried_code, model_folder

NAME, ARCHIVE = carried_code.archive()


def sources() -> dict[str, str]:
    """The files of the archive by their path in the package."""
    with zipfile.ZipFile(io.BytesIO(ARCHIVE)) as archive:
        return {path.partition("/")[2]: archive.read(path).decode() for path in archive.namelist()}


def imported() -> set[str]:
    """The modules that any file of the archive imports where it is loaded."""
    nodes = [node for text in sources().values() for node in ast.parse(text).body]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}


def test_every_module_of_the_package_that_is_imported_is_there() -> None:
    """What else the project has is not: no stage, no tracking, no command."""
    files = sources().keys()
    own = {name.partition(".")[2].replace(".", "/") for name in imported() if name.startswith(NAME)}
    assert all(f"{path}.py" in files or f"{path}/__init__.py".lstrip("/") in files for path in own)
    assert {"predictor/scorer.py", "predictor/frames.py", "errors.py", "__init__.py"} <= files
    assert not any(path.startswith(("commands", "train", "prepare", "tracking", "numerics")) for path in files)


def test_it_never_imports_the_project_that_it_was_taken_from() -> None:
    """Nor a package that is not among the requirements of a model, but those of Python itself."""
    roots = {name.partition(".")[0] for name in imported()} - {NAME} - sys.stdlib_module_names
    assert "pipeline" not in roots
    assert roots <= {*model_folder.REQUIREMENTS}


def test_the_same_sources_are_the_same_bytes() -> None:
    """So that models of one version differ in their files only."""
    carried_code.archive.cache_clear()
    assert carried_code.archive() == (NAME, ARCHIVE)


def test_a_project_that_is_an_archive_itself_has_no_files_to_carry(tmp_path: Path) -> None:
    """It is refused in a sentence, where the model would have loaded nowhere."""
    archive = tmp_path / "code.zip"
    package = Path(carried_code.__file__).parents[2]
    with zipfile.ZipFile(archive, "w") as code:
        for path in package.rglob("*.py"):
            code.write(path, path.relative_to(package.parent).as_posix())
    ask = "from pipeline.tracking.runs import carried_code as code; print(code.__file__); code.archive()"
    command = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, sys.argv[1]); {ask}", str(archive)]
    done = subprocess.run(
        command, env=os.environ, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert str(archive) in done.stdout
    assert "expected the source of pipeline.predictor.scorer as a file, got none" in done.stderr
