"""The end of a training, in a word; train/outcome.py has the sentence for each."""

from enum import Enum


class Status(Enum):
    """The value is the word in softmax.json."""

    EPOCHS_DONE = "epochs_done"
    STOPPED_EARLY = "stopped_early"
    WORSE_THAN_BASELINE = "worse_than_baseline"
    DIVERGED = "diverged"
    CONVERGED = "converged"
    CONVERGED_UNPROVEN = "converged_unproven"
    NOT_CONVERGED = "not_converged"
    STALLED = "stalled"
    SEPARABLE = "separable"
