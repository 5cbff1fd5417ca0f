"""Stages that MLflow does not know of yet, kept as files until it can be told: below ``.cache/tracking`` of the root.

An entry is a folder with ``entry.json`` and copies of what the stage left, named by the time at which the stage ended.
Knows no MLflow.
"""

import json
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from filelock import FileLock, Timeout
from pydantic import Field, TypeAdapter

from pipeline import files
from pipeline.documents import json_documents
from pipeline.output_files import (
    COEFFICIENTS_FILE,
    DECISION_FILE,
    EFFECTS_FILE,
    ENCODER_FILE,
    HISTORY_FILE,
    INFERENCE_FILE,
    INFLUENCE_FILE,
    METADATA_FILE,
    METRICS_FILE,
    PLOTS_FOLDER,
    PREPARED_FILE,
    REPORT_FILE,
    SCHEMA_FILE,
    SLICES_FILE,
    SNAPSHOTS_FILE,
    SWEEP_FILE,
    SWEEP_TABLE_FILE,
    WEIGHTS_FILE,
)

# The files of a run by the stage's folder; a name that ends with / is a folder.
_PREPARED = (PREPARED_FILE, ENCODER_FILE, SCHEMA_FILE)
_MODELS = (METADATA_FILE, WEIGHTS_FILE, HISTORY_FILE, SNAPSHOTS_FILE)
_DECIDED = (*_MODELS, DECISION_FILE)
INFERENCE_FILES = (INFERENCE_FILE, COEFFICIENTS_FILE, EFFECTS_FILE, INFLUENCE_FILE)
_REPORTS = (METRICS_FILE, f"{PLOTS_FOLDER}/")
NEEDED: Mapping[str, tuple[str, ...]] = {"prepared": _PREPARED, "models": _MODELS, "reports": _REPORTS}

# What the stages need beside that, or in its place.
_BY_STAGE: dict[str, dict[str, tuple[str, ...]]] = {
    "evaluate": {"models": _DECIDED, "reports": (*_REPORTS, SLICES_FILE)},
    "sweep": {"reports": (SWEEP_FILE, SWEEP_TABLE_FILE)},
    "infer": {"reports": INFERENCE_FILES},
    "report": {"reports": (REPORT_FILE,)},
}

_ENTRY_FILE = "entry.json"
_FOLDER = Path(".cache", "tracking")

# Another process may be sending; it is done, or dead, in far less.
_LOCK_SECONDS = 10


@dataclass(frozen=True)
class OutboxEntry:
    """A stage that ended well; times in ms since 1970. ``identity`` marks the run that was begun for it, if any.

    ``params`` is the whole params document, ``circumstances`` its run context as JSON, ``records`` those of epochs,
    thinned.
    """

    stage: Annotated[str, Field(pattern="^(train|evaluate|infer|report|sweep)$")]
    identity: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    experiment: str
    params: dict[str, Any]
    circumstances: dict[str, Any]
    started: Annotated[int, Field(ge=0, lt=2**53)]
    ended: Annotated[int, Field(ge=0, lt=2**53)]
    records: list[dict[str, float]] = field(default_factory=list)


_FORM = TypeAdapter(OutboxEntry)
_NAME = re.compile(r"[0-9]{1,16}-[a-z]+-[0-9a-f]{1,8}")
_REMEDY = "remove its folder, or run the stage again"


def new_identity() -> str:
    """A name that no other training has."""
    return uuid.uuid4().hex


def keep(root: Path, entry: OutboxEntry, paths: Mapping[str, Path]) -> Path:
    """Copy what the stage left, and return the folder that has it.

    Raises: OSError if a file is missing or the folder cannot be written; nothing is left behind then.
    """
    folder = root / _FOLDER / f"{entry.ended}-{entry.stage}-{entry.identity[:8]}"
    with files.new_folder(folder) as temporary:
        names = {**NEEDED, **_BY_STAGE.get(entry.stage, {})}
        for name, path in paths.items():
            for needed in names[name]:
                target = temporary / name / needed
                target.parent.mkdir(parents=True, exist_ok=True)
                if (path / needed).is_dir():
                    shutil.copytree(path / needed, target)
                else:
                    shutil.copyfile(path / needed, target)
        files.write_text(temporary / _ENTRY_FILE, json.dumps(asdict(entry), ensure_ascii=False, indent=2))
    return folder


def waiting(root: Path) -> list[Path]:
    """The folders of all entries, oldest first; what is not named as ``keep`` names it is no entry."""
    folders = [path.parent for path in (root / _FOLDER).glob(f"*/{_ENTRY_FILE}")]
    named = [folder for folder in folders if _NAME.fullmatch(folder.name)]
    return sorted(named, key=lambda path: (int(path.name.partition("-")[0]), path.name))


def read(folder: Path) -> tuple[OutboxEntry, dict[str, Path]]:
    """An entry, and the folders of its copies by name.

    Raises: UserError if its file is not what ``keep`` writes.
    """
    path = folder / _ENTRY_FILE
    document = json_documents.read(path, _REMEDY, _REMEDY)
    with json_documents.faults_named(path, _REMEDY):
        entry = _FORM.validate_python(document)
    return entry, {name: folder / name for name in NEEDED if (folder / name).is_dir()}


def has_model(folder: Path, models: Path) -> bool:
    """Whether an entry is of the model in the folder ``models``."""
    metadata = folder / "models" / METADATA_FILE
    return metadata.is_file() and metadata.read_bytes() == (models / METADATA_FILE).read_bytes()


def forget(folder: Path) -> None:
    """Remove an entry: MLflow has it."""
    shutil.rmtree(folder)


@contextmanager
def alone(root: Path, seconds: float = _LOCK_SECONDS) -> Iterator[bool]:
    """Hold the outbox's lock for the block; yields False if it is taken for ``seconds``."""
    lock = FileLock(root / _FOLDER.with_suffix(".lock"), timeout=seconds)
    try:
        lock.acquire()
    except (Timeout, OSError):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
