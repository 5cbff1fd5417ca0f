"""Nested mappings and lists, made flat."""

from pipeline.nested import flatten, leaves


def test_leaves_are_reached_by_keys_and_positions() -> None:
    """Lists are entered where they are asked for, and an empty mapping or list is a value."""
    document = {"a": {"b": [1, {"c": 2}], "d": {}}, "e": []}
    assert list(leaves(document, into_lists=True)) == [
        (("a", "b", 0), 1),
        (("a", "b", 1, "c"), 2),
        (("a", "d"), {}),
        (("e",), []),
    ]
    assert flatten(document) == {"a.b": [1, {"c": 2}], "a.d": {}, "e": []}


def test_an_empty_document_has_no_names() -> None:
    """Nothing leads to the document itself."""
    assert flatten({}) == {}
