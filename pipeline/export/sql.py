"""A model as one query of standard SQL, which DuckDB and PostgreSQL run as it is.

It has a stage a step of the computation, each a table of its own: ``read`` has the table's values (numbers x, texts t),
``standardised`` and ``encoded`` what the encoder makes of them (u, then n, rounded to its dtype; i for no value), then
logits z, their largest m, exponentials e. The weights of categories are tables, one row a level, that the rows are
joined with: a CASE of ten thousand levels in each class would be looked through for each row.

PostgreSQL would write each stage's expressions into the next one's, wherever these use them, so that the query grew
without bound; OFFSET 0 ROWS keeps it from that. It also refuses a result that is too small for its type, where IEEE 754
has 0 or a number near to it, so these are looked for first.
"""

from collections.abc import Sequence

from pipeline.errors import UserError, quoted
from pipeline.export.columns import categories, labels, missing_numbers, require_columns
from pipeline.export.sql_expressions import exponential, level_row, level_weight, number_of, products, scaled_logit
from pipeline.export.sql_syntax import halved, identifier, number, text, total
from pipeline.model import Model
from pipeline.predictor import output_columns
from pipeline.predictor.scorer import Scorer
from pipeline.scoring.scaling import LEAST_LOG_PROBABILITY, Scaling

# PostgreSQL's rows have at most 1,664 columns.
_MOST_COLUMNS = 1_600

# Half the least number of float32, which is rounded to 0; as float64 it is too small to be seen in a logit.
_ROUNDS_TO_0 = 2.0**-150


def sql_text(scorer: Scorer, table: Sequence[str], keep: Sequence[str] = ()) -> str:
    """The query of ``table``, a name with those of its schema before it; columns ``keep`` stand before the predictions.

    Raises: UserError for a name or text that SQL cannot spell, or more columns than a query may have.
    """
    require_columns(scorer.model)
    _require_names(scorer.model)
    probabilities = output_columns.names("probability", scorer.model.classes)
    output_columns.require_own_names(keep, ["predicted", *probabilities], str.lower)
    query = _Query(scorer.model, keep, table)
    query.tables_of_levels()
    query.read(".".join(map(identifier, table)))
    query.encode()
    query.add_logits()
    if scorer.decision.scaling is not None:
        query.scale(scorer.decision.scaling)
    query.add_probabilities()
    return query.text()


def _require_names(model: Model) -> None:
    """Raises: UserError for columns whose names DuckDB and others hold for one."""
    by_lower: dict[str, str] = {}
    for name in model.encoder.types:
        other = by_lower.setdefault(name.lower(), name)
        if other != name:
            raise UserError(
                f"columns {quoted(other)} and {quoted(name)}: expected names that differ in more than case, which not "
                "every database tells apart; rename one in the table"
            )


class _Query:
    """The stages so far; every one carries the kept columns through, as k0, k1, ..."""

    def __init__(self, model: Model, keep: Sequence[str], table: Sequence[str]) -> None:
        self._model, self._keep = model, keep
        self._numbers, self._categories = model.encoder.numbers, categories(model)
        self._indicated = [place for place, column in enumerate(self._numbers) if column.indicator]
        self._labels = range(len(model.classes))
        self._stages: list[str] = []
        self._last = ""
        # No stage hides the table that is read.
        self._prefix = "softmax"
        while any(name.lower().startswith(self._prefix) for name in table):
            self._prefix += "_"
        widest = max(len(self._labels), len(self._numbers) + len(self._indicated) + len(self._categories)) + len(keep)
        if widest + 2 > _MOST_COLUMNS:
            raise UserError(
                f"expected at most {_MOST_COLUMNS:,} columns in each step of the query, got {widest + 2:,}: the model "
                "has too many columns or classes for SQL"
            )

    def _add(self, name: str, columns: Sequence[str], source: str = "", carry: bool = True) -> None:
        """A stage of the last one, or of ``source``."""
        kept = [f"{self._last}.k{place} AS k{place}" for place in range(len(self._keep))] if carry else []
        lines = ",\n    ".join([*kept, *columns])
        select = f"SELECT\n    {lines}\n    FROM {source or self._last}\n    OFFSET 0 ROWS"
        self._last = f"{self._prefix}_{name}"
        self._stages.append(f"{self._last} AS (\n    {select}\n)")

    def _levels(self, place: int) -> str:
        return f"{self._prefix}_c{place}"

    def tables_of_levels(self) -> None:
        """A table a category, c0, c1, ..., a row a level: the level, and the weights of the classes."""
        names = ", ".join(["level", *(f"w{label}" for label in self._labels)])
        for place, category in enumerate(self._categories):
            if category.levels:
                rows = ",\n    ".join(level_row(category, row) for row in range(len(category.levels)))
                self._stages.append(f"{self._levels(place)} ({names}) AS (\n    VALUES\n    {rows}\n)")

    def read(self, table: str) -> None:
        """The table's columns as numbers and texts, NULL for no value."""
        encoder = self._model.encoder
        columns = [f"{identifier(name)} AS k{place}" for place, name in enumerate(self._keep)]
        gaps = missing_numbers(encoder.missing_values)
        columns += [f"{number_of(column, gaps)} AS x{place}" for place, column in enumerate(self._numbers)]
        missing = ", ".join(map(text, encoder.missing_values))
        for place, category in enumerate(self._categories):
            value = f"CAST({identifier(category.name)} AS VARCHAR)"
            value = f"CASE WHEN {value} IN ({missing}) THEN NULL ELSE {value} END" if missing else value
            columns.append(f"{value} AS t{place}")
        self._add("read", columns, table, carry=False)

    def encode(self) -> None:
        """Numbers less their shift, by their scale; then rounded to the encoder's dtype, with the indicators."""
        texts = [f"t{place}" for place in range(len(self._categories))]
        standardised = [
            f"(COALESCE(x{place}, {number(column.mean)}) - {number(column.shift)}) / {number(column.scale)} AS u{place}"
            for place, column in enumerate(self._numbers)
        ]
        gaps = [
            f"CASE WHEN x{place} IS NULL THEN {number(1)} ELSE {number(0)} END AS i{place}" for place in self._indicated
        ]
        single = "CAST(CAST(u{} AS REAL) AS DOUBLE PRECISION)" if self._model.encoder.dtype == "float32" else "u{}"
        rounded = [
            f"CASE WHEN ABS(u{place}) <= {number(_ROUNDS_TO_0)} THEN {number(0)} "
            f"ELSE {single.format(place)} END AS n{place}"
            for place in range(len(self._numbers))
        ]
        self._add("standardised", [*texts, *standardised, *gaps])
        self._add("encoded", [*texts, *rounded, *(f"i{place}" for place in self._indicated)])

    def add_logits(self) -> None:
        """z of each class: its bias, then numbers, indicators and categories, in this order, as we add them."""
        values = [*(f"n{place}" for place in range(len(self._numbers))), *(f"i{place}" for place in self._indicated)]
        joins = [
            f"\n    LEFT JOIN {self._levels(place)} AS c{place} ON c{place}.level = t{place}"
            for place, category in enumerate(self._categories)
            if category.levels
        ]
        columns = []
        for label in self._labels:
            weights = self._model.weights[label].tolist()
            terms = [number(self._model.bias[label])]
            terms += products(weights[: len(values)], values)
            terms += [level_weight(place, category, label) for place, category in enumerate(self._categories)]
            columns.append(f"{total(terms)} AS z{label}")
        self._add("logits", columns, self._last + "".join(joins))

    def scale(self, scaling: Scaling) -> None:
        """z once more, scaled: from log-probabilities l, of d = z - m and s, the logarithm of the sum of e^d."""
        self._add_largest("largest_unscaled")
        distances = [f"d{label}" for label in self._labels]
        self._add("distances", [f"z{label} - m AS d{label}" for label in self._labels])
        self._add("sums", [*distances, f"LN({halved([*map(exponential, distances)])}) AS s"])
        least = number(LEAST_LOG_PROBABILITY)
        self._add("log_probabilities", [f"GREATEST(d{label} - s, {least}) AS l{label}" for label in self._labels])
        self._add("scaled", [f"{scaled_logit(scaling, label, self._labels)} AS z{label}" for label in self._labels])

    def _add_largest(self, name: str) -> None:
        z = [f"z{label}" for label in self._labels]
        self._add(name, [*z, f"GREATEST({', '.join(z)}) AS m"])

    def add_probabilities(self) -> None:
        """The class of the largest z, the first of equals; e of each class, and their sum s."""
        self._add_largest("largest")
        names = labels(self._model.classes)
        spelled = [text(name) if isinstance(name, str) else str(name) for name in names]
        cases = " ".join(f"WHEN z{label} = m THEN {spelled[label]}" for label in self._labels)
        e = [f"e{label}" for label in self._labels]
        distances = [f"z{label} - m AS d{label}" for label in self._labels]
        self._add("shifted", [f"CASE {cases} END AS predicted", *distances])
        self._add("exponentials", ["predicted", *(f"{exponential(f'd{label}')} AS e{label}" for label in self._labels)])
        self._add("totals", ["predicted", *e, f"{halved(e)} AS s"])

    def text(self) -> str:
        """The whole query."""
        columns = [f"k{place} AS {identifier(name)}" for place, name in enumerate(self._keep)]
        columns.append("predicted")
        columns += [
            f"e{label} / s AS {identifier(name)}"
            for label, name in enumerate(output_columns.names("probability", self._model.classes))
        ]
        lines = ",\n    ".join(columns)
        return "WITH\n" + ",\n".join(self._stages) + f"\nSELECT\n    {lines}\nFROM {self._last}\n"
