"""An MLflow run as one side of a comparison: from its params, tags and artifacts, and what DVC keeps of its model."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.commands.compare.side import CODE, Coefficients, ComparisonSide, of_revision, recorded_source
from pipeline.documents import json_documents
from pipeline.errors import UserError
from pipeline.nested import flatten
from pipeline.output_files import METADATA_FILE, METRICS_FILE, WEIGHTS_FILE
from pipeline.repository import revisions
from pipeline.repository.environment import public_version
from pipeline.repository.revisions import Revision
from pipeline.results.reports import parse_metrics
from pipeline.tracking.client.run_files import ALL_PARAMS_FILE, MD5_FILE
from pipeline.tracking.client.tags import DATA_TAG, KEY_TAG, WEIGHTS_TAG, recorded_versions
from pipeline.tracking.store import lookup
from pipeline.tracking.store.database import RunView

# What a comparison reads of a run's artifacts.
_FILES = (ALL_PARAMS_FILE, METADATA_FILE, WEIGHTS_FILE, METRICS_FILE, MD5_FILE)


def of_run(root: Path, text: str, experiment: str) -> ComparisonSide:
    """The run whose id begins with ``text``.

    Raises: UserError if there is none, or more than one, or the store cannot be used.
    """
    runs, run = find_run(root, text, experiment)
    revision = revision_behind(root, run)
    side = _side(run, runs.files(run, _FILES))
    return _completed(side, revision) if revision else side


def find_run(root: Path, text: str, experiment: str) -> tuple[lookup.Runs, RunView]:
    """The store, and the one run in it whose id begins with ``text``.

    Raises: UserError if there is none, or more than one, or the store cannot be used.
    """
    runs = lookup.opened(root, experiment)
    matches = runs.starting_with(text)
    if len(matches) != 1:
        raise UserError(f"{text}: expected a commit, a DVC experiment or one MLflow run, got {len(matches)} runs")
    return runs, matches[0]


def revision_behind(root: Path, run: RunView) -> Revision | None:
    """The commit, DVC experiment or workspace that has the run's model; None if it was never kept."""
    md5, key = run.tags.get(WEIGHTS_TAG), run.tags.get(KEY_TAG)
    if not (md5 and key):
        return None
    # The commit that brought a model may be one whose metadata was another: the newest that still has it counts too.
    brought = [Revision(root, sha[:8], sha) for sha in revisions.commits_that_lock(root, md5)]
    here = revisions.head_and_workspace(root)
    locking = [revision for revision in here if md5 in revision.lock.written().values()]
    return next((revision for revision in [*locking, *brought] if revision.model_key == key), None)


def _completed(run: ComparisonSide, revision: Revision) -> ComparisonSide:
    """The run with what only DVC keeps: raw data, columns, predictions, inference; and what its artifacts lack.

    They lack metrics if no evaluation was logged, and all of it where the project was moved and not relocated yet.
    """
    recorded = of_revision(revision)
    return replace(
        run,
        code=run.code or recorded.code,
        metrics=run.metrics or recorded.metrics,
        coefficients=run.coefficients or recorded.coefficients,
        schema=recorded.schema,
        source=recorded.source if recorded.source == recorded_source(revision) else "",
        table=recorded.table,
        predictions=recorded.predictions,
        estimates=recorded.estimates,
    )


def _side(run: RunView, files: dict[str, bytes]) -> ComparisonSide:
    place = f"run {run.run_id[:8]}"
    metadata, weights = files.get(METADATA_FILE), files.get(WEIGHTS_FILE)
    has_model = metadata is not None and weights is not None
    metrics = files.get(METRICS_FILE)
    return ComparisonSide(
        name=f"{place} {run.name}",
        params=_params(run, files, place),
        code={path: md5 for path, md5 in _md5s(files, place).items() if path.endswith(CODE)},
        versions=_versions(run.tags),
        prepared=run.tags.get(DATA_TAG, ""),
        partial=True,
        metrics={} if metrics is None else parse_metrics(metrics, f"{place}: {METRICS_FILE}"),
        coefficients=Coefficients.of(metadata or b"", weights or b"", place) if has_model else None,
    )


def _params(run: RunView, files: dict[str, bytes], place: str) -> dict[str, Any]:
    """All params as params.yaml has them; MLflow's own are the telling ones, and all in earlier runs.

    Raises: UserError if the artifact that has all holds something else.
    """
    telling = {key: _value(text) for key, text in run.params.items()}
    if ALL_PARAMS_FILE not in files:
        return telling
    try:
        document = json_documents.decoded(files[ALL_PARAMS_FILE])
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise UserError(f"{place}: {ALL_PARAMS_FILE}: expected params as JSON, got others; the artifact was edited")
    return {key: value for key, value in telling.items() if key.startswith("evaluate.")} | flatten(document)


def _versions(known: dict[str, str]) -> dict[str, str]:
    """Versions by package, without the names of builds, which requirements.lock leaves open too."""
    return {name: public_version(text) for name, text in recorded_versions(known).items()}


def _md5s(files: dict[str, bytes], place: str) -> dict[str, str]:
    """The md5 by path of the files that the stages read. Raises: UserError if it is no such table."""
    text = files.get(MD5_FILE, b"").decode("utf-8", "replace")
    try:
        lines = list(csv.DictReader(io.StringIO(text, newline="")))
        return {line["file"]: line["md5"] for line in lines if line["role"] == "dep"}
    except (KeyError, csv.Error):
        raise UserError(
            f"{place}: {MD5_FILE}: expected the columns role, file and md5, got others; the artifact was edited"
        ) from None


def _value(text: str) -> Any:
    """A param as params.yaml has it; texts are logged without quotes."""
    try:
        return json_documents.decoded(text.encode("utf-8", "surrogatepass"))
    except ValueError:
        return text
