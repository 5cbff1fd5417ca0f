"""What the page of a commit or run says of where it comes from."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline.errors import listed
from pipeline.output_files import REPORTS_FOLDER
from pipeline.report.sections.provenance import Origin
from pipeline.repository import git, outputs
from pipeline.repository.environment import public_version
from pipeline.repository.revisions import Revision
from pipeline.results.receipts import parse_receipt
from pipeline.tracking.client.run_files import RECEIPT_FILE
from pipeline.tracking.client.tags import CPU_TAG, recorded_versions
from pipeline.tracking.store.database import RunView

# What decides bytes, or records them.
_MAIN_PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "pyarrow", "safetensors", "dvc", "mlflow")


def of_revision(revision: Revision, missing: Sequence[str]) -> Origin:
    """The origin of a commit, an experiment or the workspace."""
    return Origin(
        revision=revision.name,
        commit=revision.sha or "",
        time=_time(revision) if revision.sha else "",
        subject=_subject(revision),
        versions=_main(revision.pinned),
        receipts=list(_receipts(revision)),
        unknown=_unknown(missing),
    )


def of_run(run: RunView, artifacts: Mapping[str, bytes], behind: Revision | None, missing: Sequence[str]) -> Origin:
    """The origin of a run, and of the revision that has its model."""
    versions = {package: public_version(version) for package, version in recorded_versions(run.tags).items()}
    known = of_revision(behind, missing) if behind else Origin("")
    lost = [] if behind else ["No commit has this run's model: it was never kept, so only its artifacts are shown."]
    receipts = [*_sentences(artifacts.get(RECEIPT_FILE), RECEIPT_FILE, "")] or known.receipts
    return Origin(
        revision=f"run {run.run_id[:8]} {run.name}",
        commit=known.commit,
        time=known.time,
        subject=known.subject,
        run=run.run_id,
        processor=run.tags.get(CPU_TAG, ""),
        versions=_main(versions) or known.versions,
        receipts=receipts,
        unknown=[*lost, *known.unknown],
    )


def _time(revision: Revision) -> str:
    return datetime.fromtimestamp(revision.time // 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _subject(revision: Revision) -> str:
    if revision.sha is None:
        return ""
    return (git.stdout(revision.root, "show", "-s", "--format=%s", "--end-of-options", revision.sha) or "").strip()


def _main(versions: Mapping[str, str]) -> dict[str, str]:
    return {package: versions[package] for package in _MAIN_PACKAGES if package in versions}


def _receipts(revision: Revision) -> Iterator[str]:
    """What `verify` left of this commit in the workspace, which may be later than the commit."""
    if revision.sha is not None:
        path = REPORTS_FOLDER / "receipts" / f"{revision.sha[:12]}.json"
        yield from _sentences(outputs.read(revision.root / path), str(path), revision.sha)


def _sentences(content: bytes | None, place: str, commit: str) -> Iterator[str]:
    """One for each receipt; none for one of another commit. Raises: UserError if it is no receipt."""
    if content is None:
        return
    receipt = parse_receipt(content, place)
    if commit and receipt["commit"] != commit:
        return
    yield f"{receipt['verdict']}: {_trials(receipt)}{_environment(receipt['environment'])}"


def _trials(receipt: dict[str, Any]) -> str:
    settings = [
        f"{trial['setting']}, {len(trial['differences']):,} of {len(trial['outputs']):,} files differ"
        for trial in receipt["trials"]
    ]
    return listed(settings, 6, str, "; ") or "nothing was run"


def _environment(environment: dict[str, str]) -> str:
    names = [f"{name} {environment[name]}" for name in ("cpu", "python") if name in environment]
    return f" ({', '.join(names)})" if names else ""


def _unknown(missing: Sequence[str]) -> list[str]:
    if not missing:
        return []
    return [
        f"Not shown, since neither git nor DVC's cache nor a remote has them here: {listed(missing, 6)}; "
        "`dvc fetch --all-commits` brings them from a remote, or `dvc repro` of the commit makes them again."
    ]
