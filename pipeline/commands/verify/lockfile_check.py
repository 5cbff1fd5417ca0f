"""Checks of a dvc.lock: every output has its md5; and the disagreements of two of them."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.errors import UserError, listed
from pipeline.nested import leaves
from pipeline.repository import lockfile
from pipeline.repository.lockfile import Lock

# The keys of dvc.lock for the bytes of a file or folder.
_CONTENT = ("md5", "size", "nfiles")


def read(folder: Path, commit: str) -> Lock:
    """The dvc.lock in the checkout ``folder`` of ``commit``, with an md5 for every output.

    Raises: UserError if it is not there, not of the format that DVC writes, or without a digest.
    """
    place = f"{lockfile.LOCK_FILE} of commit {commit[:12]}"
    try:
        text = (folder / lockfile.LOCK_FILE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise UserError(
            f"commit {commit[:12]}: expected {lockfile.LOCK_FILE}, which records what its outputs were, but there is "
            "none; run `dvc repro` and commit it, or name a commit that has one"
        ) from None
    lock = lockfile.parse(text, place)
    if not lock.stages:
        raise UserError(f"{place}: expected the stages that DVC writes, got none; run `dvc repro` and commit it")
    # Nothing compared must not pass for identical.
    bare = [output.path for output in lock.outputs() if not output.md5]
    if bare or not lock.outputs():
        named = listed(bare) or "outputs"
        raise UserError(f"{place}: expected an md5 for {named}, got none; run `dvc repro` and commit it")
    return lock


def listing(folder: Path) -> dict[str, str]:
    """MD5 by relative path, with slashes, of every file below a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): files.md5_file(path) for path in paths}


def disagreements(recorded: Lock, now: Lock) -> Iterator[tuple[str, str]]:
    """Place in dvc.lock and sentence for each way in which a stage's command, inputs and params are not as recorded.

    Of outputs only what is recorded beside their digest; their bytes are left to the comparison of files.
    """
    for name in recorded.stages.keys() - now.stages.keys():
        yield name, "in dvc.lock, but the commit's dvc.yaml did not run it"
    for name in now.stages.keys() - recorded.stages.keys():
        yield name, "in the commit's dvc.yaml, but not in its dvc.lock"
    for name in recorded.stages.keys() & now.stages.keys():
        before, after = recorded.stages[name], now.stages[name]
        if before.get("cmd") != after.get("cmd"):
            yield f"{name}: cmd", f"{before.get('cmd')} recorded, {after.get('cmd')} in the commit"
        yield from params_that_differ(name, before.get("params") or {}, after.get("params") or {})
        yield from _inputs_that_differ(name, before, after, {output.path for output in recorded.outputs()})
        yield from _outputs_that_differ(name, before, after)
        for key in sorted(before.keys() ^ after.keys()):
            yield f"{name}: {key}", f"only in the dvc.lock that was {'recorded' if key in before else 'made now'}"


def entry_differences(
    recorded: dict[str, Any], actual: dict[str, Any], where: str, keys: Iterable[str] = _CONTENT
) -> Iterator[str]:
    """A sentence for each key in which an entry of dvc.lock is not as it ought to be; ``where`` says of what.

    Where the digest differs it says enough.
    """
    different = [key for key in keys if repr(recorded.get(key)) != repr(actual.get(key))]
    for key in ["md5"] if "md5" in different else different:
        yield f"{key} {_text(recorded.get(key))} recorded, {_text(actual.get(key))} {where}"


def params_that_differ(stage: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Place and sentence for each param of a stage that is not as recorded, by file and key."""
    before, after = _values(old), _values(new)
    for place in sorted(before.keys() | after.keys()):
        one, other = (repr(side[place]) if place in side else "nothing" for side in (before, after))
        if one != other:
            name = ".".join(key for key, _ in place)
            yield f"{stage}: {name}", f"{one} recorded, {other} in the commit"


def _inputs_that_differ(
    stage: str, old: dict[str, Any], new: dict[str, Any], written: set[str]
) -> Iterator[tuple[str, str]]:
    """Compare inputs; the bytes of another stage's outputs are compared as its outputs."""
    before, after = (_by_path(side, "deps") for side in (old, new))
    for path in sorted(before.keys() | after.keys()):
        one, other = before.get(path, {}), after.get(path, {})
        keys = (one.keys() | other.keys()).difference({"path"}, _CONTENT if path in written else ())
        for sentence in entry_differences(one, other, "in the commit", sorted(keys)):
            yield f"{stage}: {path}", sentence


def _outputs_that_differ(stage: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[tuple[str, str]]:
    before, after = (_by_path(side, "outs") for side in (old, new))
    for path in sorted(after.keys() - before.keys()):
        yield f"{stage}: {path}", "an output in the commit's dvc.yaml, but not in its dvc.lock"
    for path in sorted(after.keys() & before.keys()):
        one, other = before[path], after[path]
        if one.get("md5") == other.get("md5"):
            for sentence in entry_differences(one, other, "as made now", sorted(one.keys() | other.keys())):
                yield f"{stage}: {path}", sentence


def _by_path(stage: dict[str, Any], key: str) -> dict[str, dict[str, Any]]:
    return {str(entry["path"]): entry for entry in stage.get(key) or []}


def _values(params: dict[str, Any]) -> dict[tuple[tuple[str, str], ...], Any]:
    """Values by the keys that lead there, each with its type: neither 1 and "1" nor a.b and b in a are the same."""
    return {
        tuple((str(key), type(key).__name__) for key in path): value for path, value in leaves(params, into_lists=False)
    }


def _text(value: Any) -> str:
    return "nothing" if value is None else str(value)
