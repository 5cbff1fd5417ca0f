"""What verification asks of a dvc.lock: that everything is recorded, and in what two of them disagree."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import lock, provenance
from pipeline.errors import UserError
from pipeline.lock import Lock


def read(folder: Path, commit: str) -> Lock:
    """The dvc.lock in the checkout ``folder`` of ``commit``, with an md5 for every output.

    Raises: UserError if it is not there, not of the format that DVC writes, or without a digest.
    """
    place = f"{lock.LOCK_FILE} of commit {commit[:12]}"
    try:
        text = (folder / lock.LOCK_FILE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise UserError(
            f"commit {commit[:12]}: expected {lock.LOCK_FILE}, which records what its outputs were, but there is none; "
            "run `dvc repro` and commit it, or name a commit that has one"
        ) from None
    found = lock.parse(text, place)
    if not found.stages:
        raise UserError(f"{place}: expected the stages that DVC writes, got none; run `dvc repro` and commit it")
    _refuse_unrecorded(place, found)
    return found


def _refuse_unrecorded(place: str, found: Lock) -> None:
    """Without a digest there is nothing to compare, and nothing compared must not pass for identical."""
    outputs = found.outputs()
    bare = [output.path for output in outputs if not output.md5]
    if bare or not outputs:
        named = ", ".join(bare) or "outputs"
        raise UserError(f"{place}: expected an md5 for {named}, got none; run `dvc repro` and commit it")


def listing(folder: Path) -> dict[str, str]:
    """MD5 by relative path, with slashes, of every file below a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): provenance.md5_file(path) for path in paths}


def disagreements(recorded: Lock, made: Lock) -> Iterator[tuple[str, str]]:
    """Place in dvc.lock and sentence for each way in which a stage's command, inputs and params are not as recorded.

    Outputs are left to the comparison of their bytes.
    """
    for name in recorded.stages.keys() - made.stages.keys():
        yield name, "in dvc.lock, but the commit's dvc.yaml did not run it"
    for name in made.stages.keys() - recorded.stages.keys():
        yield name, "in the commit's dvc.yaml, but not in its dvc.lock"
    for name in recorded.stages.keys() & made.stages.keys():
        before, after = recorded.stages[name], made.stages[name]
        if before.get("cmd") != after.get("cmd"):
            yield f"{name}: cmd", f"{before.get('cmd')} recorded, {after.get('cmd')} in the commit"
        yield from _params_that_differ(name, before.get("params", {}), after.get("params", {}))
        yield from _outputs_that_differ(name, before, after)
    old, new = recorded.inputs(), made.inputs()
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            yield path, f"{_shown(old.get(path))} recorded, {_shown(new.get(path))} in the commit"


def _params_that_differ(stage: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[tuple[str, str]]:
    before, after = dict(_leaves(old)), dict(_leaves(new))
    for place in sorted(before.keys() | after.keys()):
        if repr(before.get(place)) != repr(after.get(place)):
            yield f"{stage}: {place}", f"{before.get(place)!r} recorded, {after.get(place)!r} in the commit"


def _outputs_that_differ(stage: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[tuple[str, str]]:
    before, after = ({entry["path"] for entry in side.get("outs", [])} for side in (old, new))
    for path in sorted(after - before):
        yield f"{stage}: {path}", "an output in the commit's dvc.yaml, but not in its dvc.lock"


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{place}.{key}" if place else str(key))
    else:
        yield place, value


def _shown(digest: str | None) -> str:
    return "nothing" if digest is None else digest
