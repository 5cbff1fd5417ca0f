"""JSON files between the stages, read as what they are: files that anyone may have cut short, edited or forged.

A document is UTF-8, an object, and has every key once; its numbers are finite and its texts can be written again. A
sealed document holds its format and the SHA-256 of its own content, which tells accidents from edits but stops no
forger: whoever reads one checks its content too, within ``faults_named``.
"""

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline import files
from pipeline.errors import UserError, quoted, shortened

# Half of a character outside the basic plane, which JSON can name and UTF-8 cannot hold.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

# What pydantic adds to "a valid dictionary": a name of this program's own.
_OUR_NAME = re.compile(r" or instance of \w+")

# A SHA-256 as it stands in JSON.
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Form(BaseModel):
    """Base of what a document must look like: strict about types, and refusing keys that it does not know."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


def read(path: Path, remedy: str, missing: str) -> dict[str, Any]:
    """The JSON object in a file.

    Raises: UserError that names the file and ends with ``remedy``, or with ``missing`` if there is no file.
    """
    return parse(read_bytes(path, missing), path, remedy)


def parse(content: bytes, path: object, remedy: str) -> dict[str, Any]:
    """The JSON object that the content of ``path`` is; the errors are those of ``read``."""
    try:
        document = decoded(content)
    except ValueError:
        raise UserError(f"{path}: expected JSON, got something else: {remedy}") from None
    if not isinstance(document, dict):
        raise UserError(f"{path}: expected a JSON object, got {type(document).__name__}: {remedy}")
    return document


def decoded(content: bytes) -> Any:
    """The JSON value that is the content of a file.

    Raises: ValueError unless every key stands once, numbers are finite, texts can be written again, and lists and
    objects are not nested deeper than Python can follow.
    """
    try:
        text = content.decode()
        document = json.loads(text, parse_constant=_refused, parse_float=_finite, object_pairs_hook=_unique)
        if _SURROGATE.search(text):
            json.dumps(document, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return document


def unsealed(document: dict[str, Any], form: str, path: object, remedy: str, other_format: str) -> dict[str, Any]:
    """The document without its digest, which is of its content; ``other_format`` says what to do about another format.

    Raises: UserError that names the file.
    """
    if "format" not in document:
        raise UserError(f"{path}: expected format {form}, got JSON without 'format': {remedy}")
    if document["format"] != form:
        raise UserError(f"{path}: expected format {form}, got {quoted(document['format'])}: {other_format}")
    content = {key: value for key, value in document.items() if key != "digest"}
    if document.get("digest") != _digest(content):
        raise UserError(f"{path}: digest does not match its content: {remedy}")
    return content


def key(content: bytes, path: object, remedy: str) -> str:
    """The digest of a sealed document of whatever format. Raises: UserError that names the file."""
    document = parse(content, path, remedy)
    unsealed(document, str(document.get("format")), path, remedy, remedy)
    return str(document["digest"])


def _digest(content: dict[str, Any]) -> str | None:
    try:
        return files.sha256_text(files.canonical_json(content))
    except RecursionError:
        return None


def read_bytes(path: Path, missing: str) -> bytes:
    """The bytes of a regular file. Raises: UserError that names the file and ends with ``missing``; PermissionError."""
    require_file(path, missing)
    return path.read_bytes()


def require_file(path: Path, missing: str) -> None:
    """Check that there is a regular file, which DVC may have linked to its cache; a device or a pipe may never end."""
    try:
        is_file = path.is_file()
    except PermissionError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {(error.strerror or '').lower()}; {missing}") from None
    if is_file:
        return
    if not path.exists():
        raise UserError(f"{path}: no such file; {missing}")
    kind = "a folder" if path.is_dir() else "a device, a pipe or a socket"
    raise UserError(f"{path}: expected a regular file, got {kind}; {missing}")


@contextmanager
def faults_named(path: object, remedy: str) -> Iterator[None]:
    """Turn what the checks inside the block find wrong with a document into the UserError that names its file."""
    try:
        yield
    except ValidationError as error:
        raise UserError(f"{path}: {_sentence(error)}: {remedy}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: {shortened(error, 500)}: {remedy}") from None


def _sentence(error: ValidationError) -> str:
    """The first fault, with its place in the document."""
    first = error.errors()[0]
    place = shortened(".".join(map(str, first["loc"])))
    prefix = f"{place}: " if place else ""
    if first["type"] == "extra_forbidden":
        return f"{prefix}expected no such key, got one"
    if first["type"] == "missing":
        return f"{prefix}expected a value, got none"
    if first["type"] == "string_pattern_mismatch":
        return f"{prefix}expected a text of the form {first['ctx']['pattern']}, got {quoted(first['input'])}"
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    expected = shortened(_OUR_NAME.sub("", message))
    return f"{prefix}expected {expected}, got {quoted(first['input'])}"


def _refused(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key stands twice")
    return document
