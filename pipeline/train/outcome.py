"""The outcome of a training: the numbers of its last point, and the sentence that each status means to a person."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.numerics.objective.evaluation import Evaluation
from pipeline.numerics.solvers.status import Status


@dataclass(frozen=True)
class FitOutcome:
    """Measures of the parameters that training keeps; ``bound`` on f - f* in nats, None where none is proven.

    ``nonzero_weights`` counts those of W where train.l1 makes some exactly 0, else None. ``start`` is where training
    began, None for a method that steps downwards only.
    """

    final: Evaluation
    bound: float | None
    passes: int
    method: str
    reason: str
    findings: Sequence[str] = ()
    nonzero_weights: int | None = None
    start: Evaluation | None = None


# What it means, and what to change.
MEANING = {
    Status.EPOCHS_DONE: "ran all epochs asked for; the gradient norm says how far it is from the optimum",
    Status.STOPPED_EARLY: "the validation cost no longer fell; W and b are those of its best epoch",
    Status.WORSE_THAN_BASELINE: (
        "ended worse than where it began, or than the class shares alone predict; "
        "lower train.lr, set prepare.standardise to true, raise train.epochs, "
        "or take train.solver auto with train.lr null, which needs no rate"
    ),
    Status.DIVERGED: "the cost became NaN or infinite; lower train.lr, or set prepare.standardise to true",
    Status.CONVERGED: "the optimum, proven: the distance from it is at most train.tolerance of the objective",
    Status.CONVERGED_UNPROVEN: (
        "the optimum, as far as its curvature tells; only with train.l2 above 0 can the distance from it be proven"
    ),
    Status.NOT_CONVERGED: (
        "ran all epochs asked for before the distance from the optimum was below train.tolerance; "
        "raise train.epochs or train.tolerance, or set prepare.standardise to true"
    ),
    Status.STALLED: (
        "no step lowers the objective any more: float64's rounding is reached before train.tolerance; "
        "raise train.tolerance to the share that is proven, or set prepare.standardise to true, "
        "where train.l2 then weighs columns of deviation 1"
    ),
    Status.SEPARABLE: (
        "classes can be told apart without error, in all or in some rows, so that without a penalty W grows for ever "
        "and there is no optimum; "
        "set train.l2 above 0, for instance 1e-6"
    ),
}
