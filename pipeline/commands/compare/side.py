"""One side of a comparison: what is known of a commit, an experiment, the workspace or an MLflow run."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import credentials, files
from pipeline import model as models
from pipeline.commands.compare.estimates import Estimates
from pipeline.dataset.columns import class_text
from pipeline.documents import json_documents
from pipeline.errors import UserError
from pipeline.nested import flatten
from pipeline.output_files import (
    COEFFICIENTS_FILE,
    INFERENCE_FILE,
    METADATA_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    PREPARED_FILE,
    SCHEMA_FILE,
    WEIGHTS_FILE,
)
from pipeline.repository.revisions import Revision
from pipeline.results.checks import REMEDY
from pipeline.results.reports import parse_column_types, parse_metrics

# Sections that change no result.
_LEFT_OUT = ("tracking",)

CODE = (".py", ".c", ".h")  # ends of names of files that are compared as code


@dataclass(frozen=True)
class Coefficients:
    """Names and values: ``values`` (k, d + 1) float64 are W with b as the last column."""

    classes: list[str]
    features: list[str]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, document: bytes, weights: bytes, place: str) -> "Coefficients":
        """Read the two files of a model; ``place`` is what errors call their folder.

        Raises: UserError if they are not what train writes.
        """
        model = models.parse(document, weights, Path(place))
        values = np.concatenate([model.weights, model.bias[:, np.newaxis]], axis=1)
        classes = [*map(class_text, model.classes)]
        return cls(classes, [*model.features, "bias"], values)


@dataclass(frozen=True)
class ComparisonSide:
    """The values to compare; an empty one is not known.

    ``code`` and ``versions`` are md5 and version by name, ``schema`` the type of each column, ``source`` the md5 of the
    raw data, ``prepared`` the digest of what became of it; ``table``, ``predictions`` and ``estimates`` read files when
    they are asked for. A ``partial`` side, a run, knows only a part of the params and the code: what it does not name
    may still be the same.
    """

    name: str
    params: dict[str, Any]
    code: dict[str, str]
    versions: dict[str, str]
    metrics: dict[str, Any] = field(default_factory=dict)
    coefficients: Coefficients | None = None
    schema: dict[str, str] = field(default_factory=dict)
    source: str = ""
    prepared: str = ""
    partial: bool = False
    table: Callable[[], bytes | None] = lambda: None
    predictions: Callable[[], bytes | None] = lambda: None
    estimates: Callable[[], Estimates | None] = lambda: None


def of_revision(revision: Revision) -> ComparisonSide:
    """The side of a revision, from its files.

    Raises: UserError if it was never run.
    """
    locked = revision.lock
    if not locked.stages:
        raise UserError(f"{revision.name}: expected a dvc.lock with what was run, got none; `dvc repro` writes it")
    source = _source_path(revision)
    deps = _dependencies(revision)
    read = revision.read_by(*locked.stages, data=source)
    code = {path: md5 for path, md5 in read.items() if path.endswith(CODE)}
    # The workspace is what lies there now, also where it was not run yet.
    changed = "" if revision.sha else _md5(revision.root / source)
    metrics = _out(revision, METRICS_FILE)
    schema, prepared = _prepared(revision, SCHEMA_FILE), _prepared(revision, PREPARED_FILE)
    place = revision.name
    return ComparisonSide(
        name=revision.name if revision.sha is None else f"{revision.name} ({revision.sha[:8]})",
        params=flat_params(revision.params),
        code=code if revision.sha else {path: _md5(revision.root / path) for path in code},
        versions=revision.pinned,
        metrics={} if metrics is None else parse_metrics(metrics, f"{place}: {METRICS_FILE}"),
        coefficients=_coefficients(revision),
        schema={} if schema is None else parse_column_types(schema, f"{place}: {SCHEMA_FILE}"),
        source=changed or deps.get(source, ""),
        prepared="" if prepared is None else json_documents.key(prepared, f"{place}: {PREPARED_FILE}", REMEDY),
        table=lambda: revision.dependency(source, deps.get(source, "")),
        predictions=lambda: _out(revision, PREDICTIONS_FILE),
        estimates=lambda: _estimates(revision),
    )


def recorded_source(revision: Revision) -> str:
    """The md5 of the raw data that was run, which may be another than lies in the workspace now; empty if unknown."""
    return _dependencies(revision).get(_source_path(revision), "")


def _source_path(revision: Revision) -> str:
    return str((revision.params.get("prepare") or {}).get("source", ""))


def _dependencies(revision: Revision) -> dict[str, str]:
    """The md5 of everything that the stages read."""
    locked = revision.lock
    return {path: md5 for stage in locked.stages for path, md5 in locked.read_by(stage).items()}


def flat_params(document: dict[str, Any]) -> dict[str, Any]:
    """The params that may change a result, by dotted name and without secrets."""
    sections = {name: section for name, section in document.items() if name not in _LEFT_OUT}
    return {
        name: credentials.masked(value) if isinstance(value, str) else value
        for name, value in flatten(sections).items()
        if value != {}
    }


def rows(content: bytes) -> list[list[str]]:
    """The lines of a CSV file."""
    return list(csv.reader(io.StringIO(content.decode("utf-8", "replace"), newline="")))


def _md5(path: Path) -> str:
    return files.md5_file(path) if path.is_file() else ""


def _out(revision: Revision, name: str) -> bytes | None:
    path = revision.lock.out_ending(name)
    return revision.out(path) if path else None


def _coefficients(revision: Revision) -> Coefficients | None:
    document, weights = _out(revision, METADATA_FILE), _out(revision, WEIGHTS_FILE)
    if document is None or weights is None:
        return None
    path = revision.lock.out_ending(METADATA_FILE) or ""
    return Coefficients.of(document, weights, f"{revision.name}: {Path(path).parent}")


def _estimates(revision: Revision) -> Estimates | None:
    document, table = _out(revision, INFERENCE_FILE), _out(revision, COEFFICIENTS_FILE)
    return None if document is None or table is None else Estimates.of(document, table, revision.name)


def _prepared(revision: Revision, name: str) -> bytes | None:
    """A file that prepare wrote; None if it is not there."""
    folder = next(iter(revision.lock.written_by("prepare")), None)
    return revision.out(f"{folder}/{name}") if folder else None
