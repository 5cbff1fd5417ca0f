"""The files of a table: one or many, plain or compressed, CSV or Parquet, here or at an address of fsspec.

Every file is opened as the UTF-8 CSV that it holds or would be, so all that reads tables knows CSV only. What a file
is, its first bytes tell, not its name.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from pipeline import credentials
from pipeline.errors import UserError, shortened
from pipeline.table import remote, signatures, transcoding

_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class File:
    """One file of a table; ``separator`` is one character, ``encoding`` a name that Python knows.

    ``name`` is what a person calls it, where that is not its address.
    """

    address: str
    separator: str = ","
    encoding: str = "utf-8"
    name: str = ""

    def __str__(self) -> str:
        return self.name or self.address

    def open(self) -> BinaryIO:
        """The file's content as UTF-8 CSV, unpacked; the caller closes it."""
        return self.open_with_raw()[0]

    def open_with_raw(self) -> tuple[BinaryIO, BinaryIO]:
        """``open``, and the stream of bytes below it, whose position tells how far reading has come."""
        # Asked first: some stores of fsspec share one position among all that have a file open.
        is_parquet = self.is_parquet
        raw = self._raw()
        stream = _unpacked(raw)
        if is_parquet:
            return transcoding.from_parquet(stream, str(self)), raw
        if self.encoding in ("utf-8", "utf8"):
            return stream, raw
        return transcoding.to_utf8(stream, self.encoding, str(self)), raw

    def unpacked(self) -> BinaryIO:
        """The file's bytes, decompressed."""
        return _unpacked(self._raw())

    def _raw(self) -> BinaryIO:
        if not remote.is_remote(self.address):
            return Path(self.address).open("rb")
        return remote.opened(self.address)

    @property
    def is_parquet(self) -> bool:
        """Whether the file says that it is Parquet."""
        with self._raw() as raw:
            return raw.read(4) == _PARQUET

    def require_text(self) -> None:
        """Check that the file is no picture, workbook or other thing that is known and no CSV. Raises: UserError."""
        with self.unpacked() as stream:
            start = stream.read(signatures.FIRST_BYTES)
        if start.startswith(_PARQUET) and not self.is_parquet:
            raise UserError(f"{self}: expected a CSV or Parquet file, got a packed Parquet file; unpack it")
        signatures.require_text(start, self)

    def texts(self) -> set[str]:
        """The columns that the file itself says are texts, which only Parquet does."""
        return transcoding.parquet_texts(self.unpacked()) if self.is_parquet else set()

    def stamp(self) -> tuple[object, ...]:
        """Values that change with the file: size, time and inode, or those that a remote store has."""
        if not remote.is_remote(self.address):
            status = Path(self.address).stat()
            return status.st_size, status.st_mtime_ns, status.st_ino
        system, path = remote.file_system(self.address)
        with remote.as_os_error():
            about = system.info(path)
        return tuple(str(about.get(key)) for key in ("size", "mtime", "created", "LastModified", "ETag", "etag"))

    def size(self) -> int:
        """Bytes, as they are stored."""
        if not remote.is_remote(self.address):
            return Path(self.address).stat().st_size
        system, path = remote.file_system(self.address)
        with remote.as_os_error():
            return int(system.size(path) or 0)

    def digest(self) -> str:
        """SHA-256 of the bytes as they are stored, in hexadecimal. Raises: UserError if they cannot be read."""
        with as_user_error(self), self._raw() as raw:
            return hashlib.file_digest(cast(io.BufferedReader, raw), "sha256").hexdigest()


@dataclass(frozen=True)
class Source:
    """A table of one file or more, in the order in which their rows count; ``address`` is what the person typed."""

    address: str
    files: tuple[File, ...]

    def __str__(self) -> str:
        return self.address

    @property
    def is_parquet(self) -> bool:
        """Whether the first file is Parquet. Raises: UserError if it cannot be read."""
        with as_user_error(self):
            return self.files[0].is_parquet

    def stamps(self) -> list[tuple[object, ...]]:
        """The stamp of every file."""
        with as_user_error(self):
            return [file.stamp() for file in self.files]

    def size(self) -> int:
        """Bytes of all files, as they are stored. Raises: UserError if one is not there."""
        with as_user_error(self):
            return sum(file.size() for file in self.files)


TableSource = Path | File | Source


def _unpacked(raw: BinaryIO) -> BinaryIO:
    start = raw.read(4)
    raw.seek(0)
    for mark, name in _PACKED.items():
        if start.startswith(mark):
            packed = pa.PythonFile(raw, mode="r")
            return cast(BinaryIO, pa.CompressedInputStream(packed, name))
    return raw


@contextmanager
def as_user_error(address: object) -> Iterator[None]:
    """Turn an OSError of the block, for a file that is not there, may not be read or does not decompress."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{shortened(address)}: expected a CSV file: no such file or directory") from None
    except OSError as error:
        # A store that sends a reader on to another address, with a signature in it, tells of that one.
        reason = credentials.masked(error.strerror or str(error) or "cannot be read").lower()
        raise UserError(f"{shortened(address)}: expected a CSV file: {shortened(reason)}") from None


def files_of(where: TableSource) -> tuple[File, ...]:
    """The files of a table; a path is a file of comma-separated UTF-8."""
    if isinstance(where, Source):
        return where.files
    return (where,) if isinstance(where, File) else (File(str(where)),)


def texts_of(where: TableSource) -> set[str]:
    """The columns that any file of a table says are texts. Raises: UserError if one cannot be read."""
    with as_user_error(where):
        return {name for file in files_of(where) for name in file.texts()}


def local_paths(source: Source) -> list[Path]:
    """The files of a source, and what addresses such as ``zip://a.csv::b.zip`` are made of, as far as they lie here."""
    from fsspec.core import split_protocol

    paths = []
    for file in source.files:
        if not remote.is_remote(file.address):
            paths.append(Path(file.address))
            continue
        for part in file.address.split("::"):
            protocol, path = split_protocol(part)  # type: ignore[no-untyped-call]
            if protocol in (None, "file", "local"):
                paths.append(Path(path))
    return paths
