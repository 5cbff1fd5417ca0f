"""A receipt of `verify`: whether a commit, run again, gave the bytes that were recorded."""

from typing import Any

from pydantic import Field

from pipeline.documents import json_documents
from pipeline.results.checks import OpenForm

_REMEDY = "it was cut short or edited; run `python -m pipeline verify` again"


class _Trial(OpenForm):
    setting: str
    outputs: dict[str, Any] = Field(default_factory=dict)
    differences: dict[str, Any] = Field(default_factory=dict)


class _Receipt(OpenForm):
    commit: str
    verdict: str
    environment: dict[str, str] = Field(default_factory=dict)
    trials: list[_Trial] = Field(default_factory=list)


def parse_receipt(content: bytes, place: object) -> dict[str, Any]:
    """A receipt with its lists. Raises: UserError that names ``place``."""
    document = json_documents.parse(content, place, _REMEDY)
    with json_documents.faults_named(place, _REMEDY):
        return _Receipt.model_validate(document).model_dump()
