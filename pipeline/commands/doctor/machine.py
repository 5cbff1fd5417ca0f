"""Checks of this machine: system, Python, packages, processor, arithmetic, disk."""

import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from pipeline.arithmetic import compiled
from pipeline.commands.doctor.result import NOTE, OK, PROBLEM, CheckResult
from pipeline.parallel.threads import processor_count
from pipeline.repository import environment
from pipeline.repository.pins import PINS_FILE, parse_pins

# The libraries whose arithmetic or format decides an output's bytes; the others may differ without harm to them.
_DECIDING = tuple(name for name in environment.PACKAGES if name not in ("dvc", "mlflow"))

_OLDEST_PYTHON = (3, 11)
_LOW_BYTES = 2**30


def describe_system(_: Path) -> Iterator[CheckResult]:
    yield CheckResult("system", OK, f"{platform.platform()}, {processor_count()} processors")


def check_python_version(_: Path) -> Iterator[CheckResult]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= _OLDEST_PYTHON:
        yield CheckResult("python", OK, version)
    else:
        oldest = ".".join(map(str, _OLDEST_PYTHON))
        yield CheckResult("python", PROBLEM, f"{version}, older than {oldest}", f"make the environment with {oldest}")


def check_installed_versions(root: Path) -> Iterator[CheckResult]:
    path = root / PINS_FILE
    try:
        pinned = parse_pins(path.read_text(encoding="utf-8"))
    except OSError:
        yield CheckResult("packages", PROBLEM, f"{path} cannot be read", "get it from the repository: git checkout")
        return
    installed = {name: _installed(name) for name in pinned}
    others = {name: version for name, version in installed.items() if version != pinned[name]}
    for name, version in others.items():
        state = PROBLEM if name.lower() in _DECIDING else NOTE
        sentence = f"{name} {version or 'is not installed'}, pinned is {pinned[name]}"
        yield CheckResult("packages", state, sentence, "pip install -r requirements.lock")
    if not others:
        yield CheckResult("packages", OK, f"{len(pinned)} as requirements.lock pins them")


def _installed(name: str) -> str | None:
    try:
        return environment.public_version(metadata.version(name))
    except metadata.PackageNotFoundError:
        return None


def check_arithmetic(_: Path) -> Iterator[CheckResult]:
    sets, reason = compiled.instruction_sets(), compiled.load().reason
    if sets:
        sentence = f"compiled, with the instructions {sets[-1]} of {environment.processor_name()}"
        yield CheckResult("arithmetic", OK, sentence)
    else:
        sentence = f"{reason}, so numpy computes it: slower, the same bits"
        yield CheckResult("arithmetic", NOTE, sentence, "run `make -B install` where gcc or clang is the C compiler")


def check_free_space(root: Path) -> Iterator[CheckResult]:
    free = shutil.disk_usage(root).free
    sentence = f"{free / 2**30:.1f} GiB free at {root}"
    if free < _LOW_BYTES:
        yield CheckResult("disk", PROBLEM, sentence, "make room; `dvc gc --workspace` drops versions that nothing uses")
    else:
        yield CheckResult("disk", OK, sentence)
