"""Columns of the table and the rows of theta that each has: what is tested together, and what it is called.

theta is (d + 1, k): a row for each column of W, then b's. A column of the table is a term: a number with its indicator
of missing values, a date with its parts, a category with its levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.dataset.encoder import UNSEEN, Encoder
from pipeline.errors import UserError, listed, quoted

INTERCEPT = "(intercept)"


@dataclass(frozen=True)
class Term:
    """A column of the table; ``category`` is its position among the categories, None where it has numbers."""

    column: str
    rows: tuple[int, ...]
    category: int | None = None


def terms_of(encoder: Encoder) -> list[Term]:
    """The columns of the table, numbers first, in the order of W."""
    by_column: dict[str, list[int]] = {}
    for row, number in enumerate(encoder.numbers):
        by_column.setdefault(number.column, []).append(row)
    for row, number in enumerate(encoder.indicators, len(encoder.numbers)):
        by_column[number.column].append(row)
    terms = [Term(column, tuple(rows)) for column, rows in by_column.items()]
    first = encoder.number_count
    for position, category in enumerate(encoder.categories):
        last = first + len(category.levels)
        terms.append(Term(category.name, tuple(range(first, last)), position))
        first = last
    return terms


def chosen(terms: Sequence[Term], columns: Sequence[str] | str) -> list[Term]:
    """The terms that infer.columns names. Raises: UserError for a column that is no feature, or is named twice."""
    if columns == "all":
        return list(terms)
    names = [term.column for term in terms]
    for position, column in enumerate(columns):
        if column not in names:
            raise UserError(
                f"params.yaml: infer.columns: expected features of the model ({listed(names, 5)}), got {quoted(column)}"
            )
        if column in columns[:position]:
            raise UserError(f"params.yaml: infer.columns: expected each column once, got {quoted(column)} twice")
    return [term for term in terms if term.column in columns]


def level_of(encoder: Encoder, term: Term, row: int) -> str:
    """The level that a row of theta is of."""
    assert term.category is not None
    return encoder.categories[term.category].levels[row - term.rows[0]]


def base_row(encoder: Encoder, term: Term, base_levels: dict[str, str], used: Sequence[int]) -> int:
    """The row of theta of a category's base level: the one asked for, else the first of any row.

    Raises: UserError if the level asked for is none, or no row has it.
    """
    assert term.category is not None
    candidates = [row for row in term.rows if row in used]
    if (asked := base_levels.get(term.column)) is None:
        return candidates[0]
    levels = encoder.categories[term.category].levels
    row = term.rows[levels.index(asked)] if asked in levels and asked != UNSEEN else None
    if row not in candidates:
        known = listed([level_of(encoder, term, row) for row in candidates], 5)
        raise UserError(
            f"params.yaml: infer.base_levels: {quoted(term.column)}: expected a level of the training rows ({known}), "
            f"got {quoted(asked)}"
        )
    assert row is not None
    return row


def require_categories(terms: Sequence[Term], named: Sequence[str], param: str) -> None:
    """Check that these columns are categories of the model. Raises: UserError that names the param."""
    categories = [term.column for term in terms if term.category is not None]
    for column in named:
        if column not in categories:
            known = listed(categories, 5) or "it has none"
            raise UserError(
                f"params.yaml: infer.{param}: expected a category of the model ({known}), got {quoted(column)}"
            )


def unknown_cluster(features: Sequence[str], column: str) -> UserError:
    """The error of infer.cluster that names no column of the prepared data."""
    return UserError(
        f"params.yaml: infer.cluster: expected a feature ({listed(features, 5)}), prepare.split.key or one of "
        f"prepare.keep, got {quoted(column)}; name it in prepare.keep"
    )
