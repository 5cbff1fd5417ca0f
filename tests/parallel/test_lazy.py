"""Items are made when they are asked for, once."""

from pipeline.parallel.lazy import CachedSequence


def test_an_item_is_made_once_and_only_if_it_is_asked_for() -> None:
    """By position, from the end, and in a slice."""
    made: list[int] = []

    def make(place: int) -> str:
        made.append(place)
        return f"item {place}"

    kept = CachedSequence(make, 9)
    assert (len(kept), made) == (9, [])
    assert kept[4] == kept[-5] == "item 4"
    assert kept[7:] == ["item 7", "item 8"]
    assert made == [4, 7, 8]
    assert list(kept) == [f"item {place}" for place in range(9)]
    assert sorted(made) == list(range(9))
