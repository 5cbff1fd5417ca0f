"""Words of standard SQL, as DuckDB and PostgreSQL both read them."""

from collections.abc import Sequence

from pipeline.errors import UserError, quoted

# Nested deeper, an expression is more than DuckDB takes (1,000).
_LONGEST_CHAIN = 256


def identifier(name: str) -> str:
    """A name in quotes. Raises: UserError for one that no SQL can spell."""
    return '"' + _spelled(name).replace('"', '""') + '"'


def text(value: str) -> str:
    """A text. Raises: UserError for one that no SQL can spell."""
    return "'" + _spelled(value).replace("'", "''") + "'"


def _spelled(value: str) -> str:
    if "\0" in value:
        raise UserError(f"{quoted(value)}: expected a name or text without the character NUL, which SQL cannot spell")
    return value


def number(value: float) -> str:
    """A double; without the cast PostgreSQL takes a number with a point for one of decimal digits."""
    return f"CAST({bare_number(value)} AS DOUBLE PRECISION)"


def bare_number(value: float) -> str:
    """A number with an exponent, which is a double to DuckDB, among others of its column to PostgreSQL."""
    digits = repr(float(value))
    return digits if "e" in digits else f"{digits}e0"


def total(terms: Sequence[str]) -> str:
    """The sum of terms, added one after another, of very many in halves."""
    if len(terms) <= _LONGEST_CHAIN:
        return " + ".join(terms)
    half = len(terms) // 2
    return f"({total(terms[:half])}) + ({total(terms[half:])})"


def halved(terms: Sequence[str]) -> str:
    """The sum of terms by halves, as ``pipeline.arithmetic`` adds the exponentials of a row."""
    sums = list(terms)
    while len(sums) > 1:
        half = len(sums) // 2
        pairs = [f"({first} + {second})" for first, second in zip(sums[:half], sums[half : 2 * half], strict=True)]
        sums = pairs + sums[2 * half :]
    return sums[0]
