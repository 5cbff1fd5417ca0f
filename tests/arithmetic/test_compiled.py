"""Which library is loaded: the environment's, of the sources beside the code, and nothing that goes by its name."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import numpy as np
import pytest

from pipeline.arithmetic import compiled, known_answers, sources
from tests.project import SOURCE

LIBRARY = compiled.load().library
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="no compiled library in this environment")

_ASK = "from pipeline.arithmetic import compiled; print(compiled.load().reason, compiled.instruction_sets(), sep=';')"


def _reason(folder: Path) -> str:
    """Why a process that finds ``folder`` first has no library; empty where it has one, and so instruction sets."""
    reason, sets = _run(folder, _ASK).split(";")
    assert bool(reason) == (sets == "()")
    return reason


def _run(folder: Path, code: str) -> str:
    path = os.pathsep.join([str(folder), str(SOURCE)])
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return done.stdout.strip()


def _of_other_sources(content: bytes) -> bytes:
    digest = sources.digest().encode()
    assert content.count(digest) == 1
    return content.replace(digest, digest[::-1])


@pytest.mark.parametrize(
    ("suffix", "change", "reason"),
    [
        pytest.param(EXTENSION_SUFFIXES[0], bytes, "", id="as it is"),
        pytest.param(EXTENSION_SUFFIXES[0], _of_other_sources, "compiled from other sources", id="of other sources"),
        pytest.param(EXTENSION_SUFFIXES[0], lambda _: b"", "compiled, but not to be loaded", id="empty"),
        pytest.param(".py", bytes, "not compiled", id="as source"),
        pytest.param(".pyc", bytes, "not compiled", id="as bytecode"),
        pytest.param("/__init__.py", bytes, "not compiled", id="as a package"),
    ],
)
def test_a_library_is_loaded_only_if_it_is_one_and_of_these_sources(
    tmp_path: Path, suffix: str, change: Callable[[bytes], bytes], reason: str
) -> None:
    """Else numpy computes: a system loads a library whatever its name ends with."""
    assert LIBRARY is not None
    place = tmp_path / f"{compiled.LIBRARY}{suffix}"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(change(Path(LIBRARY._name).read_bytes()))
    assert _reason(tmp_path) == reason


@pytest.mark.parametrize("instruction_set", compiled.instruction_sets())
def test_every_instruction_set_gives_the_known_answers(instruction_set: str) -> None:
    """Those of the reference, which tests/arithmetic/test_twins.py holds them to."""

    def function(name: str, dtype: np.dtype) -> Callable[..., object]:
        found = compiled.function(name, dtype, instruction_set)
        assert found is not None
        return found

    assert known_answers.digest(function, compiled.address) == known_answers.EXPECTED


@pytest.mark.slow
def test_flags_of_the_environment_move_no_bit(tmp_path: Path) -> None:
    """setup.py takes them back; else they would add in another order, and flush what is subnormal in all processes."""
    place = [f"--build-lib={tmp_path}", f"--build-temp={tmp_path / 'objects'}"]
    flags = {"CFLAGS": "-march=native -Ofast -ffast-math -funsafe-math-optimizations"}
    command = [sys.executable, "setup.py", "-q", "build_ext", *place]
    subprocess.run(command, cwd=SOURCE, env=os.environ | flags, check=True, capture_output=True)
    assert _reason(tmp_path) == ""
    ask = "from pipeline.arithmetic import compiled; compiled.load(); print(5e-324 * 1.0, flush=True)"
    assert _run(tmp_path, ask) == "5e-324"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_a_library_that_computes_other_bits_is_not_used(tmp_path: Path) -> None:
    """As a compiler makes one whose default is to add in another order, or to take a / b for a * (1 / b)."""
    source = SOURCE / "pipeline/arithmetic/kernels/kernels.c"
    command = ["gcc", "-shared", "-fPIC", "-O1", "-ffast-math"]
    define = f'-DDIGEST="{sources.digest()}"'
    place = tmp_path / f"{compiled.LIBRARY}{EXTENSION_SUFFIXES[0]}"
    subprocess.run([*command, define, str(source), "-o", str(place)], check=True)
    assert _reason(tmp_path) == "compiled so that it computes other bits"
