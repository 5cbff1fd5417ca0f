"""What a person reads of how a training ended."""

from pipeline.numerics.solvers.status import Status
from pipeline.train.outcome import MEANING


def test_every_status_has_its_meaning() -> None:
    """In words of params.yaml, which the numerics do not know."""
    assert MEANING.keys() == set(Status)
    assert len(set(MEANING.values())) == len(Status)
