"""setup.py as pip runs it: from the project's folder, which is not on Python's path."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.project import SOURCE

_RUN = """
import setuptools
setuptools.setup = lambda ext_modules: print(dict(ext_modules[0].define_macros)["DIGEST"])
exec(compile(open("setup.py").read(), "setup.py", "exec"), {"__file__": "setup.py", "__name__": "__main__"})
"""


def test_the_library_is_of_the_sources_beside_it(tmp_path: Path) -> None:
    """Neither does the project have to be installed before, nor is one that is installed taken for it."""
    shutil.copytree(SOURCE / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(SOURCE / "setup.py", tmp_path / "setup.py")
    kernels = tmp_path / "pipeline" / "arithmetic" / "kernels"
    with (kernels / "kernels.c").open("ab") as file:
        file.write(b"/* another version */\n")
    digest = hashlib.sha256()
    for path in sorted(kernels.glob("*.[ch]")):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    done = subprocess.run(
        [sys.executable, "-P", "-c", _RUN], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout == f'"{digest.hexdigest()}"\n'
