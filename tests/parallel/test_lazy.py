"""Items are made when they are asked for, once."""

from pipeline.parallel.lazy import CachedSequence


def test_an_item_is_made_once_and_only_if_it_is_asked_for() -> None:
    """By position, from the end, and in a slice."""
    built: list[int] = []

    def make(place: int) -> str:
        built.append(place)
        return f"item {place}"

    cached = CachedSequence(make, 9)
    assert (len(cached), built) == (9, [])
    assert cached[4] == cached[-5] == "item 4"
    assert cached[7:] == ["item 7", "item 8"]
    assert built == [4, 7, 8]
    assert list(cached) == [f"item {place}" for place in range(9)]
    assert sorted(built) == list(range(9))
