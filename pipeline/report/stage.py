"""Stage 6: the files of all stages become one page, the same bytes wherever they are the same."""

import os
from pathlib import Path
from typing import Any

from pipeline import files, screen
from pipeline.documents import json_documents
from pipeline.output_files import (
    DECISION_FILE,
    HISTORY_FILE,
    METADATA_FILE,
    PREPARED_FILE,
    REPORT_FILE,
    SCHEMA_FILE,
    SNAPSHOTS_FILE,
    WEIGHTS_FILE,
)
from pipeline.report import page
from pipeline.report.documents import Documents, Reader


def main(*, params: dict[str, Any], prepared: Path, model: Path, out: Path) -> None:
    """Read what the stages left, and write report.html into ``out``; ``params`` is the whole params document.

    Raises: UserError if a file is damaged or forged, or what every run has is missing.
    """
    reader = files_on_disk(prepared, model, out)
    for name in (PREPARED_FILE, METADATA_FILE):
        json_documents.require_file(Path(reader.place(name)), "run `dvc repro`")
    path = out / REPORT_FILE
    files.write_text(path, page.html(Documents(reader, params)))
    screen.say(f"report: {path}: one file that can be mailed and printed; it opens in any browser")


def files_on_disk(prepared: Path, model: Path, out: Path) -> Reader:
    """The files of the three folders that stages write into."""
    folders = dict.fromkeys((PREPARED_FILE, SCHEMA_FILE), prepared)
    folders |= dict.fromkeys((METADATA_FILE, WEIGHTS_FILE, HISTORY_FILE, SNAPSHOTS_FILE, DECISION_FILE), model)

    def path_of(name: str) -> Path:
        return folders.get(name, out) / name

    def read(name: str) -> bytes | None:
        path = path_of(name)
        # A link to DVC's cache that leads nowhere is a file that is lost, not one that the run lacks.
        return json_documents.read_bytes(path, "run `dvc repro`") if os.path.lexists(path) else None

    return Reader(read, lambda name: str(path_of(name)))
