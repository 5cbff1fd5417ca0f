"""What a page is made of, before it is HTML: sections of paragraphs, lists, tables and charts.

Texts are plain: whatever they hold is escaped where the page is written, in the templates and nowhere else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from pipeline.report.charts.shapes import Chart


@dataclass(frozen=True)
class Cell:
    """A text of a table, or a name within a sentence.

    ``title`` is the longer form that a short name has; ``is_number`` aligns it; a name from outside ``is_isolated``, so
    that its direction of writing stays its own. ``shade`` of 0 to 9 is how dark its ground is. ``below`` stands
    under the text, such as the interval of a number.
    """

    text: str
    title: str = ""
    is_number: bool = False
    is_isolated: bool = False
    is_strong: bool = False
    is_code: bool = False
    shade: int = 0
    below: str = ""


Span = str | Cell
Sentence = Span | Sequence[Span]


def spans(sentence: Sentence) -> list[Cell]:
    """A sentence as its parts."""
    parts: Iterable[Span] = [sentence] if isinstance(sentence, str | Cell) else sentence
    return [part if isinstance(part, Cell) else Cell(part) for part in parts]


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Paragraph:
    """A sentence or more; a ``lead`` stands out, a ``note`` steps back."""

    kind: ClassVar[str] = "paragraph"
    sentence: Sentence
    style: str = ""

    @property
    def spans(self) -> list[Cell]:
        """Its parts."""
        return spans(self.sentence)


@dataclass(frozen=True)
class Listing:
    """Sentences, one an item."""

    kind: ClassVar[str] = "listing"
    sentences: Sequence[Sentence]

    @property
    def items(self) -> list[list[Cell]]:
        """The parts of each item."""
        return [spans(sentence) for sentence in self.sentences]


@dataclass(frozen=True)
class Facts:
    """Terms, each with what is to say of it."""

    kind: ClassVar[str] = "facts"
    pairs: Sequence[tuple[str, Sentence]]

    @property
    def items(self) -> list[tuple[str, list[Cell]]]:
        """Each term with the parts of its sentence."""
        return [(term, spans(sentence)) for term, sentence in self.pairs]


@dataclass(frozen=True)
class Table:
    """Rows below a header; the first cell of a row is its header.

    ``style`` "matrix" is one whose rows and columns are classes; ``over`` stands above all columns but the first.
    """

    kind: ClassVar[str] = "table"
    caption: str
    header: Sequence[Span]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    style: str = ""
    over: str = ""

    @property
    def columns(self) -> list[Cell]:
        """The header's cells; those above numbers are aligned as they are."""
        numeric = [any(row[place].is_number for row in self.rows) for place in range(len(self.header))]
        return [
            Cell(cell.text, cell.title, is_number=number, is_isolated=cell.is_isolated)
            for cell, number in zip(spans(list(self.header)), numeric, strict=True)
        ]


@dataclass(frozen=True)
class Figure:
    """A chart, with a caption that says what to see."""

    kind: ClassVar[str] = "figure"
    chart: Chart
    caption: str


@dataclass(frozen=True)
class Code:
    """Lines as a person types them."""

    kind: ClassVar[str] = "code"
    lines: Sequence[str]


Block = Heading | Paragraph | Listing | Facts | Table | Figure | Code


@dataclass(frozen=True)
class Section:
    """A part of the page; ``anchor`` is its id."""

    anchor: str
    title: str
    blocks: list[Block] = field(default_factory=list)
