"""The versions that a commit's requirements.lock asks for, beside those that are installed here."""

from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipeline.errors import listed, quoted, shortened
from pipeline.repository import environment, pins
from pipeline.repository.environment import public_version
from pipeline.repository.pins import PINS_FILE


def disagreements(folder: Path) -> list[str]:
    """A sentence for each pin of the checkout's requirements.lock that is not what is installed, or cannot be read."""
    try:
        text = (folder / PINS_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return [f"{PINS_FILE}: expected the versions that the commit was made with, got no such file"]
    sentences, names = [], set()
    for line in pins.requirement_lines(text):
        try:
            requirement, applies = pins.parse_requirement(line)
        except ValueError:
            sentences.append(f"{PINS_FILE}: expected NAME==VERSION, got {quoted(line)}")
            continue
        if not applies:
            continue
        name = canonicalize_name(requirement.name)
        if name in names:
            sentences.append(f"{PINS_FILE} asks twice for {shortened(requirement.name)}")
        names.add(name)
        sentences.extend(_disagreement(requirement))
    missing = [
        package for package in environment.installed_versions() if canonicalize_name(package) not in {*names, "python"}
    ]
    if missing:
        sentences.append(f"{PINS_FILE}: expected pins of all that decides a result, got none of {listed(missing)}")
    return sentences


def _disagreement(requirement: Requirement) -> list[str]:
    if pins.pinned_version(requirement) is None:
        return [f"{PINS_FILE}: expected NAME==VERSION, got {quoted(str(requirement))}"]
    try:
        installed = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return [f"{PINS_FILE} asks for {shortened(requirement)}, which is not installed here"]
    if public_version(installed) in requirement.specifier:
        return []
    return [f"{PINS_FILE} asks for {shortened(requirement)}, here is {installed}"]
