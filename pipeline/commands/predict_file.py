"""`predict -o`: the predictions of all rows in a file, a folder of files, or standard output."""

import os
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import pyarrow as pa

from pipeline import files, screen
from pipeline.errors import UserError, shortened
from pipeline.parallel import workers
from pipeline.predictor.batch import destination
from pipeline.predictor.batch.blocks import Batch, Seen
from pipeline.predictor.batch.columns import OutputColumns
from pipeline.predictor.batch.destination import Destination
from pipeline.predictor.batch.formats import Csv, Format, Parquet
from pipeline.predictor.scorer import Scorer
from pipeline.scoring import predictions
from pipeline.table import find_source, progress, sources, stream
from pipeline.table.sources import File, Source, TableSource

# A part that another version of the code began is begun anew.
_REQUEST_FORMAT = "softmax-batch/2"


def write(
    scorer: Scorer,
    columns: OutputColumns,
    source: Source,
    out: str | Path,
    read: Sequence[Path],
    typed: Callable[[object], str],
) -> tuple[Seen, tuple[int, int]]:
    """Write the rows of ``source`` to ``out``; what was seen, and the rows that are there and lack an interval.

    ``read`` are the other files that are read. Worker 0 writes.
    Raises: UserError if a row cannot be scored, there are none, or ``out`` cannot be written; it then is as it was.
    """
    place = Path(out)
    is_folder = _is_folder(out)
    form: Format = Parquet(columns) if is_parquet(out) else Csv(columns)
    if place != predictions.STANDARD_OUTPUT:
        _require_place(place, source, read)
    batch = Batch(scorer, columns, form)
    if workers.rank():
        return batch.write(source, None), (0, 0)
    with _opened(place, is_folder, form, _request(batch, source, read)) as there, _bar(place, source) as options:
        if there.done:
            rows = f"{there.totals[0]:,}"
            screen.say(f"{screen.unbroken(typed(out))}: goes on after row {rows}, where an earlier run was ended")
        seen = batch.write(source, there, options)
        if not seen.rows:
            raise no_rows(source)
    return seen, there.totals


def is_parquet(out: str | Path) -> bool:
    """Whether a file or folder of this name is written as Parquet."""
    return _is_folder(out) or Path(out).suffix.lower() == ".parquet"


def _is_folder(out: str | Path) -> bool:
    return Path(out) != predictions.STANDARD_OUTPUT and (str(out).endswith(("/", os.sep)) or Path(out).is_dir())


def no_rows(source: TableSource) -> UserError:
    """The error for a table without any row."""
    return UserError(f"{source}: expected rows to score, got only a header line")


def how_to_go_on(out: str | Path | None, typed: Callable[[object], str]) -> str:
    """What a person does after Ctrl-C."""
    if out is None:
        return "the same command begins anew"
    rows = destination.rows_on_disk(Path(out)) if Path(out).name else 0
    again = f"goes on after row {rows:,}" if rows else "begins anew"
    return f"{typed(out)} is as it was; the same command {again}"


def _opened(out: Path, is_folder: bool, form: Format, request: str) -> AbstractContextManager[Destination]:
    if out == predictions.STANDARD_OUTPUT:
        return _streamed(files.standard_output(), form)
    if is_folder:
        return destination.folder(out, form, request)
    if files.is_device(out):
        return _streamed(files.replacing(out), form)
    return destination.file(out, form, request)


@contextmanager
def _streamed(opened: AbstractContextManager[IO[bytes]], form: Format) -> Iterator[Destination]:
    with opened as file, destination.stream(file, form) as there:
        yield there


@contextmanager
def _bar(out: Path, source: Source) -> Iterator[stream.ReadOptions]:
    """A bar while a file is written; rows on the screen show for themselves how far it is."""
    if out == predictions.STANDARD_OUTPUT and sys.stdout.isatty():
        yield stream.DEFAULTS
        return
    with progress.bar("predict", source.size()) as watch:
        yield replace(stream.DEFAULTS, watch=watch)


def _require_place(out: Path, source: Source, read: Sequence[Path]) -> None:
    standard_input = [0] if any(file.name == find_source.STANDARD_INPUT for file in source.files) else []
    inputs = [*sources.local_paths(source), *read]
    if out.is_dir():
        inside = next((path for path in inputs if path.resolve().is_relative_to(out.resolve())), None)
        if inside is not None:
            raise UserError(f"{out}: holds {shortened(inside)}, one of the files that are read; write to another")
        return
    files.refuse_to_overwrite(out, [*inputs, *standard_input])


def _request(batch: Batch, source: Source, read: Sequence[Path]) -> str:
    """A digest of all that decides the bytes, but of local tables their stamps: size, time and inode."""
    content = {
        "format": _REQUEST_FORMAT,
        "pyarrow": pa.__version__,
        "form": batch.form.name,
        "columns": batch.columns.names,
        "kept": list(batch.columns.kept),
        "model": {str(path): files.sha256_file(path) for path in read if path.exists()},
        "tables": [
            [file.address if not file.name else file.name, file.separator, file.encoding, *_stamp(file)]
            for file in source.files
        ],
    }
    return files.sha256_text(files.canonical_json(content))


def _stamp(file: File) -> list[str]:
    if file.name:  # a copy of what can be read once, whose time is now
        return [file.digest()]
    with sources.as_user_error(file):
        stamp = [*map(str, file.stamp())]
    # A store that tells only how large a file is may hold another of the same size.
    return stamp if set(stamp[1:]) != {"None"} else [*stamp, secrets.token_hex()]
