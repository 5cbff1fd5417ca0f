"""How a training ended, each way with the sentence that says what it means and what to change."""

from enum import Enum


class Status(Enum):
    """The value is the sentence that a person reads."""

    EPOCHS_DONE = "ran all epochs asked for; the gradient norm says how far it is from the optimum"
    STOPPED_EARLY = "the validation cost no longer fell; W and b are those of its best epoch"
    WORSE_THAN_BASELINE = (
        "ended worse than where it began, or than the class shares alone predict; "
        "lower train.lr, set prepare.standardise to true, raise train.epochs, "
        "or take train.solver auto with train.lr null, which needs no rate"
    )
    DIVERGED = "the cost became NaN or infinite; lower train.lr, or set prepare.standardise to true"
    CONVERGED = "the optimum, proven: the distance from it is at most train.tolerance of the objective"
    CONVERGED_UNPROVEN = (
        "the optimum, as far as its curvature tells; only with train.l2 above 0 can the distance from it be proven"
    )
    NOT_CONVERGED = (
        "ran all epochs asked for before the distance from the optimum was below train.tolerance; "
        "raise train.epochs or train.tolerance, or set prepare.standardise to true"
    )
    STALLED = (
        "no step lowers the objective any more: float64's rounding is reached before train.tolerance; "
        "raise train.tolerance to the share that is proven, or set prepare.standardise to true, "
        "where train.l2 then weighs columns of deviation 1"
    )
    SEPARABLE = (
        "classes can be told apart without error, in all or in some rows, so that without a penalty W grows for ever "
        "and there is no optimum; "
        "set train.l2 above 0, for instance 1e-6"
    )
