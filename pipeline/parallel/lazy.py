"""Lazy sequences: a worker builds only the items that it uses."""

from collections.abc import Callable, Sequence
from typing import TypeVar, overload

Item = TypeVar("Item")


class LazySequence(Sequence[Item]):
    """Items built by position, anew on each access."""

    def __init__(self, make: Callable[[int], Item], length: int) -> None:
        """Nothing is built yet."""
        self._make = make
        self._length = length

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, position: int) -> Item: ...

    @overload
    def __getitem__(self, position: slice) -> list[Item]: ...

    def __getitem__(self, position: int | slice) -> Item | list[Item]:
        """Of one position, or a list of those in a slice."""
        places = range(self._length)[position]
        return self._one(places) if isinstance(places, int) else [self._one(place) for place in places]

    def _one(self, place: int) -> Item:
        return self._make(place)


class CachedSequence(LazySequence[Item]):
    """Items built by position on first access, and stored."""

    def __init__(self, make: Callable[[int], Item], length: int) -> None:
        """Nothing is built yet. ``make`` may be called by several threads, for one position by two at the most."""
        super().__init__(make, length)
        self._items: list[Item | None] = [None] * length

    def _one(self, place: int) -> Item:
        item = self._items[place]
        if item is None:
            item = self._items[place] = self._make(place)
        return item
