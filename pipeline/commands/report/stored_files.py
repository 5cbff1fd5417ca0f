"""The files of a revision or run by name: artifacts of MLflow first, then what git, DVC's cache or remote has."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from pipeline.documents import json_documents
from pipeline.errors import UserError, listed
from pipeline.output_files import (
    COEFFICIENTS_FILE,
    DECISION_FILE,
    EFFECTS_FILE,
    HISTORY_FILE,
    INFERENCE_FILE,
    METADATA_FILE,
    METRICS_FILE,
    PLOTS_FOLDER,
    PREPARED_FILE,
    SCHEMA_FILE,
    SLICES_FILE,
    SNAPSHOTS_FILE,
    WEIGHTS_FILE,
)
from pipeline.report.documents import (
    CALIBRATION_FILE,
    CONFUSION_FILE,
    CONFUSION_MATRIX_FILE,
    COST_CURVE_FILE,
    Reader,
)
from pipeline.repository.revisions import Revision
from pipeline.tracking.client.run_files import ALL_PARAMS_FILE, INFERENCE_TABLE_FILE, RECEIPT_FILE

# The artifacts of a run by the names that the stages gave; tables lie at the root there, and infer's is renamed.
ARTIFACTS: Mapping[str, str] = {
    **{
        name: name for name in (METADATA_FILE, WEIGHTS_FILE, HISTORY_FILE, SNAPSHOTS_FILE, METRICS_FILE, INFERENCE_FILE)
    },
    **{name: name for name in (EFFECTS_FILE, DECISION_FILE, SLICES_FILE, ALL_PARAMS_FILE, RECEIPT_FILE)},
    COEFFICIENTS_FILE: INFERENCE_TABLE_FILE,
    **{
        name: PurePosixPath(name).name
        for name in (CALIBRATION_FILE, CONFUSION_MATRIX_FILE, CONFUSION_FILE, COST_CURVE_FILE)
    },
}
_PREPARED = (PREPARED_FILE, SCHEMA_FILE)
_MODEL = (METADATA_FILE, WEIGHTS_FILE)


class StoredFiles:
    """Files by name, each read once. ``revision`` is None for a run that no commit has."""

    def __init__(self, revision: Revision | None, artifacts: Mapping[str, bytes] | None = None, name: str = "") -> None:
        """``name`` is how errors call a run."""
        self._revision = revision
        self._artifacts = artifacts or {}
        self._name = name
        self._contents: dict[str, bytes | None] = {}

    @property
    def reader(self) -> Reader:
        """The reader that the page takes."""
        return Reader(self.read, self._place)

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None if it cannot be had. Raises: UserError if a cache holds others."""
        if name not in self._contents:
            self._contents[name] = self._read(name)
        return self._contents[name]

    def _read(self, name: str) -> bytes | None:
        content = self._artifacts.get(ARTIFACTS.get(name, ""))
        path = self._path(name)
        if content is not None or self._revision is None or path is None:
            return content
        return self._revision.out(path)

    def _path(self, name: str) -> str | None:
        """Its path in the revision; None if no stage of it wrote such a file."""
        if self._revision is None:
            return None
        lock = self._revision.lock
        if name in _PREPARED:
            folder = next(iter(lock.written_by("prepare")), None)
        elif name.startswith(f"{PLOTS_FOLDER}/"):
            folder, name = lock.out_ending(PLOTS_FOLDER), name.removeprefix(f"{PLOTS_FOLDER}/")
        else:
            return lock.out_ending(name)
        return f"{folder}/{name}" if folder else None

    def _place(self, name: str) -> str:
        if self._revision is None or self._artifacts.get(ARTIFACTS.get(name, "")) is not None:
            return f"{self._name}: {ARTIFACTS.get(name, name)}"
        return f"{self._revision.name}: {self._path(name) or name}"

    def require_model(self) -> None:
        """Raises: UserError that names the files of the model if they cannot be had."""
        if all(self.read(name) is not None for name in _MODEL):
            return
        if self._revision is None:
            raise UserError(f"{self._name}: expected a model among its artifacts, got none; the run is not complete")
        lost = [path for name in _MODEL if self.read(name) is None and (path := self._path(name))]
        raise UserError(
            f"{self._name or self._revision.name}: {listed(lost) or 'the model'}: neither git nor DVC's cache nor a "
            "remote has what the page needs; `dvc fetch --all-commits` brings it from a remote, or `dvc repro` of the "
            "commit makes it again"
        )

    def missing(self) -> list[str]:
        """The paths of files that the revision wrote and that cannot be had here."""
        of_each_run = (*_PREPARED, *(name for name in ARTIFACTS if name not in (ALL_PARAMS_FILE, RECEIPT_FILE)))
        outs = self._revision.lock.written() if self._revision else {}
        missing = []
        for name in of_each_run:
            path = self._path(name)
            is_old_or_new = name in (CONFUSION_FILE, CONFUSION_MATRIX_FILE)
            if path is not None and (path in outs or not is_old_or_new) and self.read(name) is None:
                missing.append(path)
        return missing


def params_of_run(artifacts: Mapping[str, bytes], behind: Revision | None) -> dict[str, Any]:
    """The params of a run's artifact, and what that lacks of the revision behind it."""
    recorded = behind.params if behind else {}
    try:
        document = json_documents.decoded(artifacts.get(ALL_PARAMS_FILE, b"{}"))
    except ValueError:
        document = {}
    return recorded | document if isinstance(document, dict) else recorded
