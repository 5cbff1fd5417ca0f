"""Which stages are out of date, and why, from dvc.lock and the files: `dvc status` without the time that DVC loads."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.documents import yaml_documents
from pipeline.errors import UserError, listed, quoted, shortened
from pipeline.files import md5_file
from pipeline.nested import flatten
from pipeline.params import PARAMS_FILE
from pipeline.repository import lockfile
from pipeline.repository.lockfile import FOLDER_MARK, LOCK_FILE, STAGES_FILE, Lock

# Larger data is not read: of the size that was recorded, and not written since, it counts as unchanged.
_MOST_BYTES_READ = 64 * 2**20

_CODE = "pipeline/"
_PARAM = re.compile(r"\$\{([\w.]+)\}")
_MOST_CHARACTERS = 40


@dataclass(frozen=True)
class StageState:
    """A stage, and the reasons for which it is out of date; ``ran`` is false where dvc.lock knows no run of it."""

    name: str
    ran: bool
    reasons: list[str]


def read_lock(root: Path) -> Lock:
    """The project's dvc.lock; empty without one. Raises: UserError if it is none."""
    path = root / LOCK_FILE
    return lockfile.parse(path.read_text(encoding="utf-8"), LOCK_FILE) if path.is_file() else Lock()


def states(root: Path, params: dict[str, Any], lock: Lock) -> list[StageState]:
    """Every stage of dvc.yaml, in its order. Raises: UserError if that is no file of stages."""
    stages: dict[str, StageState] = {}
    makers = {output.path: output.stage for output in lock.outputs()}
    for name, stage in _declared(root).items():
        entry = lock.stages.get(name)
        reasons = [] if entry is None else list(_reasons(root, stage, entry, params))
        if entry is not None:
            paths = [str(dependency["path"]) for dependency in entry.get("deps") or []]
            before = dict.fromkeys(makers[path] for path in paths if path in makers)
            stale = [each for each in before if each in stages and not _is_fresh(stages[each])]
            reasons += [f"after {listed(stale)}"] if stale else []
        stages[name] = StageState(name, entry is not None, reasons)
    return list(stages.values())


def _is_fresh(state: StageState) -> bool:
    return state.ran and not state.reasons


def _declared(root: Path) -> dict[str, Any]:
    try:
        stages = yaml_documents.parse((root / STAGES_FILE).read_text(encoding="utf-8"))["stages"]
        return {str(name): dict(stage) for name, stage in stages.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{STAGES_FILE}: expected stages; `git checkout {STAGES_FILE}` brings them back") from None


def _reasons(root: Path, stage: Mapping[str, Any], entry: Mapping[str, Any], params: dict[str, Any]) -> Iterator[str]:
    """What differs from the last run of a stage, that of the stages before it left out."""
    if stage.get("cmd") != entry.get("cmd"):
        yield f"its command in {STAGES_FILE} changed"
    changed = _changed_params(stage, entry, params)
    if changed:
        yield f"params changed: {listed(changed, 3, str)}"
    declared = [_resolved(str(dependency), params) for dependency in stage.get("deps") or []]
    recorded = {str(each["path"]): each for each in entry.get("deps") or []}
    code = [path for path in declared if path.startswith(_CODE)]
    edited = [path for path in code if path not in recorded or not _is_unchanged(root, recorded[path])]
    if edited:
        yield f"code changed: {listed(edited)}"
    outs = {str(each["path"]): each for each in entry.get("outs") or []}
    for kind, paths in (("data", [path for path in declared if path not in code]), ("output", list(outs))):
        known = outs if kind == "output" else recorded
        new = [path for path in paths if path not in known]
        gone = [path for path in paths if path in known and "md5" in known[path] and not (root / path).exists()]
        other = [path for path in paths if path in known and path not in gone and not _is_unchanged(root, known[path])]
        yield from (f"{kind} {verb}: {listed(these)}" for verb, these in _verbs(new, gone, other) if these)


def _verbs(new: list[str], gone: list[str], other: list[str]) -> list[tuple[str, list[str]]]:
    return [("named anew", new), ("missing", gone), ("changed", other)]


def _changed_params(stage: Mapping[str, Any], entry: Mapping[str, Any], params: dict[str, Any]) -> list[str]:
    """Each param of the stage that has another value than in its last run, with both."""
    recorded = (entry.get("params") or {}).get(PARAMS_FILE.name)
    recorded = recorded if isinstance(recorded, dict) else {}
    names = [str(name) for name in stage.get("params") or []]
    before = flatten({name: recorded[name] for name in names if name in recorded})
    now = flatten({name: params[name] for name in names if name in params})
    return [
        f"{name} {_short(before, name)} -> {_short(now, name)}"
        for name in {**before, **now}
        if name not in before or name not in now or before[name] != now[name]
    ]


def _short(values: Mapping[str, Any], name: str) -> str:
    return quoted(values[name], _MOST_CHARACTERS) if name in values else "not set"


def _resolved(path: str, params: dict[str, Any]) -> str:
    """A path of dvc.yaml with the params that it names, as DVC writes them into dvc.lock."""
    values = flatten(params)
    return _PARAM.sub(lambda match: str(values.get(match[1], match[0])), path)


def _is_unchanged(root: Path, entry: Mapping[str, Any]) -> bool:
    """Whether a file or folder is what dvc.lock recorded; without an md5, as of an address, nothing is known."""
    path, md5 = root / str(entry["path"]), str(entry.get("md5", ""))
    if not md5:
        return True
    if not path.exists() or path.is_dir() != md5.endswith(FOLDER_MARK):
        return False
    try:
        sizes, written = _measured(path)
        if sum(sizes) != entry.get("size", sum(sizes)) or len(sizes) != entry.get("nfiles", len(sizes)):
            return False
        if sum(sizes) > _MOST_BYTES_READ:
            return written <= (root / LOCK_FILE).stat().st_mtime_ns
        return _md5(path) == md5
    except OSError as error:
        raise UserError(f"{shortened(path)}: cannot be read: {(error.strerror or '').lower()}") from None


def _measured(path: Path) -> tuple[list[int], int]:
    """The sizes of the files that DVC counts, and when the newest was written, in ns since 1970."""
    statuses = [file.stat() for file in ([path] if path.is_file() else lockfile.counted_files(path))]
    return [status.st_size for status in statuses], max((status.st_mtime_ns for status in statuses), default=0)


def _md5(path: Path) -> str:
    """As DVC has it."""
    if path.is_file():
        return md5_file(path)
    return lockfile.listing_md5(
        {file.relative_to(path).as_posix(): md5_file(file) for file in lockfile.counted_files(path)}
    )
