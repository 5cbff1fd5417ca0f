"""Tables as people write them, for hypothesis: cells of every type, and the many ways to spell them as CSV."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

MISSING = ("", "NA", "N/A", "NaN", "nan", "null")
RESERVED = ("<missing>", "<unseen>", "<other>")

INTEGERS = st.one_of(
    st.integers(-9, 9),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**24 + 1, 2**53 + 1, 2**63, 2**64, 10**38]),
).map(str) | st.sampled_from(["007", "-0", "+5", " 7", "7\t"])

_SPELLINGS: list[Callable[[float], str]] = [
    repr, "{:e}".format, "{:+.3f}".format, "{:.17G}".format, " {!r} ".format, lambda value: f"{value:.4f}".lstrip("0"),
]  # fmt: skip
FLOATS = st.builds(
    lambda value, spelling: spelling(value), st.floats(-3e38, 3e38), st.sampled_from(_SPELLINGS)
) | st.sampled_from(["5.", ".5", "-.5e-3", "1E5", "1e-400", "0.1", "-0.0", "00.50"])

BOOLEANS = st.sampled_from(["true", "True", "TRUE", "false", "False", "FALSE"])
DATES = st.one_of(st.dates(), st.datetimes()).map(lambda moment: moment.isoformat())
WORDS = st.sampled_from(
    ["red", "green", "blue", "é", "日本", "true", " NA", "inf", "1,5", "0x10", "1_000", "٣", "-", "e5"]
)
# Whatever a cell may hold: separators, quotes, line endings, blanks, marks, the separators of lines that are none.
TEXTS = st.text(st.sampled_from("ab\",;|\t\r\n 'é\u2028\x85\x0b\x1a\ufeff\U0001f427#\\0<>="), max_size=6)
ODD = st.sampled_from(["inf", "-Infinity", "1e39", "9" * 400, *RESERVED, "abc", "2.5"])

KINDS = (INTEGERS, FLOATS, BOOLEANS, DATES, WORDS, TEXTS)
LABELS = (
    st.integers(0, 2).map(str),
    st.sampled_from(["1.0", "0", "-3", "2."]),
    st.sampled_from(["yes", "no", "Ja\nja", "ß", "true"]),
    BOOLEANS,
    INTEGERS,
    TEXTS,
)
NAMES = st.sampled_from(
    ["a", "b", "x 1", "größe", "列", "a,b", 'say "q"', "a\nb", "a=b", "a missing", "A", "d", "d year", " "]
)


@dataclass(frozen=True)
class Written:
    """A file: its bytes, the cells meant by them (header first), and the line on which each row begins."""

    data: bytes
    cells: list[list[str]]
    lines: list[int]
    separator: str
    encoding: str
    dates: tuple[str, ...]


@st.composite
def _column(draw: st.DrawFn, rows: int) -> tuple[bool, list[str]]:
    """Cells of one type, with gaps; seldom another cell among them. Whether all values are dates."""
    column_type = draw(st.sampled_from(KINDS))
    gaps = draw(st.sampled_from([0, 0, 1]))
    cells = st.one_of(column_type, column_type, st.sampled_from(MISSING)) if gaps else column_type
    column = draw(st.lists(cells, min_size=rows, max_size=rows))
    is_odd = _seldom(draw)
    if rows and is_odd:
        column[draw(st.integers(0, rows - 1))] = draw(ODD)
    return column_type is DATES and not is_odd, column


@st.composite
def _labels(draw: st.DrawFn, rows: int) -> list[str]:
    """Labels of a few classes, each there if there are rows for it."""
    label = draw(st.sampled_from(LABELS)).filter(lambda text: text not in MISSING)
    few = draw(st.lists(label, min_size=2, max_size=3, unique=True))
    labels = few + draw(st.lists(st.sampled_from(few), min_size=rows, max_size=rows))
    if rows and _seldom(draw):
        labels[draw(st.integers(0, rows - 1))] = draw(st.sampled_from([*MISSING, few[0]]))
    return labels[:rows]


@st.composite
def tables(draw: st.DrawFn) -> Written:
    """A table whose last column is `y`, in most cases one that can be prepared."""
    rows = draw(st.one_of(st.integers(0, 3), st.integers(2, 8), st.integers(2, 8)))
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=not _seldom(draw)))
    columns = [draw(_column(rows)) for _ in names]
    values = [*(column for _, column in columns), draw(_labels(rows))]
    cells = [[*names, "y"], *map(list, zip(*values, strict=True))]
    cells += [[*row] for row in cells[1:]] * draw(st.sampled_from([0, 0, 0, 9]))
    if rows and _seldom(draw):
        ragged = cells[draw(st.integers(1, rows))]
        ragged[:] = [*ragged, "more"] if draw(st.booleans()) else ragged[:-1]
    dates = [name for name, (is_date, _) in zip(names, columns, strict=True) if is_date and draw(st.booleans())]
    return draw(written(cells, tuple(dates)))


def _seldom(draw: st.DrawFn) -> bool:
    return draw(st.integers(0, 29)) == 29


@st.composite
def written(draw: st.DrawFn, cells: list[list[str]], dates: tuple[str, ...] = ()) -> Written:
    """The cells as a file of some separator, quoting, line ending, mark, encoding, with blank lines between rows."""
    separator = draw(st.sampled_from(",;\t|"))
    ending = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16"]))
    # pandas takes a blank line that ends in CR alone for a row of empty cells.
    blanks = ending != "\r" and draw(st.sampled_from([False, False, False, True]))
    text = draw(st.sampled_from(["", "", "", ending, 3 * ending])) if ending != "\r" else ""
    lines = []
    for row in cells:
        lines.append(1 + _lines_of(text))
        text += _row(row, separator, draw(st.booleans())) + ending * (2 if blanks else 1)
    text = text if draw(st.booleans()) else text.removesuffix(ending)
    return Written(text.encode(encoding), cells, lines, separator, encoding, dates)


def _lines_of(text: str) -> int:
    """Line endings in the text: LF, CR LF or CR, and nothing else that Unicode calls one."""
    return len(io.StringIO(text + "|", newline=None).readlines()) - 1


def _row(cells: list[str], separator: str, quoted: bool) -> str:
    out = io.StringIO()
    quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    csv.writer(out, delimiter=separator, quoting=quoting, lineterminator="\r\n").writerow(cells)
    return out.getvalue().removesuffix("\r\n")
