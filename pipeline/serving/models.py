"""The model that is served, and its exchange for the next one while requests go on.

A request takes the model that is there when it begins and ends with it; exchanging is one assignment.
"""

import os
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline import model as models
from pipeline.documents import json_documents
from pipeline.errors import UserError
from pipeline.output_files import DECISION_FILE, METADATA_FILE, WEIGHTS_FILE
from pipeline.predictor import scorer as scorers
from pipeline.predictor.ranges import Ranges
from pipeline.predictor.scorer import Scorer
from pipeline.predictor.values import ValueReader
from pipeline.serving.answers import RowWriter
from pipeline.serving.observations import Observer

_NEEDED = (METADATA_FILE, WEIGHTS_FILE)


@dataclass(frozen=True)
class StoredModel:
    """The files of a model by name, of the place ``place``; ``version`` is the registry's, if it has one."""

    place: Path
    contents: Mapping[str, bytes]
    version: str | None = None


class ModelSource(Protocol):
    """Where models come from: a folder, or an alias of a registry."""

    @property
    def name(self) -> str:
        """What clients call the model."""

    def stamp(self) -> Hashable:
        """A value that is another one when there is another model. Raises: UserError if the source is away."""

    def read(self) -> StoredModel:
        """The model that is there now. Raises: UserError."""


class FolderSource:
    """A folder that `train` and `decide` wrote, and may write again.

    DVC takes a stage's outputs away before the stage runs. So a decision that was there and is not is one that is being
    made: without it a model would answer otherwise, and with fewer columns, for as long as `decide` takes.
    """

    def __init__(self, name: str, folder: Path) -> None:
        """``name``: what clients call the model."""
        self.name, self.folder = name, folder
        self._is_decided = False

    def stamp(self) -> Hashable:
        """Size, time and inode of each file; a file that is away has none."""
        return tuple(_status(self.folder / name) for name in (*_NEEDED, DECISION_FILE))

    def read(self) -> StoredModel:
        """The files as they lie there; what they are of one another, their digests tell."""
        self._is_decided = self._is_decided or os.path.lexists(self.folder / DECISION_FILE)
        there = [*_NEEDED, DECISION_FILE] if self._is_decided else _NEEDED
        contents = {name: json_documents.read_bytes(self.folder / name, _MISSING[name]) for name in there}
        return StoredModel(self.folder, contents)


def _status(path: Path) -> Hashable:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


@dataclass(frozen=True)
class ServedModel:
    """A model with everything that an answer takes, made once; ``ranges`` is None where nobody knows them."""

    name: str
    key: str
    version: str | None
    scorer: Scorer
    reader: ValueReader
    observer: Observer
    writer: RowWriter
    columns: tuple[str, ...]
    ranges: Ranges | None


# The ranges of the numbers of a model's table, by the model's files and itself.
FindRanges = Callable[[StoredModel, models.Model], Ranges | None]


def served(name: str, stored: StoredModel, find_ranges: FindRanges, chosen: Sequence[str] = ()) -> ServedModel:
    """The model that files hold; ``chosen`` are the columns of answers.

    Raises: UserError where they are damaged, forged, or of different models.
    """
    scorer = scorers.parse(stored.contents, stored.place)
    model = scorer.model
    ranges = find_ranges(stored, model)
    return ServedModel(
        name=name,
        key=model.key,
        version=stored.version,
        scorer=scorer,
        reader=ValueReader(model.encoder),
        observer=Observer(model.encoder, ranges),
        writer=RowWriter(model.classes, scorer.decision, chosen),
        columns=tuple(model.encoder.types),
        ranges=ranges,
    )


class Exchange:
    """Holds the model that is served, and looks for another one, on a thread, every ``seconds``."""

    def __init__(self, source: ModelSource, load: Callable[[StoredModel], ServedModel], seconds: float = 2.0) -> None:
        """Load the first model. Raises: UserError if there is none that can be served."""
        self._source, self._load, self._seconds = source, load, seconds
        self._stamp = source.stamp()
        self.current = load(source.read())
        self.fault: str | None = None
        self.exchanges = 0
        self._failed_once = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_looking, daemon=True)

    def start(self, say: Callable[[str], None]) -> None:
        """Begin to look; ``say`` gets one sentence for what changed, and for what stands in the way of a change."""
        self._say = say
        self._thread.start()

    def stop(self) -> None:
        """Look no more; what is being looked at may go on until the process ends."""
        self._over.set()

    def _keep_looking(self) -> None:
        while not self._over.wait(self._seconds):
            self.look()

    def look(self) -> None:
        """Take up another model if there is one; keep the one that is there if that one is damaged or out of reach."""
        try:
            stamp = self._source.stamp()
            if stamp != self._stamp or self._failed_once:
                self._take(self._load(self._source.read()), stamp)
        except Exception as error:
            # Whatever it is, what is in service stays. Files are exchanged one after another, so that what is wrong now
            # may be whole at the next look: only then is it told.
            kind = "" if isinstance(error, UserError) else f"the next model: {type(error).__name__}: "
            sentence = f"{kind}{error}"
            if self._failed_once and self.fault != sentence:
                self.fault = sentence
                self._say(f"{sentence}; model {self.current.key[:8]} stays in service")
            self._failed_once = True

    def _take(self, model: ServedModel, stamp: Hashable) -> None:
        before, self.current, self._stamp = self.current, model, stamp
        earlier_fault, self.fault, self._failed_once = self.fault, None, False
        if before.key != model.key or before.version != model.version:
            self.exchanges += 1
            version = "" if model.version is None else f", version {model.version}"
            self._say(f"model {model.key[:8]}{version} is in service, after {before.key[:8]}")
        elif earlier_fault is not None:
            self._say(f"model {model.key[:8]} is in order again")


_TRAIN = "train a model with `dvc repro`, or name its folder"
_MISSING = {
    METADATA_FILE: _TRAIN,
    WEIGHTS_FILE: _TRAIN,
    DECISION_FILE: "run `decide`, or start the server again to serve the model without",
}
