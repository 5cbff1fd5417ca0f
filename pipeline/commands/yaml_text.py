"""YAML for people: values on one line, comments behind keys, one section in place of another, and DVC's layout.

All else in a text stays byte for byte; ruamel.yaml's round trip lays out anew what a person has laid out.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from textwrap import wrap
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import CollectionNode, MappingNode

from pipeline import screen
from pipeline.documents import yaml_documents
from pipeline.documents.yaml_documents import InvalidYamlError
from pipeline.nested import leaves

COLUMN = 33

# Blank lines, and lines of comments that no indent makes part of a section.
_BEFORE_A_SECTION = re.compile(r"(?:^(?:#.*)?\n)*\Z", re.MULTILINE)

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_/-]*")
_OTHERWISE_READ = {"null", "true", "false", "y", "n", "yes", "no", "on", "off", ".inf", ".nan"}

Place = tuple[str, ...]


def to_yaml(value: Any) -> str:
    """A value as YAML on one line, such as ``[plain, "a: b"]``; JSON's quotes and escapes are YAML's too.

    ruamel.yaml's own writer leaves texts such as ": a" bare, which no parser reads as a text.
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{to_yaml(key)}: {to_yaml(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(to_yaml, value)) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _OTHERWISE_READ:
        return value
    # YAML takes some characters in no other form than escaped.
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)


def commented(text: str, comments: Mapping[Place, str]) -> str:
    """A YAML text with ``comments`` in place of those behind the same keys, by the keys that lead there.

    A comment begins in COLUMN or behind a longer value; its further lines stand below it, in COLUMN.
    """
    ends = {line: (column, place) for place, line, column in _ends(YAML(typ="safe", pure=True).compose(text))}
    lines: list[str] = []
    is_replaced = False
    for number, line in enumerate(text.splitlines()):
        column, place = ends.get(number, (len(line), ()))
        if place in comments:
            lines += _beside(line[:column], comments[place])
            is_replaced = True
        elif not (is_replaced and line[:COLUMN].isspace() and line[COLUMN : COLUMN + 1] == "#"):
            lines.append(line)
            is_replaced = False
    return "".join(f"{line}\n" for line in lines)


def with_section(text: str, name: str, section: str) -> str:
    """A YAML text of sections in which ``section`` stands in place of the one of this name, or before all others.

    Raises: ValueError if the other sections would not keep their values, as where they share an anchor with this one.
    """
    document = YAML(typ="safe", pure=True).compose(text)
    starts = [(key.value, key.start_mark.index) for key, _ in document.value]
    begins = [*(start for _, start in starts), len(text)]
    ends = [len(_BEFORE_A_SECTION.sub("", text[:end])) for end in begins[1:]]
    places = [(begin, end) for (key, begin), end in zip(starts, ends, strict=True) if key == name]
    begin, end = places[0] if places else (begins[0], begins[0])
    edited = text[:begin] + section + text[end:]
    if not _is_read_as(edited, yaml_documents.parse(text) | yaml_documents.parse(section)):
        raise ValueError(
            f"expected sections on lines of their own that share no anchor (&, *, <<) with '{name}:', each with a "
            "plain key at the start of its line, got others; write them so"
        )
    return edited


def as_dvc_writes(text: str) -> str:
    """A YAML text laid out as `dvc exp run -S` leaves it, so that a changed param is a changed line.

    Lists stand on lines of their own, and comments behind an item or below a list are lost, as DVC loses them. A text
    that DVC would not write back with the same values stays as it is.
    """
    round_trip = YAML()
    round_trip.default_flow_style = False
    document = round_trip.load(text)
    _renew_lists(document)
    written = io.StringIO()
    round_trip.dump(document, written)
    return written.getvalue() if _is_read_as(written.getvalue(), yaml_documents.parse(text)) else text


def _renew_lists(mapping: dict[Any, Any]) -> None:
    for key, value in mapping.items():
        if isinstance(value, dict):
            _renew_lists(value)
        elif isinstance(value, list):
            mapping[key] = list(value)


def _is_read_as(text: str, expected: dict[Any, Any]) -> bool:
    """Whether a YAML text holds these sections, in any order; 1, 1.0 and true are three values, NaN equals itself."""
    try:
        sections = yaml_documents.parse(text)
    except InvalidYamlError:
        return False
    if not isinstance(sections, dict) or sections.keys() != expected.keys():
        return False
    pairs = [(leaves(sections[key], into_lists=True), leaves(expected[key], into_lists=True)) for key in expected]
    return all(repr(one) == repr(other) for pair in pairs for one, other in zip_longest(*pair))


def _ends(mapping: MappingNode, above: Place = ()) -> Iterator[tuple[Place, int, int]]:
    """Per key of a mapping and of those in it: its place, and the line and column behind its value.

    A value on lines of its own, and one that is not there, count as ending with the key's colon.
    """
    for key, value in mapping.value:
        place = (*above, key.value)
        is_there = value.start_mark.index < value.end_mark.index
        if is_there and (not isinstance(value, CollectionNode) or value.flow_style):
            yield place, value.end_mark.line, value.end_mark.column
            continue
        yield place, key.end_mark.line, key.end_mark.column + 1
        if isinstance(value, MappingNode):
            yield from _ends(value, place)


def _beside(content: str, comment: str) -> list[str]:
    first, *others = comment.split("\n")
    beside, below = f"{content}  ".ljust(COLUMN) + "# ", " " * COLUMN + "# "
    lines = wrap(first, screen.WIDEST, initial_indent=beside, subsequent_indent=below, break_long_words=False)
    for other in others:
        lines += wrap(other, screen.WIDEST, initial_indent=below, subsequent_indent=below, break_long_words=False)
    return lines
