"""MLflow's runs of a model, against the run that its stages have just left in a store of their own."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.commands.verify import first_difference
from pipeline.commands.verify.checkout import Checkout
from pipeline.commands.verify.comparison import OutputResult
from pipeline.commands.verify.receipt import Trial
from pipeline.tracking.client.query import StoreProcess
from pipeline.tracking.client.tags import VERIFIED_TAG

# Why a run may differ where the outputs do not.
REASON = (
    "the outputs are those of the commit: the run was changed after it was made, or it is of another commit that has "
    "the same model"
)

_NOT_COMPARED = (
    "expected the stages to leave a run to compare with, got none: MLflow failed beside them; see `python -m pipeline "
    "doctor`, and verify again"
)

# The kinds of places of which a run has many.
_PLURALS = {"metric": "points of metrics", "artifact": "artifacts", "param": "params", "tag": "tags"}


@dataclass(frozen=True)
class RunRecord:
    """A run, its tags, and all that was compared; ``findings`` are empty where nothing was."""

    run_id: str
    tags: dict[str, str]
    findings: Sequence[OutputResult]

    @property
    def differing(self) -> list[OutputResult]:
        """The places in which it differs from the outputs."""
        return [finding for finding in self.findings if finding.difference is not None]

    def trial(self) -> Trial:
        """The comparison as a part of the receipt."""
        place = f"MLflow run {self.run_id[:8]}"
        return Trial(place, self.findings or [OutputResult(place, None, None, _NOT_COMPARED)])

    def verdict(self, commit: str, identical: bool, asked_for: bool) -> str | None:
        """The new value of its tag ``verified``; None where it stays as it is.

        ``identical`` says whether the outputs were made again to the byte. A run that differs and was not asked for may
        be that of another commit, which gave the same model.
        """
        if identical and self.findings and not self.differing:
            return f"yes {commit[:12]}"
        if not identical or asked_for or self.tags.get(VERIFIED_TAG) == f"yes {commit[:12]}":
            return f"no {commit[:12]}"
        return None


def examine(store: StoreProcess, key: str | None, run_id: str | None, workspace: Checkout | None) -> list[RunRecord]:
    """The runs of the model ``key``, and the run ``run_id``, newest first.

    They are compared with what the stages in ``workspace`` logged when they ran again; not without a workspace.
    Raises: UserError if the store cannot be reached.
    """
    again = workspace.tracking_uri if workspace else None
    with tempfile.TemporaryDirectory() as folder:
        runs = store.examine(key or "", run_id, again, Path(folder))
        return [RunRecord(run["id"], run["tags"], _findings(run)) for run in runs]


def _findings(run: dict[str, Any]) -> list[OutputResult]:
    """A finding for each kind of place in which there is no difference, and one for each difference."""
    if run["differences"] is None:
        return []
    place = f"MLflow run {run['id'][:8]}:"
    findings = []
    for kind, count in run["counts"].items():
        if kind not in {each["kind"] for each in run["differences"]}:
            sentence = f"{count:,} {_PLURALS[kind]}" if kind in _PLURALS else kind
            findings.append(OutputResult(f"{place} {sentence}", None, None, None))
    for each in run["differences"]:
        name = f"{each['kind']} {each['name']}".strip()
        findings.append(OutputResult(f"{place} {name}", None, None, _sentence(each)))
    return findings


def _sentence(difference: dict[str, Any]) -> str:
    if difference["files"]:
        before, after = difference["files"]
        return first_difference.first(Path(before), Path(after), difference["name"])
    recorded, again = (difference[side] or "nothing" for side in ("recorded", "again"))
    return f"{recorded} recorded, {again} now"
