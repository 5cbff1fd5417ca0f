"""Started by every Python process of a stage, as sitecustomize.py: at its end it lists the files that it loaded.

Knows nothing of the project: it runs before anything else, in whatever process a stage starts.
"""

import atexit
import os
import sys
from importlib import machinery, util
from pathlib import Path

FOLDER_VARIABLE = "VERIFY_LOADED_FILES"


def _leave_list(folder: str, started_in: str) -> None:
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    files.add(os.path.join(started_in, sys.argv[0]))  # noqa: PTH118  (a script's own __file__ is gone by now)
    text = "\n".join(sorted(os.path.abspath(file) for file in files if isinstance(file, str)))  # noqa: PTH100
    Path(folder, str(os.getpid())).write_text(text, encoding="utf-8", errors="replace")


def _run_the_environments_own() -> None:
    """The environment may have a sitecustomize of its own, which this one stands before."""
    here = Path(__file__).resolve().parent
    places = [place for place in sys.path if Path(place).resolve() != here]
    spec = machinery.PathFinder.find_spec("sitecustomize", places)
    if spec and spec.loader:
        spec.loader.exec_module(util.module_from_spec(spec))


if __name__ == "sitecustomize":
    if os.environ.get(FOLDER_VARIABLE):
        atexit.register(_leave_list, os.environ[FOLDER_VARIABLE], os.getcwd())  # noqa: PTH109
    _run_the_environments_own()
