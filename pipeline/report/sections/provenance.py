"""Where a run comes from, and how to bring it back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline import credentials
from pipeline.errors import listed
from pipeline.nested import flatten
from pipeline.report.blocks import Block, Cell, Code, Facts, Heading, Listing, Paragraph, Sentence, Span, Table
from pipeline.report.documents import Documents
from pipeline.report.text import file_text, name

_COMMAND = "python -m pipeline report REV -o FILE"
ADDED_BY_COMMAND = f"`{_COMMAND}` adds what changed since the commit before."
_OF_COMMAND = (
    f"`{_COMMAND}` adds commit, versions, receipt of `verify` and the commands that bring the run back: they differ "
    "from commit to commit, and this page is the same bytes wherever its inputs are."
)
# Sections that decide a byte of a result; others hold addresses, or how many processes share the work.
_SHOWN = ("prepare", "train", "decide", "evaluate", "infer")
_MOST_PARAMS, _MOST_VALUE, _MOST_ITEMS = 150, 120, 12


@dataclass(frozen=True)
class Origin:
    """What the command knows of a commit or run, and the stage must not: it differs where the results do not.

    ``commit`` is the full hash, empty where there is none; ``revision`` how a person calls it; ``processor`` that of a
    run; ``receipts`` are what `verify` found of this commit, one sentence each; ``unknown`` says what could not be had.
    """

    revision: str
    commit: str = ""
    time: str = ""
    subject: str = ""
    run: str = ""
    processor: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    receipts: Sequence[str] = ()
    unknown: Sequence[str] = ()


def subtitle(origin: Origin | None) -> list[Span]:
    """The line below the heading: which run it is."""
    if origin is None:
        return ["The page of one run, from its files alone"]
    parts: list[Span] = ["Report of ", name(origin.revision, 60)]
    if origin.commit:
        parts.append(f", commit {origin.commit[:12]}")
    return [*parts, f", {origin.time}"] if origin.time else parts


def blocks(documents: Documents, origin: Origin | None) -> list[Block]:
    """Keys and digests, versions, params, and the commands."""
    written: list[Block] = [Facts(list(_facts(documents, origin)))]
    if origin is None:
        written.append(Paragraph(_OF_COMMAND))
    else:
        written += _of_origin(origin)
    return [*written, *_params(documents.params)]


def _facts(documents: Documents, origin: Origin | None) -> Iterator[tuple[str, Sentence]]:
    if origin is not None:
        if origin.commit:
            yield "Commit", Cell(origin.commit, is_code=True)
        if origin.subject:
            yield "Message", name(origin.subject, 100)
        if origin.time:
            yield "Committed", origin.time
        if origin.run:
            yield "MLflow run", name(origin.run, 60)
        if origin.processor:
            yield "Processor", name(origin.processor, 60)
    if documents.model_key:
        yield "model.key", Cell(documents.model_key, is_code=True)
    if documents.prepared is not None:
        yield "Digest of the data", Cell(documents.prepared.digest, is_code=True)


def _of_origin(origin: Origin) -> list[Block]:
    written: list[Block] = []
    if origin.receipts:
        written += [Heading("Verification"), Listing([[file_text(sentence)] for sentence in origin.receipts])]
    elif origin.commit:
        written += [Heading("Verification"), Paragraph("No receipt of `verify` is known for this commit.")]
    if origin.versions:
        rows = [[Cell(package), Cell(version)] for package, version in origin.versions.items()]
        written.append(Table("Main packages, as requirements.lock pins them", ["package", "version"], rows))
    if origin.commit:
        lines = [
            f"git checkout {origin.commit}",
            "dvc checkout || dvc repro",
            f"python -m pipeline verify {origin.commit}",
        ]
        written += [Heading("To bring it back"), Code(lines)]
    return written


def _params(params: dict[str, Any]) -> list[Block]:
    flat = flatten({section: params[section] for section in _SHOWN if section in params})
    if not flat:
        return [Paragraph("The params of this run are not known.")]
    rows = [[name(key, 60), name(_value(value), _MOST_VALUE)] for key, value in list(flat.items())[:_MOST_PARAMS]]
    more = len(flat) - len(rows)
    return [Table("Params", ["param", "value"], rows, f"And {more:,} more in params.yaml." if more else "")]


def _value(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return listed(value, _MOST_ITEMS, _value) or "none"
    return credentials.masked(value) if isinstance(value, str) else str(value)
