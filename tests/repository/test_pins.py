"""requirements.lock: how its lines are read, and the shipped one beside what the packages themselves ask for."""

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipeline.repository import pins
from tests.project import SOURCE

LOCK = [Requirement(line) for line in (SOURCE / pins.PINS_FILE).read_text(encoding="utf-8").splitlines()]

# What markers ask of a system.
SYSTEMS = {
    "Linux on x86-64": ("linux", "Linux", "posix", "x86_64"),
    "Linux on aarch64": ("linux", "Linux", "posix", "aarch64"),
    "macOS on arm64": ("darwin", "Darwin", "posix", "arm64"),
    "Windows on x86-64": ("win32", "Windows", "nt", "AMD64"),
}
_ASKED = ("sys_platform", "platform_system", "os_name", "platform_machine")

# CUDA's libraries, which torch of PyPI for Linux pins itself: the lock serves its build for processors, too.
_OF_TORCH_ALONE = re.compile(r"nvidia-.*|cuda-.*|triton")


def _applies(requirement: Requirement, system: str, extra: str = "") -> bool:
    environment = dict(zip(_ASKED, SYSTEMS[system], strict=True)) | {"extra": extra}
    return requirement.marker is None or requirement.marker.evaluate(environment)


def _project_requirements() -> dict[str, list[str]]:
    """What pyproject.toml asks for, by extra; of the empty extra what is always needed."""
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"": project["dependencies"], **project["optional-dependencies"]}


def _asked(name: str, extra: str, system: str) -> Iterator[Requirement]:
    """What a package itself asks for on a system, with an extra; nothing of one that is not installed here."""
    try:
        own = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return
    for requirement in map(Requirement, own):
        if _applies(requirement, system, extra):
            requirement.marker = None  # it holds
            yield requirement


def _needed(system: str) -> dict[str, list[Requirement]]:
    """All that the project needs on a system with the extra ``dev``, directly or not, by name of the package."""
    needed: dict[str, list[Requirement]] = {}
    by_extra = _project_requirements()
    waiting = [
        Requirement(line) for extra in ("", "dev", "export", "pipeline", "serve", "share") for line in by_extra[extra]
    ]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if _OF_TORCH_ALONE.fullmatch(name) or name == "softmax-pipeline" or not _applies(requirement, system):
            continue
        needed.setdefault(name, []).append(requirement)
        new = {(name, extra) for extra in ("", *requirement.extras)} - seen
        seen |= new
        for _, extra in new:
            waiting += _asked(name, extra, system)
    return needed


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_lock_holds_all_that_a_system_needs_and_nothing_else(system: str) -> None:
    """Each package of the closure of pyproject.toml has one pin there, which all that ask for it allow."""
    locked = {canonicalize_name(pin.name): pin for pin in LOCK if _applies(pin, system)}
    needed = _needed(system)
    assert sorted(needed.keys() - locked.keys()) == []
    assert sorted(locked.keys() - needed.keys()) == []
    refused = [
        f"{name}: {pins.pinned_version(locked[name])} is not {each.specifier}"
        for name, asking in needed.items()
        for each in asking
        if not each.specifier.contains(str(pins.pinned_version(locked[name])), prereleases=True)
    ]
    assert refused == []


def test_every_line_of_the_lock_is_one_pin() -> None:
    """NAME==VERSION, sorted, no package twice: a system that two lines serve would get what pip reads last."""
    names = [canonicalize_name(pin.name) for pin in LOCK]
    assert names == sorted(set(names))
    assert [str(pin) for pin in LOCK if pins.pinned_version(pin) is None] == []


def test_a_pin_of_another_system_is_none() -> None:
    """A marker decides; names are spelled alike however a commit's lock spells them."""
    text = 'pywin32==312 ; sys_platform == "none"\nFlask_WTF==1.3.0; python_version >= "3"\nruamel.yaml==0.19.1\n'
    assert pins.parse_pins(text) == {"flask-wtf": "1.3.0", "ruamel-yaml": "0.19.1"}


@pytest.mark.parametrize(
    "line", ["a=1", "a>=1", "a", "a==1,==2", "a @ https://x.org/a.whl", 'a==1; system == "x"', "\0"]
)
def test_a_line_that_is_no_pin_is_passed_over(line: str) -> None:
    """A commit's lock may hold anything, and what else it says still counts."""
    assert pins.parse_pins(f"{line}\nb==1 \\\n    --hash=sha256:ab\n") == {"b": "1"}
