"""How reading ends that is refused."""

from collections.abc import Callable

import pytest

from pipeline.errors import UserError


def refusal(read: Callable[[bytes, object], object], content: bytes, place: str) -> str:
    """The sentence with which reading ends."""
    with pytest.raises(UserError) as caught:
        read(content, place)
    message = str(caught.value)
    assert message.startswith(place), message
    assert len(message) < 700, message
    assert "dvc repro" in message
    return message
