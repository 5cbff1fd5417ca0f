"""The types of a model's columns, as reading a table needs them."""

from pathlib import Path

from pipeline.dataset.encoder import Encoder
from pipeline.errors import UserError, quoted
from pipeline.table import type_rules


def require_column_types(encoder: Encoder, place: Path) -> None:
    """Check that a table's columns can be read as the model says, which training and evaluation need not know.

    Raises: UserError that names ``place``, the model's file.
    """
    for column, column_type in encoder.types.items():
        try:
            if column_type != "text":
                type_rules.require_type(column_type)
        except ValueError as error:
            remedy = "the file was edited; run `dvc repro`"
            raise UserError(f"{place}: column {quoted(column)}: expected {error}: {remedy}") from None
