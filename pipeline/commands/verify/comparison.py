"""Compare the outputs of stages that ran again with dvc.lock and the MLflow run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.commands.verify import first_difference, lockfile_check
from pipeline.commands.verify.checkout import Checkout
from pipeline.documents import json_documents
from pipeline.output_files import METADATA_FILE, WEIGHTS_FILE
from pipeline.repository.lockfile import Lock, Output, listing_md5
from pipeline.tracking.client.tags import KEY_TAG, WEIGHTS_TAG

_ABSENT = "recorded, but not made again"
_NEW = "made now, but not recorded"


@dataclass(frozen=True)
class OutputResult:
    """One thing that was compared: a file with its digests, or a place in dvc.lock or the MLflow run.

    ``difference`` is None where the two sides are identical.
    """

    place: str
    recorded: str | None
    now: str | None
    difference: str | None


def compare(workspace: Checkout, recorded: Lock, tags: dict[str, str]) -> list[OutputResult]:
    """Compare everything that a commit recorded with the new outputs of its stages; ``tags`` are those of its run.

    Inputs, commands and params come first, then the files, then the run's tags; identical inputs are not listed.
    """
    again = lockfile_check.read(workspace.folder, "as run again")
    results = [
        OutputResult(place, None, None, sentence) for place, sentence in lockfile_check.disagreements(recorded, again)
    ]
    for output in recorded.outputs():
        results.extend(_output(workspace, output))
    return results + list(_run(workspace, recorded, tags))


def model_key(workspace: Checkout, recorded: Lock) -> str | None:
    """The key of the model as it was recorded, by which its runs are found; None if its metadata cannot be had."""
    for output in recorded.outputs():
        if Path(output.path).name == METADATA_FILE:
            now = workspace.folder / output.path
            same = now.is_file() and files.md5_file(now) == output.md5
            metadata = now if same else workspace.recorded(output, output.md5)
            return _digest(metadata) if metadata else None
    return None


def committed_differences(
    output: Output, committed: dict[str, str], recorded: dict[str, str]
) -> Iterator[OutputResult]:
    """The files of an output that git has in another form than dvc.lock records; both sides are md5 by path in it."""
    for name, md5 in sorted(committed.items()):
        if recorded.get(name) != md5:
            sentence = f"md5 {recorded.get(name, 'nothing')} recorded in dvc.lock, {md5} of the file that git has"
            yield OutputResult(f"{output.path}/{name}" if name else output.path, recorded.get(name), md5, sentence)


def _output(workspace: Checkout, output: Output) -> Iterator[OutputResult]:
    path = workspace.folder / output.path
    if not output.is_folder:
        now = files.md5_file(path) if path.is_file() else None
        yield _file(workspace, output, output.path, output.md5, now)
        return
    listing = lockfile_check.listing(path) if path.is_dir() else {}
    same = listing_md5(listing) == output.md5
    before = listing if same else workspace.recorded_listing(output)
    if before is None:
        sentence = "its files differ; which, cannot be told: neither DVC's cache nor a remote has what was recorded"
        yield OutputResult(output.path, output.md5, listing_md5(listing), sentence)
        return
    yield from committed_differences(output, workspace.committed(output), before)
    for name in sorted(before.keys() | listing.keys()):
        yield _file(workspace, output, f"{output.path}/{name}", before.get(name), listing.get(name))


def _file(workspace: Checkout, output: Output, path: str, recorded: str | None, now: str | None) -> OutputResult:
    if recorded == now:
        return OutputResult(path, recorded, now, None)
    if recorded is None or now is None:
        return OutputResult(path, recorded, now, _NEW if recorded is None else _ABSENT)
    earlier = workspace.recorded(output, recorded)
    if earlier is None:
        sentence = f"md5 {recorded} recorded, {now} now; neither git, DVC's cache nor a remote has what was recorded"
    else:
        sentence = first_difference.first(earlier, workspace.folder / path, path)
    return OutputResult(path, recorded, now, sentence)


def _run(workspace: Checkout, recorded: Lock, tags: dict[str, str]) -> Iterator[OutputResult]:
    """The model's key and weights against the tags that its run has."""
    if not tags:
        return
    paths = {Path(output.path).name: workspace.folder / output.path for output in recorded.outputs()}
    weights, metadata = paths.get(WEIGHTS_FILE), paths.get(METADATA_FILE)
    now = {
        KEY_TAG: _digest(metadata) if metadata and metadata.is_file() else None,
        WEIGHTS_TAG: files.md5_file(weights) if weights and weights.is_file() else None,
    }
    for tag, value in now.items():
        same = tags.get(tag) == value and value is not None
        sentence = None if same else f"{tags.get(tag)} recorded, {value} now"
        yield OutputResult(f"MLflow run: {tag}", tags.get(tag), value, sentence)


def _digest(path: Path) -> str | None:
    try:
        document: Any = json_documents.decoded(path.read_bytes())
    except ValueError:
        return None
    return str(document["digest"]) if isinstance(document, dict) and "digest" in document else None
