"""What becomes of the tag ``verified`` of a run, from what was found of it."""

import pytest

from pipeline.commands.verify.comparison import OutputResult
from pipeline.commands.verify.run_record import RunRecord

SAME, OTHER = (
    OutputResult("11 params", None, None, None),
    OutputResult("param train.lr", None, None, "0.2 recorded, 0.1 now"),
)
COMMIT = "0123456789abcdef"
YES, NO = "yes 0123456789ab", "no 0123456789ab"


@pytest.mark.parametrize(
    ("findings", "verified", "identical", "asked_for", "verdict"),
    [
        ([SAME], "", True, True, YES),
        ([SAME], "", True, False, YES),
        ([SAME, OTHER], "", True, True, NO),
        ([], "", True, True, NO),  # asked for, and not compared: nothing is proven
        ([SAME, OTHER], "", True, False, None),  # it may be that of another commit
        ([SAME, OTHER], "yes ba9876543210", True, False, None),
        ([SAME, OTHER], YES, True, False, NO),  # it was this commit's once, and was edited since
        ([], "", True, False, None),
        ([SAME], YES, False, False, NO),
        ([], "", False, False, NO),
    ],
)
def test_only_a_run_that_agrees_is_verified(
    findings: list[OutputResult], verified: str, identical: bool, asked_for: bool, verdict: str | None
) -> None:
    """Identical outputs and a run that says what they say; a verdict on another commit stays as it is."""
    run = RunRecord("f" * 32, {"verified": verified}, findings)
    assert run.verdict(COMMIT, identical, asked_for) == verdict
    assert run.trial().identical == (findings == [SAME])
