"""The colours of runs: different for all runs that stand side by side."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tracking.client.tags import COLOUR_TAG
from pipeline.tracking.runs import colours
from pipeline.tracking.store.store import Store


def test_the_palette_has_no_colour_twice() -> None:
    """Every colour is one that MLflow reads, and is there once."""
    assert len(set(colours.PALETTE)) == len(colours.PALETTE)
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours.PALETTE)


def test_the_palettes_colours_can_be_told_apart() -> None:
    """No two colours are closer than a tenth of the whole range."""
    pairs = itertools.combinations(colours.PALETTE, 2)
    assert min(colours.distance(*pair) for pair in pairs) >= 765 / 10


@given(st.text(), st.lists(st.sampled_from(colours.PALETTE), unique=True, max_size=len(colours.PALETTE) - 1))
def test_a_taken_colour_is_never_chosen(name: str, taken: list[str]) -> None:
    """As long as one colour is free, a free one is chosen, and the same one for the same name."""
    chosen = colours.choose(name, taken)
    assert chosen in set(colours.PALETTE) - set(taken)
    assert chosen == colours.choose(name, taken)


@given(st.lists(st.text(), min_size=5, max_size=5))
def test_a_handful_of_runs_is_easily_told_apart(names: list[str]) -> None:
    """Whatever they are called, five runs in a row have colours at least a sixth of the whole range apart."""
    chosen: list[str] = []
    for name in names:
        chosen.insert(0, colours.choose(name, chosen))
    assert min(colours.distance(*pair) for pair in itertools.combinations(chosen, 2)) >= 765 / 6


@pytest.mark.slow
def test_runs_of_one_name_in_a_row_have_colours_of_their_own(store: Store) -> None:
    """As many runs as there are colours share none; the next one takes the colour of the oldest."""
    given = []
    for time in range(len(colours.PALETTE) + 1):
        given.append(colours.fresh(store, "the same"))
        store.client.create_run(store.experiment_id, time + 1, {COLOUR_TAG: given[-1]})
    assert len(set(given[:-1])) == len(colours.PALETTE)
    assert given[-1] == given[0]
