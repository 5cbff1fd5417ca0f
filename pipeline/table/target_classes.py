"""Texts of the target column -> classes: integers, booleans or texts, sorted.

The rule, over all labels of the table:
- all are whole numbers, written with or without a decimal point: integers, sorted as numbers;
- all are true or false: booleans, false first;
- anything else that is not all numbers: texts, sorted by code point, exactly as they stand in the file.
Numbers with fractions, and more than 1,000 distinct numbers, are a quantity and not a class. Declared in
prepare.categories, the target is read as text whatever it holds.
"""

from collections.abc import Mapping
from decimal import Decimal

from pipeline.dataset.columns import Class
from pipeline.errors import UserError, quoted, shortened
from pipeline.table import locate, spellings
from pipeline.table.sources import TableSource

# Beyond this many distinct numbers a target is taken for a quantity; beyond the second, for an identifier.
MANY_NUMBERS = 1_000
MANY_TEXTS = 65_536

_WORDS = {"true": True, "false": False}
_LARGEST_INTEGER = 2**63 - 1


def classes_of(source: TableSource, target: str, levels: Mapping[str, int], as_text: bool) -> dict[str, Class]:
    """The class of each text in ``levels``; the classes in order are ``sorted(set(...values()))``.

    Raises: UserError if there are fewer than two classes, or the target looks continuous.
    """
    classes = {text: text for text in levels} if as_text else _natural(source, target, levels)
    distinct = set(classes.values())
    if len(distinct) < 2:
        came = f"only {quoted(next(iter(distinct)))}" if distinct else "no label in any row"
        raise UserError(
            f"{source}, column {shortened(target)}: expected a target with two classes or more, got {came}; "
            "choose another prepare.target, or add rows of other classes"
        )
    return dict(classes)


def refuse_too_many(source: TableSource, target: str, distinct: int) -> None:
    """Stop while reading, before the labels of a continuous target fill the memory."""
    if distinct > MANY_TEXTS:
        raise _continuous(f"{source}, column {shortened(target)}", f"has more than {MANY_TEXTS:,} distinct values")


def _natural(source: TableSource, target: str, levels: Mapping[str, int]) -> Mapping[str, Class]:
    if all(text.lower() in _WORDS for text in levels):
        return {text: _WORDS[text.lower()] for text in levels}
    if not all(locate.is_number(text) for text in levels):
        _refuse_spelled(source, target, levels)
        return {text: text for text in levels}
    if len(levels) > MANY_NUMBERS:
        raise _continuous(f"{source}, column {shortened(target)}", f"has {len(levels):,} distinct numbers")
    integers = {text: _as_integer(text) for text in levels}
    if None in integers.values():
        place, text = locate.find_cell(
            source, target, lambda cell: locate.is_number(cell) and _as_integer(cell) is None
        )
        raise _continuous(place, f"holds {shortened(text)}")
    return {text: value for text, value in integers.items() if value is not None}


def _refuse_spelled(source: TableSource, target: str, levels: Mapping[str, int]) -> None:
    """Stop at numbers with fractions in a spelling of their own, such as 182,9."""
    possible = spellings.common(levels, spellings.MARKS["auto"])
    if len(possible) == 1:
        fraction = next((text for text in levels if not possible[0].value_of(text).is_integer()), None)
        if fraction is not None:
            place, text = locate.find_cell(source, target, fraction.__eq__)
            raise _continuous(place, f"holds {text}")


def _as_integer(text: str) -> int | None:
    """The integer that the decimal number stands for, None if it is not whole or needs more than 64 bits."""
    try:
        number = Decimal(text.strip())
    except ArithmeticError:
        # An exponent of more than 18 digits.
        return None
    # copy_abs, since abs rounds and overflows.
    if number.copy_abs() > _LARGEST_INTEGER or number != number.to_integral_value():
        return None
    return int(number)


def _continuous(place: str, what: str) -> UserError:
    return UserError(
        f"{place}: looks continuous: it {what}; expected class labels, which are texts, "
        f"true or false, or at most {MANY_NUMBERS:,} distinct whole numbers\n"
        "  to predict a number is regression, which this tool does not do: choose another prepare.target, cut its "
        "values into classes, or add it to prepare.categories if these are names of classes"
    )
