"""The version of the code that runs: release, commit, and the libraries that decide its results."""

import tomllib
from importlib import metadata
from pathlib import Path

import pipeline
from pipeline.repository import environment, git

DISTRIBUTION = "softmax-pipeline"
PROJECT_FILE = "pyproject.toml"

_LIBRARIES = ("python", "torch", "dvc", "mlflow")
_SHORT_COMMIT = 12


def code_folder() -> Path:
    """The folder that holds the package: a project's root, or site-packages."""
    return Path(pipeline.__file__).resolve().parent.parent


def release() -> str:
    """The version in the pyproject.toml beside the package; without one that of the installed distribution, if any."""
    try:
        return release_in((code_folder() / PROJECT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        pass
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "of no release"


def release_in(text: str) -> str:
    """The version that the text of a pyproject.toml gives to this distribution. Raises: ValueError without one."""
    section = tomllib.loads(text).get("project", {})
    if section.get("name") != DISTRIBUTION or not isinstance(section.get("version"), str):
        raise ValueError(f"no version of {DISTRIBUTION}")
    return str(section["version"])


def describe() -> str:
    """Lines for a person: release and commit, the folder of the code, versions; no library is imported for it."""
    versions = environment.installed_versions()
    libraries = ", ".join(f"{name} {versions.get(name, 'missing')}" for name in _LIBRARIES)
    return f"{DISTRIBUTION} {release()}{_commit()}\ncode: {code_folder() / 'pipeline'}\n{libraries}"


def _commit() -> str:
    folder = code_folder()
    # An environment may lie in a repository that knows nothing of the packages in it.
    if git.stdout(folder, "ls-files", "--error-unmatch", "pipeline/__init__.py") is None:
        return ", in no repository"
    head = git.head_commit(folder)
    if head is None:
        return ", no commit"
    changed = any(path.startswith("pipeline/") for path in git.changed_files(folder))
    return f", commit {head.sha[:_SHORT_COMMIT]}{' with changes' if changed else ''}"
