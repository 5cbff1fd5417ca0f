"""A section of params.yaml, checked and frozen. Each stage owns its own class; this module owns the checking."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from pipeline.documents import yaml_documents
from pipeline.documents.yaml_documents import InvalidYamlError
from pipeline.errors import UserError, listed, quoted, shortened

# Wrong params told at once.
_MOST_SENTENCES = 10

PARAMS_FILE = Path("params.yaml")


class Section(BaseModel):
    """Base of every stage's ``Params``: frozen, strict about types, and refusing keys that it does not know."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


SectionType = TypeVar("SectionType", bound=Section)


def descriptions(section: type[BaseModel], place: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """The meaning of every param of a section and of the sections in it, by the keys that lead to it."""
    meanings: dict[tuple[str, ...], str] = {}
    for name, field in section.model_fields.items():
        if field.description is not None:
            meanings[*place, name] = field.description
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            meanings |= descriptions(field.annotation, (*place, name))
    return meanings


def read_params(path: Path) -> dict[str, Any]:
    """Parse a params file as DVC does (YAML 1.2 through ruamel.yaml, where 1e-8 is a number).

    Raises: UserError if the file is missing, is not YAML, or holds no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the command from the project's root") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: expected UTF-8 text, got byte 0x{error.object[error.start]:02x}") from None
    try:
        document = yaml_documents.parse(text)
    except InvalidYamlError as error:
        place = f", line {error.line}" if error.line else ""
        raise UserError(f"{path}{place}: not valid YAML: {error}") from None
    if not isinstance(document, dict):
        raise UserError(f"{path}: expected sections such as 'train:', got {type(document).__name__}")
    return document


def load(path: Path, name: str, section: type[SectionType]) -> SectionType:
    """Read section ``name`` of the params file as an instance of ``section``.

    Raises: UserError that names each wrong field, what it expects and what came.
    """
    document = read_params(path)
    if name not in document:
        raise UserError(f"{path}: section '{name}:' is missing")
    content = document[name]
    if not isinstance(content, dict):
        raise UserError(f"{path}: {name}: expected a section of 'key: value' lines, got {quoted(content)}")
    return checked(path, name, section, content)


def checked(place: object, name: str, section: type[SectionType], content: Any) -> SectionType:
    """An instance of ``section`` of what ``place`` has under ``name``. The errors are those of ``load``."""
    try:
        return section.model_validate(content)
    except ValidationError as error:
        sentences = _sentences(place, name, section, content, error)
        raise UserError(listed(sentences, _MOST_SENTENCES, str, "\n")) from None


def _sentences(place: object, name: str, section: type[Section], content: Any, error: ValidationError) -> list[str]:
    """One line a wrong param; the alternatives that a union tried are joined by 'or'."""
    expected: dict[tuple[str, ...], list[ErrorDetails]] = {}
    for detail in error.errors():
        expected.setdefault(_as_typed(content, detail), []).append(detail)
    return [f"{place}: {_sentence(name, section, typed, details)}" for typed, details in expected.items()]


def _as_typed(content: Any, detail: ErrorDetails) -> tuple[str, ...]:
    """The keys of the file that lead to the error; pydantic adds the tags of unions, which no one typed."""
    place: list[str] = []
    for part in detail["loc"]:
        in_file = (part in content) if isinstance(content, dict) else isinstance(content, list)
        if in_file:
            content = content[part]
        if in_file or (detail["type"] == "missing" and part == detail["loc"][-1]):
            place.append(shortened(part))
    return tuple(place)


def _sentence(name: str, section: type[Section], typed: tuple[str, ...], details: list[ErrorDetails]) -> str:
    place = shortened(".".join([name, *typed]))
    first = details[0]
    if first["type"] == "extra_forbidden":
        allowed = ", ".join(_fields_at(section, typed[:-1]))
        return f"{place}: no such param" + (f"; allowed here: {allowed}" if allowed else "")
    if first["type"] == "missing":
        return f"{place}: is missing; add it (params.yaml of the project shows each with its meaning)"
    if first["type"] == "value_error":
        return f"{place}: expected {shortened(first['msg'].removeprefix('Value error, '), 500)}"
    expectation = " or ".join(
        dict.fromkeys(shortened(detail["msg"].removeprefix("Input should be "), 500) for detail in details)
    )
    came = first["input"]
    return f"{place}: expected {expectation}, got {quoted(came)} ({type(came).__name__})"


def _fields_at(section: type[BaseModel], typed: tuple[str, ...]) -> list[str]:
    """The params allowed at a place; empty where the section is a union and its tag decides."""
    current = section
    for part in typed:
        field = current.model_fields.get(part)
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        current = field.annotation
    return list(current.model_fields)
