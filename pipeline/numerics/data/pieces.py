"""Blocks of wide rows or many classes, cut into pieces that stay in a core's cache."""

from collections.abc import Sequence

from pipeline.numerics.data.block import Block, Blocks

# Blocks of wide rows are cut: a piece stays in a core's cache from W x to the transposed product (7.0 in place of 8.8
# milliseconds for 8,192 x 784), and its float64 copy stays small. Blocks of many classes are cut, too, so that the
# logits of a piece stay in the cache (166 in place of 530 milliseconds for 50,000 x 20 with 1,000 classes), but to no
# fewer rows than two a column: a piece's sums, (d + 1, k), cost as much. Others stay whole: between two products a
# thread waits for Python's lock (1.6 in place of 1.9 milliseconds for diamonds where blocks are not cut to 8,192 rows).
_NUMBERS_AT_ONCE, _FEWEST_ROWS = 1 << 19, 256
_LOGITS_AT_ONCE, _ROWS_A_COLUMN = 1 << 20, 2


def cut(blocks: Sequence[Block], counts: Sequence[int], width: int, columns: int, classes: int) -> Sequence[Block]:
    """The blocks, of ``counts`` rows, in pieces; ``width`` numbers a row go into products."""
    # Blocks have 2^14 rows: a power of two cuts them into equal pieces.
    for_logits = max(_power_of_two_within(_LOGITS_AT_ONCE // classes), _ROWS_A_COLUMN * (columns + 1))
    for_numbers = _NUMBERS_AT_ONCE // max(1, width)
    rows = max(_FEWEST_ROWS, min(for_numbers, for_logits))
    if max(counts) <= rows:
        return blocks
    places = [(block, start) for block, count in enumerate(counts) for start in range(0, count, rows)]

    def piece(place: int) -> Block:
        number, start = places[place]
        return blocks[number].part(slice(start, start + rows))

    return Blocks(piece, [min(rows, counts[block] - start) for block, start in places])


def _power_of_two_within(count: int) -> int:
    return 1 << (count.bit_length() - 1) if count else 0
