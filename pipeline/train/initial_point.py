"""The initial point: the seed's weights, 0, or an earlier model, whose columns are matched by their names.

An earlier model is a function of raw values, and the start is that function: where the columns are standardised
otherwise than they were, its weights are scaled along. With z = (x - s) / c now and (x - s') / c' then,
w'(x - s') / c' = (w' c / c') z + w' (s - s') / c'. Columns that the earlier model lacks start at 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline import model
from pipeline.arithmetic import sums
from pipeline.dataset.encoder import Encoder
from pipeline.errors import UserError, listed
from pipeline.numerics.data.block import Parameters
from pipeline.output_files import METADATA_FILE, WEIGHTS_FILE
from pipeline.train.params import FIRST_ORDER, StartParams, TrainParams

_NAMED = 3


@dataclass(frozen=True)
class InitialPoint:
    """W and b to begin at, and what a person should know of them."""

    parameters: Parameters
    sentences: tuple[str, ...] = ()


def earlier(params: StartParams) -> model.Model | None:
    """The model that ``train.start`` names, None where it names none.

    Raises: UserError if there is none, if it is damaged, or if its key is not the one that the params ask for.
    """
    if params.model is None:
        return None
    folder = Path(params.model)
    if not (folder / METADATA_FILE).is_file():
        raise UserError(
            f"params.yaml: train.start.model: expected a folder with {METADATA_FILE} and {WEIGHTS_FILE}, got "
            f"{folder}, which has none; DVC takes models/ away before it trains, so start from a copy of it"
        )
    loaded = model.load(folder)
    if params.key != loaded.key:
        raise UserError(
            f"params.yaml: train.start.key: expected the key of the model in {folder}, got {params.key or 'null'}; "
            f"if that is the model to start from, set it: {loaded.key}"
        )
    return loaded


def of(encoder: Encoder, params: TrainParams, earlier: model.Model | None) -> InitialPoint:
    """The start of a training on rows that ``encoder`` encoded.

    Raises: UserError if the earlier model has other classes, or no column in common with these rows.
    """
    if earlier is not None:
        return _at_model(encoder, params, earlier)
    if params.solver in FIRST_ORDER:
        return InitialPoint(_at_seed(encoder, params))
    shape = (len(encoder.classes), len(encoder.features))
    return InitialPoint(Parameters(torch.zeros(shape, dtype=torch.float64), torch.zeros(shape[0], dtype=torch.float64)))


def can_start(encoder: Encoder, earlier: model.Model) -> bool:
    """Whether ``of`` takes the earlier model: it has the classes of these rows, and a column of theirs."""
    ours, theirs = ({(type(label), label) for label in labels} for labels in (encoder.classes, earlier.classes))
    return ours == theirs and not set(encoder.features).isdisjoint(earlier.features)


def _at_seed(encoder: Encoder, params: TrainParams) -> Parameters:
    """torch.nn.Linear's initial weights; b without an intercept, and unseen levels, start, and stay, at 0."""
    classes, columns = len(encoder.classes), len(encoder.features)
    generator, bound = torch.Generator().manual_seed(params.seed), 1 / math.sqrt(columns)
    weights = _uniform((classes, columns), bound, generator)
    bias = _uniform((classes,), bound, generator)
    weights[:, _unseen_columns(encoder)] = 0.0
    return Parameters(weights, bias * params.intercept)


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    """float32 numbers from [-bound, bound), as float64: those that torch draws where it fuses product and sum.

    It does so where the processor can, so its own draws are the processor's. Here the product and the sum are exact in
    float64, since a draw from [0, 1) and the width have 24 bits each, and the sum is rounded once, to float32.
    """
    lowest = torch.tensor(-bound, dtype=torch.float32)
    width = -lowest - lowest
    draws = torch.rand(shape, dtype=torch.float32, generator=generator)
    return (draws.double() * width.double() + lowest.double()).float().double()


def _unseen_columns(encoder: Encoder) -> list[int]:
    """The last level of each category, <unseen>: no training row carries it."""
    ends = np.cumsum([encoder.number_count, *encoder.level_counts])[1:]
    return [int(end) - 1 for end in ends]


def _at_model(encoder: Encoder, params: TrainParams, earlier: model.Model) -> InitialPoint:
    _refuse_other_classes(encoder, earlier)
    theirs = {name: column for column, name in enumerate(earlier.features)}
    known = [column for column, name in enumerate(encoder.features) if name in theirs]
    if not known:
        raise UserError(
            f"params.yaml: train.start.model: expected a model with columns of this data, such as "
            f"{listed(encoder.features, _NAMED)}, got one with {listed(earlier.features, _NAMED)}"
        )
    order = [earlier.classes.index(label) for label in encoder.classes]
    columns = [theirs[encoder.features[column]] for column in known]
    scales, shifts = _changes(encoder, earlier.encoder)
    common = earlier.weights[np.ix_(order, columns)]
    weights = np.zeros((len(encoder.classes), len(encoder.features)))
    weights[:, known] = common * scales[known]
    weights[:, _unseen_columns(encoder)] = 0.0
    bias = (earlier.bias[order] + sums.halving_sum(common * shifts[known], 1)) * params.intercept
    parameters = Parameters(torch.from_numpy(weights), torch.from_numpy(bias))
    return InitialPoint(parameters, (_sentence(encoder.features, earlier),))


def _refuse_other_classes(encoder: Encoder, earlier: model.Model) -> None:
    # By their JSON type too: the class 1 is not the class "1".
    ours, theirs = (tuple((type(label), label) for label in labels) for labels in (encoder.classes, earlier.classes))
    added = [str(label) for kind, label in ours if (kind, label) not in theirs]
    gone = [str(label) for kind, label in theirs if (kind, label) not in ours]
    if added or gone:
        differences = [
            f"{word} {listed(names, _NAMED)}" for word, names in (("lacks", added), ("has also", gone)) if names
        ]
        raise UserError(
            f"params.yaml: train.start.model: expected a model of the classes of this data, got one that "
            f"{' and '.join(differences)}; set train.start.model and train.start.key to null"
        )


def _changes(encoder: Encoder, before: Encoder) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """c / c' and (s - s') / c' of each column, (d,): 1 and 0 but for numbers standardised otherwise than before."""
    numbers = {column.name: column for column in before.numbers}
    scales, shifts = np.ones(len(encoder.features)), np.zeros(len(encoder.features))
    for position, column in enumerate(encoder.numbers):
        old = numbers.get(column.name, column)
        scales[position] = column.scale / old.scale
        shifts[position] = (column.shift - old.shift) / old.scale
    return scales, shifts


def _sentence(features: Sequence[str], earlier: model.Model) -> str:
    ours, theirs = set(features), set(earlier.features)
    added = [name for name in features if name not in theirs]
    gone = [name for name in earlier.features if name not in ours]
    text = f"starts at model {earlier.key[:8]}"
    if added:
        text += f"; new columns start at 0: {listed(added, _NAMED)}"
    if gone:
        text += f"; of no use any more: {listed(gone, _NAMED)}"
    return text
