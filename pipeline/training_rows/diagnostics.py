"""Diagnostics of the training rows, in sentences that name class and column as the person knows them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline import screen
from pipeline.errors import listed
from pipeline.numerics.data import reduction
from pipeline.numerics.data.block import Block, local_blocks, row_counts
from pipeline.numerics.diagnostics import collinear_categories, collinearity, separable_columns, separation
from pipeline.numerics.diagnostics.separable_columns import RowArrays
from pipeline.training_rows.rows import TrainingRows

_NAMED = 3
_ONE_OF_MANY = (
    "columns depend on each other or on b, so that without a penalty many W have the same probabilities; "
    "a train.l2 of 1e-6 takes nearly the one of least norm"
)
_CURE = "W grows for ever without a penalty, set train.l2 above 0"


@dataclass(frozen=True)
class Diagnostics:
    """``sentences`` for the model's result.

    Without a penalty there is no optimum where classes are ``separable``, and not one W alone where columns are
    ``dependent``: then a combination of them and of b is 0 in every row.
    """

    sentences: tuple[str, ...]
    separable: bool
    dependent: bool = False


def find(data: TrainingRows, penalty: float, intercept: bool, threads: int) -> Diagnostics:
    """Look at the rows of positive weight; ``penalty`` is that on W, of either kind, in all."""
    with screen.bar("looking for columns that follow from others"):
        return _find(data, penalty, intercept, threads)


def _find(data: TrainingRows, penalty: float, intercept: bool, threads: int) -> Diagnostics:
    rows, features, classes = reduction.counted(data.blocks), data.features, data.labels
    separable = [] if penalty else _separable(rows, len(features), len(classes), intercept)
    columns, shared = _of_columns(rows, features, threads), _of_categories(rows, features)
    categories = rows[0].codes.shape[1]
    sentences = [*_of_classes(rows, classes, intercept), *columns, *shared]
    if separable:
        pairs = [f"class {classes[one.label]} by {features[one.column]}" for one in separable]
        sentences.append(f"told apart without error: {listed(pairs, _NAMED, str)}; {_CURE}")
    # The levels of a category add up to 1, as b does; numbers follow from others and a constant, which is b.
    dependent = bool(shared) or categories > 1 or (intercept and bool(categories or columns))
    return Diagnostics(tuple(sentences), bool(separable), dependent)


def _separable(
    blocks: Sequence[Block], columns: int, classes: int, intercept: bool
) -> list[separable_columns.Separable]:
    mine = (RowArrays(b.numbers.numpy(), b.codes.numpy(), b.labels.numpy()) for b in local_blocks(blocks))
    return separable_columns.separable_classes(mine, blocks[0].numbers.shape[1], columns, classes, intercept)


def _of_classes(blocks: Sequence[Block], classes: Sequence[object], intercept: bool) -> list[str]:
    rows = collinearity.rows_of_classes(blocks, len(classes)).tolist()
    empty = [str(label) for label, count in zip(classes, rows, strict=True) if count == 0]
    single = [str(label) for label, count in zip(classes, rows, strict=True) if count == 1]
    sentences = []
    if empty:
        then = (
            "its probability is 0 but for e^-60" if intercept else "without an intercept its probability stays above 0"
        )
        sentences.append(f"no training row counts for class {listed(empty, _NAMED, str)}: {then}")
    if single:
        sentences.append(
            f"one training row only for class {listed(single, _NAMED, str)}: what is learnt of it rests on that row"
        )
    return sentences


def _of_columns(blocks: Sequence[Block], features: Sequence[str], threads: int) -> list[str]:
    sentences = []
    constant = [features[column] for column in collinearity.constant_columns(blocks)]
    if constant:
        sentences.append(
            f"the same in all training rows: {listed(constant, _NAMED, str)}; it tells nothing, leave it out"
        )
    for collinear in collinearity.collinear_columns(blocks, threads)[:_NAMED]:
        others = listed([features[column] for column in collinear.of], _NAMED, str)
        sentences.append(f"column {features[collinear.column]} follows from {others}: they share its weight in W")
    return sentences


def _of_categories(blocks: Sequence[Block], features: Sequence[str]) -> list[str]:
    collinear = collinear_categories.find(blocks)
    relations = [
        f"column {features[number]} follows from category {_category(features[c])}" for number, c in collinear.numbers
    ]
    for one, other, both in collinear.categories:
        if both:
            relations.append(f"categories {_category(features[one])} and {_category(features[other])} group rows alike")
        else:
            relations.append(f"category {_category(features[one])} follows from category {_category(features[other])}")
    relations += [f"{features[one]} and {features[other]} are the same rows" for one, other in collinear.levels]
    sentences = [f"{sentence}: they share their weights in W" for sentence in relations[:_NAMED]]
    return sentences + ([f"and {len(relations) - _NAMED} more such columns"] if len(relations) > _NAMED else [])


def _category(level: str) -> str:
    """The category of a column of W, which is named category=level."""
    return level.partition("=")[0]


def separating_combinations(data: TrainingRows, intercept: bool) -> list[str]:
    """Combinations of columns that tell classes apart without error, in sentences, of a table that is small enough."""
    diagnosed = with_separation(Diagnostics((), separable=False), data, intercept)
    return [sentence.removesuffix(f"; {_CURE}") for sentence in diagnosed.sentences] if diagnosed.separable else []


def of_optimum(known: Diagnostics, data: TrainingRows, intercept: bool) -> Diagnostics:
    """``known``, and whether a training without a penalty has an optimum, and if so which of many it ends at."""
    diagnosed = with_separation(known, data, intercept)
    if diagnosed.separable or not diagnosed.dependent:
        return diagnosed
    return replace(diagnosed, sentences=(*diagnosed.sentences, _ONE_OF_MANY))


def with_separation(known: Diagnostics, data: TrainingRows, intercept: bool) -> Diagnostics:
    """``known``, and what combinations of columns tell classes apart, for a training without a penalty.

    First each class from the rest, since that is said in few words, then any classes from any others.
    """
    counted, columns = reduction.counted(data.blocks), len(data.features)
    rows, labels = sum(row_counts(counted)), collinearity.competing(counted, data.classes, intercept)
    if known.separable or len(labels) < 2:
        return known
    if rows * columns > separation.LARGEST_TABLE or columns + 1 > separation.LARGEST_RULE:
        sentence = f"too many rows ({rows}) and columns ({columns}) to look for columns that tell classes apart"
        return replace(known, sentences=(*known.sentences, sentence))
    x, y = collinearity.table(counted, columns)
    sentences = []
    for label in labels[:1] if len(labels) == 2 else labels:
        rule = separation.separating(x, (y == label).astype(np.int64), 2, intercept)
        if rule is not None:
            sentences.append(_of_rule(rule, f"class {data.labels[label]} from the rest", data.features))
    if not sentences and len(labels) > 2 and len(labels) * (columns + 1) <= separation.LARGEST_RULE:
        rule = separation.separating(x, np.searchsorted(labels, y), len(labels), intercept)
        if rule is not None:
            pairs = [f"class {data.labels[labels[a]]} from {data.labels[labels[b]]}" for a, b in rule.pairs]
            sentences.append(_of_rule(rule, listed(pairs, _NAMED, str), data.features))
    return replace(known, sentences=(*known.sentences, *sentences), separable=bool(sentences))


def _of_rule(rule: separation.Rule, classes: str, features: Sequence[str]) -> str:
    extent = "told apart without error" if rule.complete else "told apart without error in some rows"
    columns = listed([features[column] for column in rule.columns], _NAMED, str)
    return f"{extent}: {classes} by {columns} together; {_CURE}"
