"""The code that runs is that of the project in which a person stands, whichever environment is active.

Bytes depend on the code, and `softmax`, like `python -m pipeline` in a folder below the root, finds the project that
was installed into the environment, which may be another one.
"""

import os
import subprocess
import sys
from pathlib import Path

import pipeline
from pipeline.repository import project

_PACKAGE = Path("pipeline")

# The root stands before all other folders of modules, even where Python was told to trust no current folder.
_RUN = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module('pipeline', None, '__main__', True)"


def run_that_of_project() -> None:
    """Replace this process by one with the code of the project around this folder, unless that is what runs already."""
    root = project.enclosing(Path.cwd())
    if root is None or not all((root / _PACKAGE / name).is_file() for name in ("__init__.py", "__main__.py")):
        return
    if not (root / _PACKAGE).samefile(Path(pipeline.__file__).parent):
        command = [sys.executable, "-c", _RUN, str(root), *sys.argv[1:]]
        if sys.platform == "win32":  # there exec leaves a second process behind, for which no shell waits
            sys.exit(subprocess.run(command, check=False).returncode)
        os.execv(sys.executable, command)
