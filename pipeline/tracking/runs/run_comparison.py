"""Two runs of one model, place by place: one that was recorded, and one that its commit has just left again.

Both are read back through MLflow's client, from whichever store, so what is compared is what a person sees.
"""

import filecmp
import math
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image, UnidentifiedImageError

from pipeline.errors import shortened
from pipeline.output_files import EFFECTS_FILE, HISTORY_FILE, INFERENCE_FILE, INFLUENCE_FILE, METRICS_FILE
from pipeline.results.training import parse_history
from pipeline.tracking.client.outbox import NEEDED
from pipeline.tracking.client.run_files import ALL_PARAMS_FILE, COEFFICIENTS_FILE, INFERENCE_TABLE_FILE, MD5_FILE
from pipeline.tracking.client.tags import CIRCUMSTANCES, COPIED_TAG, NOTE_TAG, VERSION_PREFIX
from pipeline.tracking.runs import curves, description, run_writer

KINDS = PARAM, METRIC, TAG, DATA, ARTIFACT, STATUS = "param", "metric", "tag", "data set", "artifact", "status"

# Names that begin so come from the outputs, and from nowhere else.
_OUR_PARAMS = ("prepare.", "train.", "evaluate.")
_OUR_METRICS = (curves.BY_EPOCH, "train/", "weights/", "eval/")
_OUR_TAGS = ("model.", "data.", "train.", "eval.")
_EVALUATION = ("evaluate.", "eval/", "eval.")
_CURVES = (curves.BY_EPOCH, "train/")  # the second in earlier runs

# Only a clock knows it; a run that was looked at while it went on has it.
_SECONDS = [f"{prefix}seconds" for prefix in _CURVES]

_TRAINING_FILES = (*NEEDED["models"], ALL_PARAMS_FILE, COEFFICIENTS_FILE, MD5_FILE)
_INFERENCE_FILES = (INFERENCE_FILE, INFERENCE_TABLE_FILE, EFFECTS_FILE, INFLUENCE_FILE)
_PICTURES = "images"

# MLflow's name of a picture: its key, its step, then a time and an id of its own.
_PICTURE = re.compile(r"images/(?P<key>.+?).step.(?P<step>\d+).timestamp.\d+.[0-9a-f-]{36}(?P<small>.compressed)?\.\w+")


@dataclass(frozen=True)
class Difference:
    """A place in a run with what it says and what it should; ``files`` are the two artifacts, if both are there."""

    kind: str
    name: str
    recorded: str | None
    again: str | None
    files: tuple[str, str] | None = None


@dataclass(frozen=True)
class RunContents:
    """A run as it can be read: ``histories`` are (step, value) of each metric, ``artifacts`` the copies by name.

    Values are texts, in which NaN equals itself. A picture's name is its key and step; it may be there twice.
    """

    run: Run
    histories: dict[str, set[tuple[int, str]]]
    artifacts: dict[str, list[Path]]

    @property
    def is_evaluated(self) -> bool:
        """Whether it claims an evaluation of its own."""
        return run_writer.is_evaluated(self.run) or METRICS_FILE in self.artifacts

    def count(self, kind: str) -> int:
        """The number of places of a kind."""
        return {
            PARAM: len(self.run.data.params),
            METRIC: sum(map(len, self.histories.values())),
            TAG: len(_compared_tags(self.run.data.tags)),
            DATA: len(_data_sets(self.run)),
            ARTIFACT: len(self.artifacts),
            STATUS: 1,
        }[kind]


def read(client: MlflowClient, run: Run, folder: Path, only: Iterable[str] | None = None) -> RunContents:
    """Read a run; its artifacts, or only those of these names, are copied into ``folder``, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    run_id = run.info.run_id
    histories = {
        key: {(int(point.step), _number(point.value)) for point in client.get_metric_history(run_id, key)}
        for key in run.data.metrics
    }
    listed = [entry for entry in client.list_artifacts(run_id) if not entry.is_dir]
    listed += client.list_artifacts(run_id, _PICTURES)
    names = None if only is None else set(only)
    artifacts: dict[str, list[Path]] = {}
    for entry in listed:
        name = _artifact_name(entry.path)
        if names is None or name in names:
            artifacts.setdefault(name, []).append(Path(client.download_artifacts(run_id, entry.path, str(folder))))
    return RunContents(run, histories, artifacts)


def _artifact_name(path: str) -> str:
    picture = _PICTURE.fullmatch(path)
    if picture is None:
        return path
    return f"{_PICTURES}/{picture['key']}, step {picture['step']}{', small' if picture['small'] else ''}"


def differences(recorded: RunContents, again: RunContents) -> list[Difference]:
    """All that the recorded run says and the other does not, or the other way round."""
    evaluated = recorded.is_evaluated
    return [
        *_unequal(STATUS, {"": recorded.run.info.status}, {"": "FINISHED"}),
        *_unequal(PARAM, _starting(_params(recorded.run), _OUR_PARAMS), _of(_params(again.run), evaluated)),
        *_metrics(recorded, again, evaluated),
        *_tags(recorded.run.data.tags, again.run.data.tags, evaluated),
        *_unequal_data_sets(_data_sets(recorded.run), _data_sets(again.run)),
        *_artifacts(recorded, again, evaluated),
    ]


def _params(run: Run) -> dict[str, str]:
    """Params; those of a later evaluation with other values are tags, since the params of a run never change."""
    return run.data.params | _starting(run.data.tags, ("evaluate.",))


def _metrics(recorded: RunContents, again: RunContents, evaluated: bool) -> Iterator[Difference]:
    """Compare the last value of each metric, which tables and bars show, and the points, which charts show."""
    values, all_expected = (
        {key: _number(value) for key, value in side.run.data.metrics.items() if key not in _SECONDS}
        for side in (recorded, again)
    )
    expected = _of(all_expected, evaluated or COPIED_TAG in recorded.run.data.tags)
    unequal = list(_unequal(METRIC, _starting(values, _OUR_METRICS), expected))
    yield from unequal
    course = _history(again.artifacts.get(HISTORY_FILE, []))
    for key in sorted(expected.keys() - {difference.name for difference in unequal}):
        yield from _points(key, recorded.histories.get(key, set()), again.histories[key], course)


def _points(
    key: str, recorded: set[tuple[int, str]], expected: set[tuple[int, str]], course: dict[str, list[tuple[int, str]]]
) -> Iterator[Difference]:
    """The points of one metric that are not as they should be: the first of them."""
    name = key.rpartition("/")[2]
    column = course.get(name) if key.startswith(_CURVES) else None
    allowed = expected
    if column is not None:
        # While a training goes on, more epochs than a chart needs may be sent: which ones, its clock says.
        allowed = set(column)
        positions = curves.thinned(len(column), curves.limit(name)).tolist()
        expected = expected & {column[position] for position in positions}
    elif key.startswith("eval/"):
        # An evaluation that was repeated with other params leaves the earlier bar below the one that is shown.
        allowed = expected | {point for point in recorded if point[0] == 0}
    wrong, missing = sorted(recorded - allowed), sorted(expected - recorded)
    if wrong or missing:
        step = min(wrong + missing)[0]
        at = [dict(sorted(points) + first).get(step) for points, first in ((recorded, wrong), (allowed, missing))]
        yield Difference(METRIC, f"{key}, step {step}", at[0], at[1])


def _history(paths: Sequence[Path]) -> dict[str, list[tuple[int, str]]]:
    """The columns of history.csv as points. Raises: UserError if it is none."""
    if not paths:
        return {}
    columns = parse_history(paths[0].read_bytes(), f"{HISTORY_FILE} of the run")
    epochs = [int(epoch) for epoch in columns["epoch"]]
    return {name: list(zip(epochs, map(_number, values), strict=True)) for name, values in columns.items()}


def _tags(recorded: dict[str, str], expected: dict[str, str], evaluated: bool) -> Iterator[Difference]:
    ours = {
        name: value
        for name, value in _compared_tags(recorded).items()
        if name in expected or name.startswith(_OUR_TAGS)
    }
    yield from _unequal(TAG, ours, _of(_compared_tags(expected), evaluated))
    if evaluated:
        yield from _note(recorded, expected)


def _compared_tags(all_tags: dict[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in all_tags.items()
        if name not in CIRCUMSTANCES and name != NOTE_TAG and not name.startswith((VERSION_PREFIX, "evaluate."))
    }


def _note(recorded: dict[str, str], expected: dict[str, str]) -> Iterator[Difference]:
    """The description: people may add to it, but what was written there must still stand in it.

    The way back to the code is that of the recorded run, as its other tags have it; the page of its model is its own.
    """
    own, other = description.recorded_way_back(recorded), description.recorded_way_back(expected)
    text = recorded.get(NOTE_TAG, "")
    for line in re.split(f"\n\n|{description.LINE_BREAK}", description.without_page(expected.get(NOTE_TAG, ""))):
        due = own if line == other else line
        if due and due not in text:
            yield Difference(TAG, NOTE_TAG, _shortened(text), _shortened(due))


def _data_sets(run: Run) -> list[dict[str, str]]:
    """The values of each data set of a run, and its tags."""
    inputs: list[Any] = run.inputs.dataset_inputs if run.inputs else []
    values = [(entry.dataset.to_dictionary(), {tag.key: tag.value for tag in entry.tags}) for entry in inputs]
    return [{name: str(value) for name, value in (of_set | tags).items()} for of_set, tags in values]


def _unequal_data_sets(recorded: list[dict[str, str]], expected: list[dict[str, str]]) -> Iterator[Difference]:
    if len(recorded) != len(expected):
        yield Difference(DATA, "", f"{len(recorded)} data sets", f"{len(expected)}")
        return
    for one, other in zip(recorded, expected, strict=True):
        yield from _unequal(DATA, one, other)


def _artifacts(recorded: RunContents, again: RunContents, evaluated: bool) -> Iterator[Difference]:
    inferred = any(name in recorded.artifacts for name in _INFERENCE_FILES)
    due = {
        name: paths[0]
        for name, paths in again.artifacts.items()
        if (evaluated or name in _TRAINING_FILES or name.startswith(f"{_PICTURES}/"))
        and (inferred or name not in _INFERENCE_FILES)
    }
    if not recorded.artifacts and due:
        yield Difference(ARTIFACT, "", f"none at {recorded.run.info.artifact_uri}", f"{len(due)}")
        return
    for name, expected in sorted(due.items()):
        copies = recorded.artifacts.get(name, [])
        if not copies:
            yield Difference(ARTIFACT, name, None, "a file")
        for copy in copies:
            if not _same(copy, expected):
                yield Difference(ARTIFACT, name, f"{copy.stat().st_size} bytes", "others", (str(copy), str(expected)))


def _same(one: Path, other: Path) -> bool:
    """Equal bytes; of pictures equal pixels, for how they are packed is a library's choice on each processor."""
    if filecmp.cmp(one, other, shallow=False):
        return True
    if one.suffix not in (".png", ".webp"):
        return False
    try:
        with Image.open(one) as first, Image.open(other) as second:
            return first.size == second.size and bool(np.array_equal(np.asarray(first), np.asarray(second)))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return False


def _number(value: float | str) -> str:
    """A value as MLflow's stores keep it: infinity is the largest number there."""
    number = float(value)
    return repr(math.copysign(sys.float_info.max, number) if math.isinf(number) else number)


def _starting(named: dict[str, str], beginnings: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in named.items() if name.startswith(beginnings)}


def _of(named: dict[str, str], evaluated: bool) -> dict[str, str]:
    """Leave out the names of an evaluation, for a run that has none."""
    return {name: value for name, value in named.items() if evaluated or not name.startswith(_EVALUATION)}


def _unequal(kind: str, recorded: dict[str, str], expected: dict[str, str]) -> Iterator[Difference]:
    for name in sorted(recorded.keys() | expected.keys()):
        if recorded.get(name) != expected.get(name):
            yield Difference(kind, name, _shortened(recorded.get(name)), _shortened(expected.get(name)))


def _shortened(text: str | None) -> str | None:
    return text if text is None else shortened(text)
