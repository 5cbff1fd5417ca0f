"""The result of one check of `doctor`."""

from dataclasses import dataclass

OK, NOTE, PROBLEM = "ok", "note", "problem"


@dataclass(frozen=True)
class CheckResult:
    """What was looked at, how it stands, and, unless it is well, what to do."""

    area: str
    state: str
    said: str
    do: str = ""
