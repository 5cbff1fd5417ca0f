"""Started by every Python process of a stage, as sitecustomize.py: at its end it lists the files that it loaded.

Knows nothing of the project: it runs before anything else, in whatever process a stage starts.
"""

import atexit
import os
import sys
import time
from importlib import machinery, util
from pathlib import Path
from types import CodeType

FOLDER_VARIABLE = "VERIFY_LOADED_FILES"

_files: set[str] = set()


def _note(event: str, arguments: tuple[object, ...]) -> None:
    """Importing a module executes its code, also where the module puts another one in its own place."""
    if event == "exec" and arguments and isinstance(arguments[0], CodeType):
        _files.add(arguments[0].co_filename)


def _leave_list(folder: str, started_in: str) -> None:
    """Write the stage, and the files of code, of compiled extensions and of the script, which no import executes."""
    extensions = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    files = _files | {file for file in extensions if isinstance(file, str)} | {sys.argv[0]}
    paths = sorted(os.path.join(started_in, file) for file in files)  # noqa: PTH118
    text = "\0".join([os.environ.get("DVC_STAGE", ""), *paths])
    Path(folder, f"{os.getpid()}-{time.time_ns()}").write_text(text, encoding="utf-8", errors="replace")


def _run_the_environments_own() -> None:
    """The environment may have a sitecustomize of its own, which this one stands before."""
    here = Path(__file__).resolve().parent
    places = [place for place in sys.path if Path(place).resolve() != here]
    spec = machinery.PathFinder.find_spec("sitecustomize", places)
    if spec and spec.loader:
        spec.loader.exec_module(util.module_from_spec(spec))


if __name__ == "sitecustomize":
    if os.environ.get(FOLDER_VARIABLE):
        sys.addaudithook(_note)
        atexit.register(_leave_list, os.environ[FOLDER_VARIABLE], os.getcwd())  # noqa: PTH109
    _run_the_environments_own()
