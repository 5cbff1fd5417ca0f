"""Find the files of a table at an address: a file, a folder, a glob, an address of fsspec, or standard input."""

import fnmatch
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from pipeline import credentials, files, screen
from pipeline.errors import UserError, listed, shortened
from pipeline.table import remote, transcoding
from pipeline.table.sources import File, Source, as_user_error

# What a person calls the table that another program writes, and the addresses that mean it.
STANDARD_INPUT = "standard input"
_STANDARD_INPUT = ("-", "/dev/stdin")

# In a folder, what else lies there is no table.
_ENDINGS = tuple(form + packed for form in (".csv", ".tsv", ".txt", ".parquet") for packed in ("", ".gz", ".zst"))


def find(address: str, pattern: str = "*", separator: str = "auto", encoding: str = "utf-8") -> Source:
    """The source at an address: a file, a folder, a glob, or any of these at ``scheme://``.

    Of a folder the files count that match ``pattern``, sorted by name. Separator and encoding are those of the first
    file where they are "auto". Raises: UserError if nothing is there.
    """
    credentials.refuse(address)
    _refuse_no_name(address)
    with as_user_error(address):
        addresses = sorted(_addresses(address, pattern))
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
    if not is_read_once(address):
        yield find(address, encoding="auto")
        return
    name, pipe = (STANDARD_INPUT, 0) if address in _STANDARD_INPUT else (address, address)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "table"
        with (
            screen.bar(f"waiting for {name}"),
            as_user_error(name),
            open(pipe, "rb", closefd=pipe != 0) as stream,
            copy.open("wb") as file,
        ):
            shutil.copyfileobj(stream, file)
        yield _source(name, [File(str(copy), name=name)], "auto", "auto")


@contextmanager
def find_or_copy_all(addresses: Sequence[str]) -> Iterator[Source]:
    """One table of the sources at all addresses, in their order; the errors are those of ``find_or_copy``."""
    with ExitStack() as stack:
        located = [stack.enter_context(find_or_copy(address)) for address in addresses]
        if len(located) == 1:
            yield located[0]
            return
        yield Source(
            listed([str(source) for source in located]), tuple(file for each in located for file in each.files)
        )


def is_read_once(address: str) -> bool:
    """Whether what is there can be read only once: standard input, or a pipe."""
    if address in _STANDARD_INPUT:
        return True
    try:
        return not remote.is_remote(address) and Path(address).is_fifo()
    except OSError:
        return False


def _source(address: str, located: list[File], separator: str, encoding: str) -> Source:
    first = located[0]
    with as_user_error(address):
        first.require_text()
        is_parquet = first.is_parquet
        if encoding == "auto":
            encoding = "utf-8" if is_parquet else transcoding.sniffed_encoding(first.unpacked())
        if separator == "auto" and is_parquet:
            separator = ","
        elif separator == "auto":
            with replace(first, encoding=encoding).open() as file:
                separator = transcoding.sniffed_separator(file)
    return Source(address, tuple(replace(file, separator=separator, encoding=encoding) for file in located))


def _addresses(address: str, pattern: str) -> Iterator[str]:
    if remote.is_remote(address):
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
    system, path = remote.file_system(address)
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
    chained = f"::{rest}" if rest and remote.is_remote(inner) else ""
    yield from (system.unstrip_protocol(name) + chained for name in located)


def _is_table(name: str, pattern: str) -> bool:
    return name.lower().endswith(_ENDINGS) if pattern == "*" else fnmatch.fnmatchcase(name, pattern)
