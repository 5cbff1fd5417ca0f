"""How a training ended, each way with the sentence that says what it means and what to change."""

from enum import Enum


class Status(Enum):
    """The value is the sentence that a person reads."""

    EPOCHS_DONE = "ran all epochs asked for; the gradient norm says how far it is from the optimum"
    STOPPED_EARLY = "the validation cost no longer fell; W and b are those of its best epoch"
    DIVERGED = "the cost became NaN or infinite; lower train.lr, or set prepare.standardise to true"
