"""What is odd about the training rows, in sentences that name class and column as the person knows them."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.numerics import degenerate
from pipeline.numerics.softmax import Block

_NAMED = 3


@dataclass(frozen=True)
class Findings:
    """``sentences`` for the model's result; ``apart``: without a penalty there is no optimum."""

    sentences: tuple[str, ...]
    apart: bool


def find(
    blocks: Sequence[Block], features: Sequence[str], classes: Sequence[object], l2: float, threads: int
) -> Findings:
    """Look at the rows; ``features`` are the d columns of W, ``classes`` the k labels."""
    apart = [] if l2 else degenerate.classes_apart(blocks, len(features), len(classes))
    sentences = [
        *_of_classes(blocks, classes),
        *_of_columns(blocks, features, threads),
        *_of_separation(apart, features, classes),
    ]
    return Findings(tuple(sentences), bool(apart))


def _of_classes(blocks: Sequence[Block], classes: Sequence[object]) -> list[str]:
    rows = degenerate.rows_of_classes(blocks, len(classes)).tolist()
    empty = [str(label) for label, count in zip(classes, rows, strict=True) if count == 0]
    single = [str(label) for label, count in zip(classes, rows, strict=True) if count == 1]
    sentences = []
    if empty:
        sentences.append(f"no training row counts for class {_list(empty)}: its probability is 0 but for e^-60")
    if single:
        sentences.append(f"one training row only for class {_list(single)}: what is learnt of it rests on that row")
    return sentences


def _of_columns(blocks: Sequence[Block], features: Sequence[str], threads: int) -> list[str]:
    sentences = []
    constant = [features[column] for column in degenerate.constant_columns(blocks)]
    if constant:
        sentences.append(f"the same in all training rows: {_list(constant)}; it tells nothing, leave it out")
    for found in degenerate.collinear_columns(blocks, threads)[:_NAMED]:
        others = _list([features[column] for column in found.of])
        sentences.append(f"column {features[found.column]} follows from {others}: they share its weight in W")
    return sentences


def _of_separation(apart: Sequence[degenerate.Apart], features: Sequence[str], classes: Sequence[object]) -> list[str]:
    if not apart:
        return []
    pairs = _list([f"class {classes[found.label]} by {features[found.column]}" for found in apart])
    return [f"told apart without error: {pairs}; W grows for ever without a penalty, set train.l2 above 0"]


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"
