"""How a fit ends: its numbers, and how far the objective is from its least at most; or why there are none."""

from dataclasses import dataclass

from pipeline.scoring.scaling import Scaling

# Nats; a thousandth of the last digit that anything here is printed with would be a million times as much.
CLOSE_ENOUGH = 1e-12


class NoFitError(Exception):
    """The rows have no such scaling: a result, not a mistake; the message is a sentence without its end."""


@dataclass(frozen=True)
class Fitted:
    """``bound`` in nats: of the mean log loss, and of the penalty where there is one."""

    scaling: Scaling
    bound: float
