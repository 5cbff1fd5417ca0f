"""Reasons for different bytes: the recorded environment beside the one here."""

from pathlib import Path

from pipeline.repository import revisions
from pipeline.repository.environment import installed_versions, processor_name, public_version
from pipeline.tracking.client.tags import CPU_TAG, recorded_versions


def environment() -> dict[str, str]:
    """Versions of Python and the libraries that decide a result, and the CPU's name, which decides nothing."""
    return installed_versions() | {CPU_TAG: processor_name()}


def sentences(tags: dict[str, str], checkout: Path) -> list[str]:
    """Possible reasons for a difference; ``tags`` are those of an MLflow run of the model, empty if there is none."""
    here = installed_versions()
    recorded, source = recorded_versions(tags), "the run was made with"
    if not recorded:
        recorded, source = revisions.workspace(checkout).pinned, "requirements.lock of the commit asks for"
    shared = sorted(recorded.keys() & here.keys())
    others = [name for name in shared if public_version(recorded[name]) != public_version(here[name])]
    reasons = [f"{source} {name} {recorded[name]}, here is {here[name]}" for name in others]
    if not others:
        same = ", ".join(f"{name} {here[name]}" for name in shared)
        reasons.append(
            f"the environment is the recorded one ({same or 'nothing was recorded of it'}): then code, data or params "
            "were changed, or dvc.lock was edited, without a `dvc repro` before the commit"
        )
    return reasons
