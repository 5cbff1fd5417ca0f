"""Texts that a person would take for one: they differ in case, in blanks or in characters that no screen shows."""

from collections.abc import Iterable
from unicodedata import category, normalize


def alike(texts: Iterable[str]) -> list[list[str]]:
    """The texts that somebody may have meant to be one, in groups of two and more, in their order."""
    groups: dict[str, list[str]] = {}
    for text in texts:
        groups.setdefault(_as_read(text), []).append(text)
    return [group for group in groups.values() if len(group) > 1]


def _as_read(text: str) -> str:
    """The text as a reader of its words alone sees it. Source: Unicode's compatibility form, NFKC (UAX 15)."""
    visible = "".join(char for char in normalize("NFKC", text) if category(char) != "Cf")
    return " ".join(visible.split()).casefold()
