"""Learning-rate schedules against their formulas."""

import math
from itertools import islice

import pytest

from pipeline.numerics.solvers.schedules import rates


@pytest.mark.parametrize(
    ("schedule", "formula"),
    [
        ("constant", lambda epoch: 0.4),
        ("step", lambda epoch: 0.4 * 0.5 ** (epoch // 3)),
        ("exponential", lambda epoch: 0.4 * 0.5**epoch),
        ("cosine", lambda epoch: 0.4 * (1 + math.cos(math.pi * epoch / 10)) / 2),
    ],
)
def test_a_schedule_follows_its_formula(schedule, formula) -> None:
    """Ten epochs; torch multiplies step by step, so the last digits differ from the closed form."""
    given = list(islice(rates(schedule, 0.4, epochs=10, every=3, factor=0.5), 10))
    assert given == pytest.approx([formula(epoch) for epoch in range(10)], rel=1e-13)
