"""An MLflow run as one side of a comparison, from its params, tags and artifacts."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from pipeline.compare.sides import Coefficients, Side
from pipeline.errors import UserError
from pipeline.tracking import reading
from pipeline.tracking.database import Seen

# What a comparison reads of a run's artifacts.
_FILES = ("softmax.json", "softmax.safetensors", "metrics.json", "dvc-md5.csv")

_VERSION = "version."


def of_run(root: Path, text: str, experiment: str) -> Side:
    """The run whose id begins with ``text``.

    Raises: UserError if there is none, or more than one, or the store cannot be used.
    """
    runs = reading.opened(root, experiment)
    found = runs.starting_with(text)
    if len(found) != 1:
        raise UserError(f"{text}: expected a commit, a DVC experiment or one MLflow run, got {len(found)} runs")
    return _side(found[0], runs.files(found[0], _FILES))


def _side(run: Seen, files: dict[str, bytes]) -> Side:
    tags = run.tags
    model = "softmax.json" in files and "softmax.safetensors" in files
    return Side(
        name=f"run {run.run_id[:8]} {run.name}",
        params={key: _value(text) for key, text in run.params.items()},
        code={path: md5 for path, md5 in _md5s(files.get("dvc-md5.csv", b"")).items() if path.endswith(".py")},
        versions={key.removeprefix(_VERSION): text for key, text in tags.items() if key.startswith(_VERSION)},
        partial=True,
        metrics=json.loads(files.get("metrics.json", b"{}")),
        coefficients=Coefficients.of(files["softmax.json"], files["softmax.safetensors"]) if model else None,
    )


def _md5s(table: bytes) -> dict[str, str]:
    return {line["file"]: line["md5"] for line in csv.DictReader(io.StringIO(table.decode())) if line["role"] == "dep"}


def _value(text: str) -> Any:
    """A param as params.yaml has it; texts are logged without quotes."""
    try:
        return json.loads(text)
    except ValueError:
        return text
