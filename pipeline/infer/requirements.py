"""What rows must have for a table of coefficients: overlapping classes, and a covariance that memory holds."""

from collections.abc import Sequence

from torch import Tensor

from pipeline.dataset.encoder import Encoder
from pipeline.errors import listed
from pipeline.infer.params import InferParams
from pipeline.infer.refusal import RefusalError
from pipeline.infer.terms import Term
from pipeline.model import Model
from pipeline.numerics.data.block import Block
from pipeline.training_rows import diagnostics
from pipeline.training_rows.rows import TrainingRows

_MOST_BYTES = 1 << 28  # of the covariance


def require_classes(model: Model, counts: Tensor) -> None:
    """Check that there are two classes or more, and rows of each; ``counts`` (k,). Raises: RefusalError."""
    empty = [str(label) for label, count in zip(model.classes, counts.tolist(), strict=True) if not count]
    if len(model.classes) < 2:
        raise RefusalError("one class only: there is nothing to compare it with")
    if empty:
        raise RefusalError(f"no training row counts for class {listed(empty, 3, str)}: its coefficients are infinite")


def require_memory(size: int, params: InferParams) -> None:
    """Check that the covariance of ``size`` coefficients is not too large. Raises: RefusalError."""
    if 8 * size * size > _MOST_BYTES:
        raise RefusalError(
            f"the covariance of {size:,} coefficients takes {8 * size * size >> 20:,} MiB, more than "
            f"{_MOST_BYTES >> 20}; {'name fewer columns in' if params.columns != 'all' else 'name columns in'} "
            "infer.columns"
        )


def most_coefficients(encoder: Encoder, terms: Sequence[Term], intercept: bool, penalised: bool) -> int:
    """How many there are, unless columns follow from others or levels have no row."""
    columns = int(intercept) + sum(len(term.rows) for term in terms)
    categories = sum(term.category is not None for term in terms)
    columns -= categories  # of UNSEEN
    if penalised:
        return len(encoder.classes) * columns
    return (len(encoder.classes) - 1) * (columns - (categories if intercept else max(0, categories - 1)))


def require_overlap(blocks: Sequence[Block], encoder: Encoder, terms: Sequence[Term], intercept: bool) -> None:
    """Check that nothing tells classes apart without error. Raises: RefusalError that names class and column."""
    data = TrainingRows(blocks, encoder.level_counts, encoder.features, encoder.classes)
    found = diagnostics.separation_of(data, [row for term in terms for row in term.rows], intercept)
    if found:
        raise RefusalError(
            f"{found[0]}; an estimate without penalty is infinite, so there is no standard error: set infer.firth to "
            "true, or leave the column out by infer.columns"
        )
