"""Reasons for different bytes: the recorded environment beside the one here."""

from pathlib import Path

from pipeline.repository import revisions
from pipeline.repository.environment import installed_versions, public_version, read_processor
from pipeline.tracking.client.tags import CPU_TAG, recorded_versions


def environment() -> dict[str, str]:
    """Versions of Python and the libraries that decide a result, the CPU's name, and whether it has AVX2."""
    processor = read_processor()
    return installed_versions() | {CPU_TAG: processor.name, "avx2": "yes" if processor.avx2 else "no"}


def sentences(tags: dict[str, str], checkout: Path) -> list[str]:
    """Possible reasons for a difference; ``tags`` are those of an MLflow run of the model, empty if there is none."""
    here = environment()
    reasons = [] if here["avx2"] == "yes" else [f"this CPU, {here[CPU_TAG]}, has no AVX2, which the same bytes need"]
    recorded = recorded_versions(tags) | ({CPU_TAG: tags[CPU_TAG]} if CPU_TAG in tags else {})
    source = "the run was made with"
    if not recorded:
        recorded, source = revisions.workspace(checkout).pinned, "requirements.lock of the commit asks for"
    shared = sorted(recorded.keys() & here.keys())
    others = [name for name in shared if public_version(recorded[name]) != public_version(here[name])]
    reasons += [f"{source} {name} {recorded[name]}, here is {here[name]}" for name in others]
    if CPU_TAG not in recorded:
        reasons.append(
            f"no MLflow run here says which CPU made it; this one is {here[CPU_TAG]}, and Intel's and AMD's round the "
            "last digits differently"
        )
    if not others:
        same = ", ".join(f"{name} {here[name]}" for name in shared)
        reasons.append(
            f"the environment is the recorded one ({same or 'nothing was recorded of it'}): then code, data or params "
            "were changed, or dvc.lock was edited, without a `dvc repro` before the commit"
        )
    return reasons
