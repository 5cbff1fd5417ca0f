"""Columns of dates, and columns that nearly are: what `init` writes of them and where a person must decide."""

from collections.abc import Iterator

from pipeline.commands.init.inspect_table import InspectedTable, hides_a_part
from pipeline.commands.yaml_text import to_yaml
from pipeline.dataset.columns import DATE_PARTS, DatePart, part_name
from pipeline.errors import quoted
from pipeline.table import dates

_EXAMPLES = 3

# A column is nearly one of dates if so many of its values are; texts of the others are shown up to so many characters.
_NEARLY_ALL = 0.8
_MOST_CHARACTERS = 40


def range_of_dates(table: InspectedTable, name: str) -> str:
    column_type, levels = table.dated[name], table.statistics.levels.get(name)
    if levels is None:
        years = table.statistics.moments[part_name(name, "year")]
        return f"{years.minimum:.0f} to {years.maximum:.0f}"
    in_order = sorted(levels, key=lambda level: dates.moment_of(level, column_type) or ())
    return f"{in_order[0]} to {in_order[-1]}"


def doubts(table: InspectedTable) -> Iterator[str]:
    for name in ambiguous(table):
        ways = " or ".join(f"{to_yaml(name)}: {to_yaml(column_type)}" for column_type in table.dates[name])
        yield f"{name} holds dates whose {open_order(table, name)} could be exchanged; say which in types: {ways}"
    yield from _short_years(table)
    yield from _nearly_dates(table)


def ambiguous(table: InspectedTable) -> list[str]:
    return [name for name, possible in table.dates.items() if len(possible) > 1]


def open_order(table: InspectedTable, name: str) -> str:
    return "day, month and year" if any(map(dates.has_short_years, table.dates[name])) else "day and month"


def _short_years(table: InspectedTable) -> Iterator[str]:
    """The centuries of years of two digits, with the first cells: a birthday of 1963 would be read as of 2063."""
    for name, column_type in table.dated.items():
        if dates.has_short_years(column_type):
            cells = list(table.statistics.levels.get(name, ()))[:3]
            moments = [(cell, dates.moment_of(cell, column_type)) for cell in cells]
            example = "".join(f", {cell} as of {moment[0]}" for cell, moment in moments if moment is not None)
            yield (
                f"{name} has years of two digits: 69 to 99 are read as 1969 to 1999, 00 to 68 as 2000 to 2068{example}"
                "; write four digits if that is wrong"
            )


def _nearly_dates(table: InspectedTable) -> Iterator[str]:
    """Columns that were dates if it were not for a few texts."""
    for name, levels in table.statistics.levels.items():
        if name == table.target or name in table.dates or hides_a_part(name, table.statistics.types):
            continue
        forms, others = dates.forms(levels)
        rows = sum(levels.values())
        if sum(forms.values()) < _NEARLY_ALL * rows or len(levels) - len(others) < 2:  # two dates at least
            continue
        first = next(iter(forms))
        rest = f"the rest, such as {', '.join(quoted(text, _MOST_CHARACTERS) for text in others[:_EXAMPLES])}"
        if len(forms) > 1:
            shares = ", ".join(f"{column_type} in {count / rows:.0%}" for column_type, count in forms.items())
            also = f"; {rest}, is none" if others else ""
            yield (
                f"{name} holds dates of several forms ({shares} of its values){also}: write them in one, and set "
                f"types: {to_yaml({name: first})}"
            )
        elif others:
            types = to_yaml({name: first})
            yield (
                f"{name} holds dates ({first}) in {forms[first] / rows:.0%} of its values; {rest}, keeps it from being "
                f"one: correct them or add them to missing_values, and set types: {types}"
            )


def parts(table: InspectedTable) -> Iterator[DatePart]:
    """The parts that dates of the table differ in; an hour that is 0 in all of them is one column too many."""
    yield from ("year", "month", "day", "weekday")
    for name, column_type in table.dated.items():
        if dates.is_time_of_day(column_type):
            continue  # it becomes hour and minute in any case
        if "hour" not in dates.parts_of(column_type):
            continue
        levels = table.statistics.levels.get(name)
        moments = () if levels is None else (dates.moment_of(level, column_type) for level in levels)
        if levels is None or any(moment is not None and moment[DATE_PARTS.index("hour")] for moment in moments):
            yield "hour"
            return
