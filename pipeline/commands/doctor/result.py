"""The result of one check of `doctor`."""

from dataclasses import dataclass

OK, NOTE, PROBLEM = "ok", "note", "problem"


@dataclass(frozen=True)
class CheckResult:
    """An area, its state in a word and in a sentence, and, unless it is well, what to do."""

    area: str
    state: str
    sentence: str
    do: str = ""

    def to_json(self) -> dict[str, str]:
        """The result for programs."""
        return {"area": self.area, "state": self.state, "said": self.sentence, "do": self.do}
