"""Which library is loaded: the environment's, of the sources beside the code, and nothing that goes by its name."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from pipeline.arithmetic import compiled, sources
from tests.project import SOURCE

LIBRARY = compiled.library()
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="no compiled library in this environment")

_ASK = "from pipeline.arithmetic import compiled; print(compiled.library() is not None, compiled.instruction_sets())"


def _is_loaded(folder: Path) -> bool:
    """Whether a process that finds ``folder`` first has a library; without one it knows no instruction set."""
    path = os.pathsep.join([str(folder), str(SOURCE)])
    done = subprocess.run(
        [sys.executable, "-P", "-c", _ASK], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    loaded, _, sets = done.stdout.strip().partition(" ")
    assert (loaded == "True") == (sets != "()")
    return loaded == "True"


def _of_other_sources(content: bytes) -> bytes:
    digest = sources.digest().encode()
    assert content.count(digest) == 1
    return content.replace(digest, digest[::-1])


@pytest.mark.parametrize(
    ("suffix", "change", "expected"),
    [
        pytest.param(EXTENSION_SUFFIXES[0], bytes, True, id="as it is"),
        pytest.param(EXTENSION_SUFFIXES[0], _of_other_sources, False, id="of other sources"),
        pytest.param(EXTENSION_SUFFIXES[0], lambda _: b"", False, id="empty"),
        pytest.param(".py", bytes, False, id="as source"),
        pytest.param(".pyc", bytes, False, id="as bytecode"),
        pytest.param("/__init__.py", bytes, False, id="as a package"),
    ],
)
def test_a_library_is_loaded_only_if_it_is_one_and_of_these_sources(
    tmp_path: Path, suffix: str, change: Callable[[bytes], bytes], expected: bool
) -> None:
    """Else numpy computes: a system loads a library whatever its name ends with."""
    assert LIBRARY is not None
    place = tmp_path / f"{compiled.LIBRARY}{suffix}"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(change(Path(LIBRARY._name).read_bytes()))
    assert _is_loaded(tmp_path) == expected
