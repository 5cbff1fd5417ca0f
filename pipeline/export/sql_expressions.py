"""The model's values as expressions of SQL, over columns that the query's stages name."""

from collections.abc import Sequence

from pipeline.dataset.columns import is_date, is_number
from pipeline.dataset.encoder import NumberColumn
from pipeline.export.columns import CategoryWeights
from pipeline.export.sql_syntax import bare_number, identifier, number, text, total
from pipeline.scoring.scaling import Scaling

# e^x is above 1e-305 here, and a quotient of it by 1,600 is a number of all digits.
_LEAST_EXPONENT = -700.0

# Times a number that float32 holds it would be too small for a double, and for any logit.
_LEAST_WEIGHT = 1e-250

_EXTRACTED: dict[str, str] = {
    "year": "EXTRACT(YEAR FROM {})",
    "month": "EXTRACT(MONTH FROM {})",
    "day": "EXTRACT(DAY FROM {})",
    "weekday": "EXTRACT(ISODOW FROM {}) - 1",
    "hour": "EXTRACT(HOUR FROM {})",
    "minute": "EXTRACT(MINUTE FROM {})",
}


def number_of(column: NumberColumn, missing: Sequence[float]) -> str:
    """The column's value as a double, NULL for none."""
    name = identifier(column.column)
    if is_date(column.kind):
        part = column.name.removeprefix(f"{column.column} ")
        return f"CAST({_EXTRACTED[part].format(f'CAST({name} AS TIMESTAMP)')} AS DOUBLE PRECISION)"
    if not is_number(column.kind):
        return (
            f"CASE WHEN CAST({name} AS BOOLEAN) THEN {number(1)} WHEN NOT CAST({name} AS BOOLEAN) THEN {number(0)} END"
        )
    value = f"CAST({name} AS DOUBLE PRECISION)"
    for gap in missing:
        value = f"NULLIF({value}, {number(gap)})"
    return value


def level_row(category: CategoryWeights, row: int) -> str:
    """A level and its weights, as a row of VALUES."""
    weights = category.weights[row].tolist()
    # The type of a column is that of its first row where the others could be of it.
    spelled = [number(weight) if row == 0 else bare_number(weight) for weight in weights]
    return f"({', '.join([text(category.levels[row]), *spelled])})"


def level_weight(place: int, category: CategoryWeights, label: int) -> str:
    """The weight for a class of the level that the text t has, c the table of levels that it was looked up in."""
    of_missing, of_others = number(category.of_missing[label]), number(category.of_others[label])
    known = f"COALESCE(c{place}.w{label}, {of_others})" if category.levels else of_others
    return f"CASE WHEN t{place} IS NULL THEN {of_missing} ELSE {known} END"


def exponential(exponent: str) -> str:
    """e to a number of at most 0, 0 where that is too small to matter."""
    return f"CASE WHEN {exponent} < {number(_LEAST_EXPONENT)} THEN {number(0)} ELSE EXP({exponent}) END"


def scaled_logit(scaling: Scaling, label: int, every: Sequence[int]) -> str:
    """A class's logit, scaled, of the log-probabilities l."""
    if scaling.method == "matrix":
        terms = products(scaling.weights[label].tolist(), [f"l{other}" for other in every])
        return total([number(scaling.bias[label]), *terms])
    weight = scaling.weights if scaling.method == "temperature" else scaling.weights[label]
    return total([*products([float(weight)], [f"l{label}"]), number(scaling.bias[label])])


def products(weights: Sequence[float], values: Sequence[str]) -> list[str]:
    """Weights times values, of those that weigh anything."""
    return [
        f"{number(weight)} * {value}"
        for weight, value in zip(weights, values, strict=True)
        if abs(weight) > _LEAST_WEIGHT
    ]
