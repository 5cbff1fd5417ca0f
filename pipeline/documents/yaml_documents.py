"""YAML that anyone may have written (params.yaml, dvc.yaml, dvc.lock), read as DVC reads it: YAML 1.2, safely.

A few lines of anchors can stand for more values than any memory holds, or for a value inside itself: what a file
stands for is counted before anyone walks through it.
"""

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import CollectionNode

from pipeline.errors import shortened

# A params.yaml of 10,000 class weights has 0.2 MiB; the parser, in Python, takes seconds for each of these.
MOST_CHARACTERS = 4 * 2**20
_MOST_VALUES = 1_000_000


class InvalidYamlError(ValueError):
    """A text is no YAML that can be used; ``line`` counts from 1, None where no line is to blame."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        """``problem`` is one line."""
        super().__init__(problem)
        self.line = line


def parse(text: str) -> Any:
    """The value of a YAML text. Raises: InvalidYamlError."""
    if len(text) > MOST_CHARACTERS:
        raise InvalidYamlError(f"expected at most {MOST_CHARACTERS:,} characters, got {len(text):,}")
    try:
        if "&" in text and "*" in text:
            _count(_parser().compose(text), {})  # before anything is built: merged keys are copied, each time
        document = _parser().load(text)
        if "\\" in text:
            _require_characters(document)
    except InvalidYamlError:
        raise
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise InvalidYamlError(shortened(problem), mark.line + 1 if mark else None) from None
    except RecursionError:
        raise InvalidYamlError("nested too deeply") from None
    except (ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError) as error:
        # What the parser's makers did not foresee, such as a date of a month 13.
        raise InvalidYamlError(shortened(error) or type(error).__name__) from None
    return document


def _parser() -> YAML:
    return YAML(typ="safe", pure=True)


def _count(node: Any, known: dict[int, int]) -> int:
    """How many values a node of the parser's stands for, itself and every repetition counted."""
    if not isinstance(node, CollectionNode):
        return 1
    if id(node) not in known:
        known[id(node)] = 0  # while it is counted
        parts = (part for entry in node.value for part in (entry if isinstance(entry, tuple) else (entry,)))
        total = 1 + sum(_count(part, known) for part in parts)
        if total > _MOST_VALUES:
            raise InvalidYamlError(f"anchors that stand for more than {_MOST_VALUES:,} values")
        known[id(node)] = total
    if not known[id(node)]:
        raise InvalidYamlError("an anchor that stands inside itself")
    return known[id(node)]


def _require_characters(value: Any) -> None:
    """Check that no text has half a character, which an escape can name and UTF-8 cannot hold."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidYamlError("a text with half a character (a lone surrogate)") from None
    elif isinstance(value, dict):
        for part in (*value, *value.values()):
            _require_characters(part)
    elif isinstance(value, list | tuple | set):
        for part in value:
            _require_characters(part)
