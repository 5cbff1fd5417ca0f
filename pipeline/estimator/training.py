"""A table through the parts of the stages prepare and train, in a folder of its own, without DVC."""

import math
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.dataset import reader
from pipeline.errors import UserError
from pipeline.model import Model
from pipeline.prepare.column_roles import roles_of
from pipeline.prepare.params import PrepareParams
from pipeline.prepare.survey_source import learn
from pipeline.prepare.write_dataset import write
from pipeline.table import find_source
from pipeline.table.arrow_file import ArrowFile
from pipeline.table.sources import Source
from pipeline.train.class_weights import class_weights
from pipeline.train.fit import fit
from pipeline.train.params import TrainParams
from pipeline.training_rows.class_totals import class_totals

_PREPARED = "prepared"


class TrainingFolder:
    """A temporary folder with the prepared rows of a fit; it is gone when nobody holds it any more."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="softmax-"))
        # Not TemporaryDirectory, which warns of what is meant here: nobody says when an estimator is done with.
        weakref.finalize(self, _remove, self._folder, os.getpid())

    @property
    def prepared(self) -> Path:
        """The dataset in it."""
        return self._folder / _PREPARED

    def prepare(self, table: Any, params: PrepareParams, name: str) -> reader.Dataset:
        """Prepare an Arrow table, which messages call ``name``."""
        return self._prepare(Source(name, (ArrowFile(name, table=table),)), params)

    def prepare_file(self, params: PrepareParams) -> reader.Dataset:
        """Prepare the source of the params, in flat memory."""
        return self._prepare(find_source.find(params.source, params.files, params.separator, params.encoding), params)

    def _prepare(self, source: Source, params: PrepareParams) -> reader.Dataset:
        roles = roles_of(params, source)
        self.prepared.mkdir()
        write(params, source, roles, learn(params, source, roles), self.prepared)
        return reader.open_dataset(self.prepared)


def _remove(folder: Path, owner: int) -> None:
    # A process that was forked of the owner has the same object, and the owner still needs the rows.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def train(dataset: reader.Dataset, params: TrainParams, earlier: Model | None) -> Model:
    """The model of ``params``, started at an earlier one if given."""
    model, _ = fit(dataset, params, lambda _: None, earlier)
    return model


def penalties(dataset: reader.Dataset, params: TrainParams, C: float, l1_ratio: float) -> dict[str, float]:
    """train.l1 and train.l2 of scikit-learn's C and l1_ratio, which depend on the weight of all rows.

    Of two classes it penalises the difference of their weights, whose square is twice theirs together.
    """
    weights = class_weights(params, dataset)
    total = math.fsum(class_totals(dataset) * (1.0 if weights is None else weights))
    strength = 0.0 if math.isinf(C) else 1 / (C * total)
    both = 2 if len(dataset.encoder.classes) == 2 else 1
    return {"l1": l1_ratio * strength, "l2": both * (1 - l1_ratio) * strength}


# What sentences call params, and the estimator's parameters that they are.
_PARAMETERS = {
    "set train.l2 above 0, for instance 1e-6": "set C to a finite number",
    "params.yaml: ": "",
    "train.tolerance": "tol",
    "train.epochs": "max_iter",
    "train.solver": "solver",
    "train.class_weight": "class_weight",
    "train.device": "device",
    "prepare.standardise": "standardise",
    "prepare.dtype": "dtype",
    "prepare.categories": "categories",
}


def by_parameters(sentence: str) -> str:
    """The sentence with the estimator's names in place of those of params, as far as it has such."""
    for param, parameter in _PARAMETERS.items():
        sentence = sentence.replace(param, parameter)
    return sentence


@contextmanager
def as_value_error(by_params: bool = False) -> Iterator[None]:
    """A mistake in an input as scikit-learn's users expect one; ``by_params``: they have given sections of params."""
    try:
        yield
    except UserError as error:
        raise ValueError(str(error) if by_params else by_parameters(str(error))) from None
