"""The colour of a run in MLflow's charts: one that none of its neighbours in the table has.

MLflow's own choice is a hash of the run's id into twelve colours or so, in which runs side by side often share one.
"""

import hashlib
from collections.abc import Sequence

from pipeline.tracking.client.tags import COLOUR_TAG
from pipeline.tracking.store.store import Store

# Most of Kenneth Kelly's colours of maximum contrast (Color Engineering 3(6), 1965), without those that a white page
# swallows or that are drawn alike as a thin line, and a few in the gaps between them.
PALETTE = (
    *("#875692", "#f38400", "#0067a5", "#be0032", "#008856", "#e68fac", "#b3446c", "#882d17", "#8db600", "#e25822"),
    *("#2b3d26", "#4a90d9", "#00b8b8", "#9c6ade", "#d6479e", "#5a7d2a", "#7a8fb8", "#1f5c5c"),
)

# Charts of more runs than these are read by pointing at the lines.
_NEIGHBOURS = 6
_CANDIDATES = 4


def fresh(store: Store, name: str) -> str:
    """A colour for a run of this name, other than those of the newest runs of the experiment."""
    newest = store.client.search_runs(
        [store.experiment_id], max_results=len(PALETTE) - 1, order_by=["attributes.start_time DESC"]
    )
    return choose(name, [run.data.tags.get(COLOUR_TAG, "") for run in newest])


def choose(name: str, taken: Sequence[str]) -> str:
    """A colour that is not ``taken``, which has the newest first: one of those least like the newest.

    Which of them, the name says, so that two processes that choose at once seldom agree. At least one must be free.
    """
    free = [colour for colour in PALETTE if colour not in taken]
    near = [colour for colour in taken[:_NEIGHBOURS] if colour in PALETTE]
    least_alike = sorted(free, key=lambda colour: min((distance(colour, other) for other in near), default=0))
    candidates = least_alike[-_CANDIDATES:]
    digest = hashlib.sha256(name.encode()).digest()
    return candidates[int.from_bytes(digest[:8]) % len(candidates)]


def distance(first: str, second: str) -> int:
    """The distance of two colours ``#rrggbb``: the sum of the differences in red, green and blue, 0 to 765."""
    return sum(abs(int(first[place : place + 2], 16) - int(second[place : place + 2], 16)) for place in (1, 3, 5))
