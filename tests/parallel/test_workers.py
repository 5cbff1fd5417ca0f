"""How items are handed out to workers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.parallel import workers


@given(st.integers(0, 200), st.integers(2, 9))
def test_every_item_has_one_owner_in_stretches_of_equal_length(items: int, count: int) -> None:
    """Stretches follow one another in the order of the workers, and differ by one item at the most."""
    shares = []
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WORLD_SIZE", str(count))
        for rank in range(count):
            environment.setenv("RANK", str(rank))
            shares.append(list(workers.local_range(items)))
    assert [item for share in shares for item in share] == list(range(items))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert not items or shares[0]  # worker 0 has the first, by which a single item finds its owner
