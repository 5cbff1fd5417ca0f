"""A model's computation for one row, step by step: x, W x + b, softmax, the row's cost, and its gradient.

k is the number of classes, d the number of features, m the number of those that take part: all but the levels of
categories that the row does not have, whose x is 0.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from pipeline import model as models
from pipeline.arithmetic.elementary import exp
from pipeline.arithmetic.sums import halving_sum
from pipeline.commands import class_tables, model_table
from pipeline.commands.class_tables import ClassTables, number
from pipeline.dataset.columns import Chunk, Class, class_text
from pipeline.dataset.encoder import Encoder, NumberColumn, Numbers
from pipeline.errors import UserError, short_name, shortened
from pipeline.output_files import METADATA_FILE
from pipeline.predictor.column_types import require_column_types
from pipeline.scoring import decision as decisions
from pipeline.scoring import probabilities
from pipeline.scoring.logits import compute_logits
from pipeline.scoring.scaling import Scaling, log_probabilities
from pipeline.table import header, locate, stream
from pipeline.table.sources import Source

_NO_VALUE = "missing"

# Whole numbers from here on are no easier to read than with an exponent.
_LONG = 1e12


@dataclass(frozen=True)
class _Inputs:
    """The columns of W that take part: their indices (m,), what the table has there, and x (m,)."""

    features: list[int]
    cells: list[str]
    x: NDArray[np.float64]


def main(*, row: int, source: str | None, model: Path, digits: int) -> None:
    """Print the computation for data row ``row``, from 1, of the table at ``source``; None is prepare.source.

    Without a label the steps from the cost on are left out.
    Raises: UserError if model or table cannot be used, or the table has no such row.
    """
    # Read: the model and the row, and what training would make of it.
    trained = models.load(model)
    decision = decisions.load(model, trained)
    encoder = trained.encoder
    require_column_types(encoder, model / METADATA_FILE)
    with model_table.opened(source) as table:
        place = f"Row {row:,} of {shortened(table)}"
        chunk = _row(encoder, table, row)
    encoded = encoder.encode(chunk)
    inputs = _inputs(encoder, chunk, encoded.numbers[0], encoded.codes[0])
    label = _cell(chunk, encoder.target) if encoder.target in chunk.texts else None
    actual = None if label is None else _class_index(label, encoder.classes)
    # Compute: logits as everywhere, and each step on the way to the gradient.
    logits = compute_logits(trained, encoded.numbers, encoded.codes)
    probability = probabilities.softmax(logits)[0]
    products = trained.weights[:, inputs.features] * inputs.x
    one_hot = np.zeros(len(probability))
    one_hot[[] if actual is None else [actual]] = 1
    gradient = np.outer(probability - one_hot, inputs.x)
    # Choose: classes and columns that fit the screen, the row's own class among them.
    tables = class_tables.choose(
        classes=[class_text(name) for name in encoder.classes],
        columns=[encoder.features[feature] for feature in inputs.features],
        further=["b", "logit"],
        class_sizes=probability + 2 * one_hot,
        column_sizes=np.abs(products).max(axis=0),
        largest=max(float(np.abs(numbers).max(initial=0)) for numbers in (products, gradient, trained.bias, logits)),
        digits=digits,
    )
    # Print: the steps, then what is left out.
    console = class_tables.console()
    target = short_name(encoder.target)
    label_there = f"no {target} there" if label is None else f"{target} is {short_name(label)}"
    console.print(f"{place}: {label_there}\n", soft_wrap=True)  # a path is not broken
    _print_inputs(console, encoder, inputs, tables)
    _print_logits(console, tables, products, trained.bias, logits[0])
    _print_softmax(console, tables, logits, probability)
    if decision.scaling is not None:
        _print_scaling(console, tables, decision.scaling, logits)
    if actual is not None:
        _print_cost(console, tables, logits, one_hot, actual)
        console.print("The cost's gradient: (p - one-hot) times x for W, p - one-hot for b")
        console.print(tables.table(gradient, {"b": probability - one_hot}))
    elif label is not None:
        console.print("The model has no such class, so the row has no cost and no gradient.")
    for sentence in _omissions(encoder, inputs, tables):
        console.print(sentence)


def _row(encoder: Encoder, table: Source, row: int) -> Chunk:
    """The row alone, with the target if the table has it. Raises: UserError if the table ends before."""
    types = dict(encoder.types)
    if encoder.target in header.column_names(table):
        types[encoder.target] = "text"
    rows = 0
    for chunk in stream.read(table, types, encoder.missing_values):
        rows += chunk.rows
        if row <= rows:
            one = chunk.where(np.arange(chunk.first_row, rows + 1) == row)
            return replace(one, first_row=row)
    there = f"a row from 1 to {rows:,}" if rows else "a table with rows"
    raise UserError(f"{shortened(table)}: expected {there}, got {f'row {row:,}' if rows else 'only a header line'}")


def _cell(chunk: Chunk, column: str) -> str | None:
    """The text of the one row, None where it has no value."""
    code = int(chunk.texts[column].codes[0])
    return None if code < 0 else chunk.texts[column].levels[code]


def _class_index(label: str, classes: Sequence[Class]) -> int | None:
    """The class of a cell of the target; integers and booleans may be spelled otherwise there, as 2.0 or TRUE."""
    if isinstance(classes[0], bool):
        label = label.lower()
    elif isinstance(classes[0], int) and locate.is_number(label):
        number = float(label)
        label = str(int(number)) if abs(number) < 2**53 and number.is_integer() else label.strip()
    names = [class_text(name) for name in classes]
    return names.index(label) if label in names else None


def _inputs(encoder: Encoder, chunk: Chunk, numbers: Numbers, codes: NDArray[np.integer[Any]]) -> _Inputs:
    """The columns that take part of a row encoded as numbers (p,) and codes (c,)."""
    cells = [_number_cell(column, chunk.numbers[column.name][0]) for column in encoder.numbers]
    cells += [""] * len(encoder.indicators)
    features, first = list(range(encoder.number_count)), encoder.number_count
    for category, code, levels in zip(encoder.categories, codes.tolist(), encoder.level_counts, strict=True):
        features.append(first + code)
        cells.append(class_tables.name(_cell(chunk, category.name) or _NO_VALUE))
        first += levels
    return _Inputs(features, cells, np.concatenate([numbers.astype(np.float64), np.ones(len(codes))]))


def _number_cell(column: NumberColumn, value: float) -> str:
    if np.isnan(value):
        return _NO_VALUE
    return class_text(bool(value)) if column.kind == "boolean" else repr(float(value)).removesuffix(".0")


def _print_inputs(console: Console, encoder: Encoder, inputs: _Inputs, tables: ClassTables) -> None:
    rows = [
        (name, inputs.cells[place], _input(float(inputs.x[place]), tables.digits))
        for place, name in tables.columns.items()
    ]
    is_encoded = any(cell != x for _, cell, x in rows)
    scaled = any((column.shift, column.scale) != (0, 1) for column in encoder.numbers)
    console.print("x" + (": of numbers (value - mean) / deviation, as the training rows have them" if scaled else ""))
    table = class_tables.plain_table(["column", "value", "x"] if is_encoded else ["column", "x"])
    for name, cell, x in rows:
        table.add_row(*((name, cell, x) if is_encoded else (name, x)))
    console.print(table)
    console.print()


def _input(value: float, digits: int) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < _LONG else number(value, digits)


def _print_logits(
    console: Console,
    tables: ClassTables,
    products: NDArray[np.float64],
    bias: NDArray[np.float64],
    logits: NDArray[np.float64],
) -> None:
    hidden = [place for place in range(products.shape[1]) if place not in tables.columns]
    others = {"others": products[:, hidden].sum(axis=1)} if hidden else {}
    console.print("W x + b: each weight times its x, and b, add up to the logit")
    console.print(tables.table(products, {**others, "b": bias, "logit": logits}))
    console.print()


def _print_softmax(
    console: Console, tables: ClassTables, logits: NDArray[np.float64], probability: NDArray[np.float64]
) -> None:
    """The probabilities (k,) of logits (1, k)."""
    shifted = logits[0] - logits.max()
    exponentials = exp(shifted)
    digits = tables.digits
    console.print("softmax: exp over its sum; first less the largest logit, which keeps exp small and p the same")
    table = class_tables.plain_table(["class", "logit", "- largest", "exp", "p", "rank"])
    ranks = probabilities.ranks(logits)[0]
    for place, name in tables.classes.items():
        numbers = (logits[0, place], shifted[place], exponentials[place], probability[place])
        table.add_row(name, *(number(value, digits) for value in numbers), str(ranks[place]))
    table.add_section()
    is_whole = len(tables.classes) == len(probability)
    table.add_row(
        "sum" if is_whole else f"sum of all {len(probability):,}",
        "",
        "",
        number(float(halving_sum(exponentials, axis=0)), digits),
        number(probability.sum(), digits),
        "",
    )
    console.print(table)
    printed = sum(Decimal(number(value, digits)) for value in probability)
    if printed != 1 and is_whole:
        console.print(f"As printed the p add up to {printed}, since each is rounded by itself; unrounded, to 1.")
    console.print()


def _print_scaling(console: Console, tables: ClassTables, scaling: Scaling, logits: NDArray[np.float64]) -> None:
    """From the model's logits (1, k) to the probabilities that `predict` and `evaluate` show."""
    log_p = log_probabilities(logits)
    scaled = scaling.of_log_probabilities(log_p)
    factor = number(float(scaling.weights), tables.digits) if scaling.method == "temperature" else ""
    formula = {"temperature": f"{factor} log p", "vector": "w log p + b", "matrix": "W log p + b"}[scaling.method]
    console.print(f"Scaling by {scaling.method}, as `decide` fitted it: softmax of {formula}")
    table = class_tables.plain_table(["class", "log p", "scaled", "p", "rank"])
    ranks = probabilities.ranks(scaled)[0]
    columns = log_p[0], scaled[0], probabilities.softmax(scaled)[0]
    for place, name in tables.classes.items():
        table.add_row(name, *(number(column[place], tables.digits) for column in columns), str(ranks[place]))
    console.print(table)
    console.print("The cost and its gradient below are the training's, of p before scaling.\n")


def _print_cost(
    console: Console, tables: ClassTables, logits: NDArray[np.float64], one_hot: NDArray[np.float64], actual: int
) -> None:
    """The cross-entropy of logits (1, k) against the class ``actual``."""
    log_p = probabilities.log_softmax(logits)[0]
    products = one_hot * log_p
    console.print("Cost: one-hot times log p, added up, with the sign changed")
    table = class_tables.plain_table(["class", "one-hot", "log p", "product"])
    for place, name in tables.classes.items():
        cells = (number(value, tables.digits) for value in (log_p[place], products[place]))
        table.add_row(name, f"{one_hot[place]:.0f}", *cells)
    table.add_section()
    table.add_row("sum", "", "", number(products.sum(), tables.digits))
    console.print(table)
    console.print(
        f"cost {number(-log_p[actual], tables.digits)} nats, as torch.nn.functional.cross_entropy computes it\n"
    )


def _omissions(encoder: Encoder, inputs: _Inputs, tables: ClassTables) -> Iterator[str]:
    absent = len(encoder.features) - len(inputs.features)
    if absent:
        yield f"Not shown: {absent:,} levels that the row does not have; their x is 0."
    yield from tables.omissions(columns="the largest W x", classes="the most probable")
