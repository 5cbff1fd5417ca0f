"""Addresses that fsspec opens, such as http:// and s3://: their files as binary streams; failures are OSErrors."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from pipeline import credentials
from pipeline.errors import UserError, shortened


def is_remote(address: str) -> bool:
    """Whether fsspec opens the address."""
    return "://" in address


def file_system(address: str) -> tuple[Any, str]:
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


def opened(address: str) -> BinaryIO:
    """The bytes of a file. Raises: OSError, now or when read; UserError for a scheme that is not installed."""
    return cast(BinaryIO, io.BufferedReader(_Download(*file_system(address))))


@contextmanager
def as_os_error() -> Iterator[None]:
    """Turn any exception of an fsspec backend into OSError; they share no base class."""
    try:
        yield
    except (OSError, UserError):
        raise
    except Exception as error:
        raise OSError(str(error) or type(error).__name__) from error


class _Download(io.RawIOBase):
    """A file that is read from its start; only a jump asks a web server for ranges, which not every one knows."""

    def __init__(self, system: Any, path: str) -> None:
        self._system = system
        self._path = path
        self._file = self._open(streamed=True)

    def _open(self, streamed: bool) -> Any:
        # For http a block size of zero means a stream; files of other stores can jump as they are.
        self._streamed = streamed and self._path.startswith(("http://", "https://"))
        with as_os_error():
            return self._system.open(self._path, "rb", **({"block_size": 0} if self._streamed else {}))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if self._streamed:
            self._file.close()
            self._file = self._open(streamed=(offset, whence) == (0, io.SEEK_SET))
        if not self._streamed:
            with as_os_error():
                self._file.seek(offset, whence)
        return self.tell()

    def tell(self) -> int:
        with as_os_error():
            return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        with as_os_error():
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
