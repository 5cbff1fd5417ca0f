"""Sources of a table: one file or many, plain or compressed, CSV or Parquet, here or at an address of fsspec.

Every file is opened as the UTF-8 CSV that it holds or would be, so all that reads tables knows CSV only. What a file
is, its first bytes tell, not its name.
"""

import fnmatch
import glob
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from pipeline import credentials, files
from pipeline.errors import UserError, shortened
from pipeline.table import remote, signatures, transcoding

# What a person calls the table that another program writes, and the addresses that mean it.
STANDARD_INPUT = "standard input"
_STANDARD_INPUT = ("-", "/dev/stdin")

# In a folder, what else lies there is no table.
_ENDINGS = tuple(kind + packed for kind in (".csv", ".tsv", ".txt", ".parquet") for packed in ("", ".gz", ".zst"))

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
            return cast(BinaryIO, io.BufferedReader(transcoding.FromParquet(stream, str(self)))), raw
        if self.encoding in ("utf-8", "utf8"):
            return stream, raw
        return cast(BinaryIO, io.BufferedReader(transcoding.ToUtf8(stream, self.encoding, str(self)))), raw

    def unpacked(self) -> BinaryIO:
        """The file's bytes, decompressed."""
        return _unpacked(self._raw())

    def _raw(self) -> BinaryIO:
        if not is_remote(self.address):
            return Path(self.address).open("rb")
        return remote.opened(*_remote(self.address))

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
        if not is_remote(self.address):
            status = Path(self.address).stat()
            return status.st_size, status.st_mtime_ns, status.st_ino
        system, path = _remote(self.address)
        with remote.as_os_error():
            about = system.info(path)
        return tuple(str(about.get(key)) for key in ("size", "mtime", "created", "LastModified", "ETag", "etag"))

    def size(self) -> int:
        """Bytes, as they are stored."""
        if not is_remote(self.address):
            return Path(self.address).stat().st_size
        system, path = _remote(self.address)
        with remote.as_os_error():
            return int(system.size(path) or 0)

    def digest(self) -> str:
        """SHA-256 of the bytes as they are stored, in hexadecimal. Raises: UserError if they cannot be read."""
        try:
            with self._raw() as raw:
                return hashlib.file_digest(cast(io.BufferedReader, raw), "sha256").hexdigest()
        except OSError as error:
            raise unreadable(self, error) from None


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
        try:
            return self.files[0].is_parquet
        except OSError as error:
            raise unreadable(self, error) from None

    def stamps(self) -> list[tuple[object, ...]]:
        """The stamp of every file."""
        try:
            return [file.stamp() for file in self.files]
        except OSError as error:
            raise unreadable(self, error) from None

    def size(self) -> int:
        """Bytes of all files, as they are stored. Raises: UserError if one is not there."""
        try:
            return sum(file.size() for file in self.files)
        except OSError as error:
            raise unreadable(self, error) from None


TableSource = Path | File | Source


def _unpacked(raw: BinaryIO) -> BinaryIO:
    start = raw.read(4)
    raw.seek(0)
    for mark, name in _PACKED.items():
        if start.startswith(mark):
            packed = pa.PythonFile(raw, mode="r")
            return cast(BinaryIO, pa.CompressedInputStream(packed, name))
    return raw


def files_of(where: TableSource) -> tuple[File, ...]:
    """The files of a table; a path is a file of comma-separated UTF-8."""
    if isinstance(where, Source):
        return where.files
    return (where,) if isinstance(where, File) else (File(str(where)),)


def texts_of(where: TableSource) -> set[str]:
    """The columns that any file of a table says are texts. Raises: UserError if one cannot be read."""
    try:
        return {name for file in files_of(where) for name in file.texts()}
    except OSError as error:
        raise unreadable(where, error) from None


def find(address: str, pattern: str = "*", separator: str = "auto", encoding: str = "utf-8") -> Source:
    """The source at an address: a file, a folder, a glob, or any of these at ``scheme://``.

    Of a folder the files count that match ``pattern``, sorted by name. Separator and encoding are those of the first
    file where they are "auto". Raises: UserError if nothing is there.
    """
    credentials.refuse(address)
    _refuse_no_name(address)
    try:
        addresses = sorted(_addresses(address, pattern))
    except OSError as error:
        raise unreadable(address, error) from None
    if not addresses:
        expected = "tables (csv, tsv, txt or parquet)" if pattern == "*" else f"files like {shortened(pattern)}"
        raise UserError(f"{shortened(address)}: expected {expected}, found none")
    return _source(address, [File(each) for each in addresses], separator, encoding)


def _refuse_no_name(address: str) -> None:
    """YAML can spell characters that stand in no file's name. Raises: UserError."""
    try:
        is_name = b"\0" not in os.fsencode(address)
    except UnicodeEncodeError:
        is_name = False
    if not is_name:
        raise UserError(f"{shortened(address)}: expected a file's name or address, got characters that none can have")


@contextmanager
def find_or_copy(address: str) -> Iterator[Source]:
    """The source at an address, which may also be one that can be read only once: a pipe, or ``-``, standard input.

    Such a one is kept in a temporary file until the block ends. Raises: UserError if nothing is there.
    """
    if address not in _STANDARD_INPUT and not _is_pipe(address):
        yield find(address, encoding="auto")
        return
    name, pipe = (STANDARD_INPUT, 0) if address in _STANDARD_INPUT else (address, address)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "table"
        try:
            with open(pipe, "rb", closefd=pipe != 0) as stream, copy.open("wb") as file:
                shutil.copyfileobj(stream, file)
        except OSError as error:
            raise unreadable(name, error) from None
        yield _source(name, [File(str(copy), name=name)], "auto", "auto")


def _is_pipe(address: str) -> bool:
    try:
        return not is_remote(address) and Path(address).is_fifo()
    except OSError:
        return False


def _source(address: str, located: list[File], separator: str, encoding: str) -> Source:
    try:
        located[0].require_text()
        first, chosen = located[0], encoding
        if encoding == "auto":
            chosen = "utf-8" if first.is_parquet else transcoding.sniffed_encoding(first.unpacked())
        mark = _separator(first, separator, chosen)
    except OSError as error:
        raise unreadable(address, error) from None
    return Source(address, tuple(replace(file, separator=mark, encoding=chosen) for file in located))


def local_paths(source: Source) -> list[Path]:
    """The files of a source, and what addresses such as ``zip://a.csv::b.zip`` are made of, as far as they lie here."""
    from fsspec.core import split_protocol

    paths = []
    for file in source.files:
        if not is_remote(file.address):
            paths.append(Path(file.address))
            continue
        for part in file.address.split("::"):
            protocol, path = split_protocol(part)  # type: ignore[no-untyped-call]
            if protocol in (None, "file", "local"):
                paths.append(Path(path))
    return paths


def _separator(first: File, separator: str, encoding: str) -> str:
    if separator != "auto":
        return separator
    if first.is_parquet:
        return ","
    with replace(first, encoding=encoding).open() as file:
        return transcoding.sniffed_separator(file)


def unreadable(address: object, error: OSError) -> UserError:
    """The error for a file that is not there, may not be read, or does not decompress."""
    if isinstance(error, FileNotFoundError):
        return UserError(f"{shortened(address)}: expected a CSV file: no such file or directory")
    # A store that sends a reader on to another address, with a signature in it, tells of that one.
    reason = credentials.masked(error.strerror or str(error) or "cannot be read").lower()
    return UserError(f"{shortened(address)}: expected a CSV file: {shortened(reason)}")


def is_remote(address: str) -> bool:
    """Whether fsspec opens the address."""
    return "://" in address


def _addresses(address: str, pattern: str) -> Iterator[str]:
    if is_remote(address):
        yield from _remote_addresses(address, pattern)
    elif Path(address).is_dir():
        yield from (os.path.join(address, name) for name in os.listdir(address) if _is_table(name, pattern))  # noqa: PTH118, PTH208
    elif glob.has_magic(address) and not Path(address).exists():
        yield from glob.glob(address)  # noqa: PTH207
    elif files.is_device(Path(address)):
        raise UserError(
            f"{shortened(address)}: expected a file or a folder, got a pipe or a device; save what it gives as a file"
        )
    else:
        yield address


def _remote_addresses(address: str, pattern: str) -> Iterator[str]:
    system, path = _remote(address)
    with remote.as_os_error():
        if glob.has_magic(address):
            located = system.glob(path)
        elif system.isdir(path):
            names = system.ls(path, detail=False)
            located = [name for name in names if _is_table(name.rpartition("/")[2], pattern)]
        else:
            located = [path]
    # Of a chain, such as zip://a.csv::b.zip, a file's own address does not know the rest.
    inner, _, rest = address.partition("::")
    chained = f"::{rest}" if rest and is_remote(inner) else ""
    yield from (system.unstrip_protocol(name) + chained for name in located)


def _is_table(name: str, pattern: str) -> bool:
    return name.lower().endswith(_ENDINGS) if pattern == "*" else fnmatch.fnmatchcase(name, pattern)


def _remote(address: str) -> tuple[Any, str]:
    """The file system of an address and the path in it. Raises: UserError for a scheme that is not installed."""
    from fsspec.core import url_to_fs

    try:
        system, path = url_to_fs(address)  # type: ignore[no-untyped-call]
        return system, str(path)
    except (OSError, UserError):
        raise
    except Exception as error:  # each file system of fsspec has errors of its own for what an address lacks
        reason = shortened(credentials.masked(" ".join(str(error).split())))
        raise UserError(
            f"{shortened(address)}: cannot be opened: expected all that fsspec needs, got: {reason}"
        ) from None
