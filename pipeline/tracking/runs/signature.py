"""What MLflow is told of a model's input and output: columns with their types, and an example that shows nobody."""

from datetime import datetime
from typing import Any

import numpy as np
from mlflow.models import ModelSignature
from mlflow.types.schema import AnyType, ColSpec, ParamSchema, ParamSpec, Schema

from pipeline.dataset import columns
from pipeline.dataset.columns import ColumnType
from pipeline.dataset.encoder import RESERVED, Encoder, NumberColumn
from pipeline.predictor import output_columns
from pipeline.predictor.scorer import Scorer
from pipeline.predictor.values import ValueReader
from pipeline.scoring.predictions import Block
from pipeline.table.dates import format_of

# The groups of columns that a model in MLflow has, which has no inference fit.
GROUPS = tuple(group for group in output_columns.GROUPS if group not in output_columns.INTERVALS)

# Of more columns MLflow's checks and its file take longer than predicting does, and nobody reads them.
MOST_COLUMNS = 1000

# Parts of a date: what stands where a column has none, and between what a mean is cut so that there is such a day.
_PARTS = {"year": (2000, 1000, 9999), "month": (1, 1, 12), "day": (1, 1, 28), "hour": (0, 0, 23), "minute": (0, 0, 59)}


def signature(scorer: Scorer) -> ModelSignature:
    """The columns of input and output by name; of more than ``MOST_COLUMNS`` none.

    A column of the input is of any type to MLflow, and what it is read as stands in the model's metadata. For MLflow
    changes values without a word, or refuses them, where it is told a type: whole numbers in a frame are no doubles to
    it, null is false in a request's booleans and the text "None" in its strings, 3 beside null is "3.0", and what
    pandas knows of categories and dates is no string. Here each of them is what it would be as a cell of a CSV.
    """
    encoder = scorer.model.encoder
    any_type: Any = AnyType  # it has no types
    inputs: list[Any] = [ColSpec(any_type(), name) for name in encoder.types]
    values = ValueReader(encoder).chunk_of({name: [value] for name, value in example(encoder).items()})
    block = output_columns.block(scorer.score(values), scorer.model.classes)
    outputs: list[Any] = [ColSpec(_output_type(block, name), name) for name in block]
    return ModelSignature(
        inputs=Schema(inputs) if 0 < len(inputs) <= MOST_COLUMNS else None,
        outputs=Schema(outputs) if len(outputs) <= MOST_COLUMNS else None,
        params=ParamSchema([ParamSpec("columns", "string", [*GROUPS], (-1,))]),
    )


def column_types(encoder: Encoder) -> dict[str, ColumnType]:
    """What each column of the input is read as: number, boolean, date or text; of more than ``MOST_COLUMNS`` none."""
    return encoder.types if len(encoder.types) <= MOST_COLUMNS else {}


def example(encoder: Encoder) -> dict[str, Any]:
    """A row that no table need hold, by column: means of the training rows, and the first level of each category."""
    dated: dict[str, dict[str, NumberColumn]] = {}
    row: dict[str, Any] = {}
    for number in encoder.numbers:
        if columns.is_date(number.kind):
            dated.setdefault(number.column, {})[number.name.rpartition(" ")[2]] = number
        row[number.column] = number.mean >= 0.5 if number.kind == "boolean" else number.mean
    row |= {name: _date(parts) for name, parts in dated.items()}
    for category in encoder.categories:
        row[category.name] = next((level for level in category.levels if level not in RESERVED), None)
    return {name: row[name] for name in encoder.types}


def _date(parts: dict[str, NumberColumn]) -> str:
    """The date of the parts' means, in the column's own format."""
    moment = [
        min(max(round(parts[name].mean), least), most) if name in parts else usual
        for name, (usual, least, most) in _PARTS.items()
    ]
    date = datetime(*moment)  # type: ignore[arg-type]  # five numbers, not eight of which one is a time zone
    form = format_of(next(iter(parts.values())).kind)
    return date.date().isoformat() if form is None else date.strftime(form)


def _output_type(block: Block, name: str) -> str:
    kinds = {np.dtype(object): "string", np.dtype(np.int64): "long", np.dtype(np.float64): "double"}
    return kinds[np.asarray(block[name]).dtype]
