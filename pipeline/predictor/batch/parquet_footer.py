"""Footers of Parquet files: that of a file made of the row groups of others.

Each block of rows is encoded by itself, on a thread, as a Parquet file of one row group. A row group's bytes hold no
position, only the footer does, so that the file of all blocks is their bytes, one after another, and a footer in which
the positions are moved; pyarrow can write neither a part of a file nor such a footer. Footers are structs of Thrift's
compact protocol; what is not a position is written as it was read.
Sources: apache/parquet-format, parquet.thrift; apache/thrift, doc/specs/thrift-compact-protocol.md.
"""

from collections.abc import Iterable
from typing import Any

# Fields of parquet.thrift by number.
_NUM_ROWS, _ROW_GROUPS = 3, 4  # of FileMetaData
_COLUMNS, _GROUP_ROWS, _GROUP_OFFSET, _ORDINAL = 1, 3, 5, 7  # of RowGroup
_CHUNK_OFFSET, _META_DATA = 2, 3  # of ColumnChunk
_PAGE_OFFSETS = (9, 10, 11)  # of ColumnMetaData: data, index and dictionary page

_MOST_ORDINAL = 2**15 - 1  # it is an i16, and optional

# Types of the compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)

# A struct is {field: (type, value)}, or the bytes of one that is written; a list is (type, values).
Struct = dict[int, tuple[int, Any]]


def joined(footers: Iterable[tuple[bytes, int]]) -> bytes:
    """The footer of a file of all row groups of footers of one schema, each with how far its bytes were moved."""
    result: Struct = {}
    groups: list[bytes] = []
    rows = 0
    for footer, moved in footers:
        single = _Reader(footer).struct()
        result = result or single
        for group in single[_ROW_GROUPS][1][1]:
            _move(group, moved)
            _place(group, len(groups))
            rows += group[_GROUP_ROWS][1]
            groups.append(_written(group))
    result[_NUM_ROWS] = (_I64, rows)
    result[_ROW_GROUPS] = (_LIST, (_STRUCT, groups))
    return _written(result)


def _move(group: Struct, moved: int) -> None:
    _add(group, _GROUP_OFFSET, moved)
    for chunk in group[_COLUMNS][1][1]:
        # 0 stands for no second copy of the column's metadata.
        if chunk[_CHUNK_OFFSET][1]:
            _add(chunk, _CHUNK_OFFSET, moved)
        for field in _PAGE_OFFSETS:
            _add(chunk[_META_DATA][1], field, moved)


def _place(group: Struct, ordinal: int) -> None:
    if ordinal <= _MOST_ORDINAL:
        group[_ORDINAL] = (_I16, ordinal)
    else:
        group.pop(_ORDINAL, None)


def _add(struct: Struct, field: int, moved: int) -> None:
    if field in struct:
        kind, value = struct[field]
        struct[field] = (kind, value + moved)


class _Reader:
    """Values of the compact protocol, one after another."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def struct(self) -> Struct:
        fields: Struct = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._integer()
            kind = head & 15
            fields[field] = (kind, kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind))
        return fields

    def _value(self, kind: int) -> Any:
        if kind == _STRUCT:
            return self.struct()
        if kind in (_I16, _I32, _I64):
            return self._integer()
        if kind == _BINARY:
            return self._take(self._varint())
        if kind in (_LIST, _SET):
            head = self._byte()
            size = self._varint() if head >> 4 == 15 else head >> 4
            return head & 15, [self._value(head & 15) for _ in range(size)]
        if kind in (_TRUE, _FALSE, _BYTE):  # of a list's items
            return self._byte()
        if kind == _DOUBLE:
            return self._take(8)
        raise ValueError(f"a Parquet footer: expected types of parquet.thrift, got type {kind}")

    def _byte(self) -> int:
        self._position += 1
        return self._data[self._position - 1]

    def _take(self, size: int) -> bytes:
        self._position += size
        return self._data[self._position - size : self._position]

    def _varint(self) -> int:
        result = shift = 0
        while (byte := self._byte()) & 128:
            result |= (byte & 127) << shift
            shift += 7
        return result | byte << shift

    def _integer(self) -> int:
        number = self._varint()
        return number >> 1 ^ -(number & 1)


def _written(fields: Struct) -> bytes:
    out = bytearray()
    _write_struct(out, fields)
    return bytes(out)


def _write_struct(out: bytearray, fields: Struct) -> None:
    before = 0
    for field in sorted(fields):
        kind, value = fields[field]
        if kind in (_TRUE, _FALSE):
            kind = _TRUE if value else _FALSE
        if 0 < field - before < 16:
            out.append(field - before << 4 | kind)
        else:
            out.append(kind)
            _write_integer(out, field)
        if kind not in (_TRUE, _FALSE):
            _write_value(out, kind, value)
        before = field
    out.append(0)


def _write_value(out: bytearray, kind: int, value: Any) -> None:
    if kind == _STRUCT and isinstance(value, bytes):
        out += value
    elif kind == _STRUCT:
        _write_struct(out, value)
    elif kind in (_I16, _I32, _I64):
        _write_integer(out, value)
    elif kind == _BINARY:
        _write_varint(out, len(value))
        out += value
    elif kind in (_LIST, _SET):
        of, items = value
        out.append(min(len(items), 15) << 4 | of)
        if len(items) >= 15:
            _write_varint(out, len(items))
        for item in items:
            _write_value(out, of, item)
    elif kind == _DOUBLE:
        out += value
    else:
        out.append(value)


def _write_varint(out: bytearray, value: int) -> None:
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def _write_integer(out: bytearray, value: int) -> None:
    _write_varint(out, value << 1 if value >= 0 else (-value << 1) - 1)
