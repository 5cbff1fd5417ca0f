"""requirements.lock: the exact versions of packages, each for the systems that its marker names."""

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

PINS_FILE = "requirements.lock"


def requirement_lines(text: str) -> list[str]:
    """The lines that name a package, joined after a backslash, without comments, hashes and options of pip."""
    lines = [line.partition(" #")[0].strip() for line in text.replace("\\\n", " ").splitlines()]
    named = [line.partition(" --")[0].strip() for line in lines]
    return [line for line in named if line and not line.startswith(("#", "-"))]


def parse_requirement(line: str) -> tuple[Requirement, bool]:
    """A line, and whether this system is one that its marker names.

    Raises: ValueError if it is no requirement of pip (PEP 508), or its marker asks what no system knows.
    """
    try:
        requirement = Requirement(line)
        return requirement, requirement.marker is None or requirement.marker.evaluate()
    except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName) as error:
        raise ValueError(f"{line}: expected a requirement, got something else") from error


def pinned_version(requirement: Requirement) -> str | None:
    """The one version that a requirement allows, ``NAME==VERSION``; None if it is of another form."""
    specifiers = list(requirement.specifier)
    if requirement.url or len(specifiers) != 1 or specifiers[0].operator not in ("==", "==="):
        return None
    return specifiers[0].version


def parse_pins(text: str) -> dict[str, str]:
    """The versions for this system by package, in lower case with hyphens; lines of another form are left out."""
    pins = {}
    for line in requirement_lines(text):
        try:
            requirement, applies = parse_requirement(line)
        except ValueError:
            continue
        version = pinned_version(requirement)
        if applies and version:
            pins[canonicalize_name(requirement.name)] = version
    return {str(name): version for name, version in pins.items()}
