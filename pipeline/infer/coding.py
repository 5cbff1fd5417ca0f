"""Reference or full coding: which entries of theta a fit is free in, and the trained model in these."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.dataset.encoder import Encoder
from pipeline.infer.numerics import design as designs
from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.rows import InferenceRows
from pipeline.infer.params import InferParams
from pipeline.infer.terms import Term, base_row


def full_design(rows: InferenceRows, gram: Tensor, terms: Sequence[Term]) -> Design:
    """Every row of theta in which a row counts."""
    used = set(designs.used(rows, gram).tolist())
    columns = sorted(row for term in terms for row in term.rows if row in used)
    return designs.full(rows, torch.tensor(columns + [rows.columns] * rows.intercept))


def reference_design(
    rows: InferenceRows,
    gram: Tensor,
    terms: Sequence[Term],
    encoder: Encoder,
    params: InferParams,
    reference: int,
) -> tuple[Design, dict[int, int], list[int]]:
    """The free entries, the base level's row of each category, and the rows of theta that follow from others."""
    used = set(designs.used(rows, gram).tolist())
    bases: dict[int, int] = {}
    candidates: list[int] = []
    for term in terms:
        own = [row for row in term.rows if row in used or term.category is None]  # of a level without rows nobody asks
        if term.category is not None and (rows.intercept or _has_category_before(terms, term)):
            bases[term.category] = base_row(encoder, term, params.base_levels or {}, own)
            own.remove(bases[term.category])
        candidates += own
    independent, left_out = designs.independent(gram, candidates, rows.intercept)
    free = sorted(independent) + [rows.columns] * rows.intercept
    labels = [label for label in range(rows.classes) if label != reference]
    return Design(torch.tensor(free), torch.tensor(labels), (rows.columns + 1, rows.classes)), bases, left_out


def _has_category_before(terms: Sequence[Term], term: Term) -> bool:
    """Without an intercept the levels of the first category stand in its place."""
    return any(other.category is not None for other in terms[: terms.index(term)])


def in_reference_coding(trained: Tensor, rows: InferenceRows, bases: dict[int, int], reference: int) -> Tensor:
    """The trained theta of z, 0 at base levels and in the reference class; its logits differ by what is common."""
    coded = trained.clone()
    for category, base in bases.items():
        first = rows.numbers + rows.first_level_rows[category]
        of_base = coded[base].clone()
        coded[first : first + rows.levels[category]] -= of_base
        coded[-1] += of_base
    return coded - coded[:, reference : reference + 1]
