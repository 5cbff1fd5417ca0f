"""The versions that a commit's requirements.lock asks for, beside those that are installed here."""

from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from pipeline.revisions import PINNED_FILE

_LONGEST = 200  # characters of a line in a message


def disagreements(folder: Path) -> list[str]:
    """A sentence for each pin of the checkout's requirements.lock that is not what is installed, or cannot be read."""
    try:
        text = (folder / PINNED_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return [f"{PINNED_FILE}: expected the versions that the commit was made with, got no such file"]
    sentences, names = [], set()
    for line in _requirements(text):
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            sentences.append(f"{PINNED_FILE}: expected NAME==VERSION, got {line[:_LONGEST]!r}")
            continue
        if requirement.marker and not requirement.marker.evaluate():
            continue
        if requirement.name.casefold() in names:
            sentences.append(f"{PINNED_FILE} asks twice for {requirement.name}")
        names.add(requirement.name.casefold())
        sentences.extend(_disagreement(requirement))
    return sentences


def _requirements(text: str) -> list[str]:
    """The lines that name a package, joined after a backslash, without comments, hashes and options of pip."""
    lines = [line.partition(" #")[0].strip() for line in text.replace("\\\n", " ").splitlines()]
    named = [line.partition(" --")[0].strip() for line in lines]
    return [line for line in named if line and not line.startswith(("#", "-"))]


def _disagreement(requirement: Requirement) -> list[str]:
    try:
        installed = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return [f"{PINNED_FILE} asks for {requirement}, which is not installed here"]
    # The CPU build of torch 2.13.0 calls itself 2.13.0+cpu.
    if installed.partition("+")[0] in requirement.specifier:
        return []
    return [f"{PINNED_FILE} asks for {requirement}, here is {installed}"]
