"""Write a model as ONNX and as SQL, and print how far their probabilities are from ours."""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from pipeline import files, output_files, screen
from pipeline.commands import model_table
from pipeline.dataset.columns import Chunk
from pipeline.dataset.encoder import Encoder
from pipeline.errors import UserError
from pipeline.export import distance
from pipeline.export.distance import Distance
from pipeline.export.made_rows import made_rows
from pipeline.params import PARAMS_FILE
from pipeline.predictor import scorer as scorers
from pipeline.predictor.column_types import require_column_types
from pipeline.table import sources, stream

# Enough to see every kind of row, and done in seconds.
MOST_ROWS_COMPARED = 100_000


def main(
    *,
    model: Path,
    onnx: Path | None = None,
    sql: Path | None = None,
    table: Sequence[str] = ("rows",),
    keep: Sequence[str] = (),
    check: str | None = None,
    typed: Callable[[object], str] = str,
) -> None:
    """Write the model in folder ``model`` to the files ``onnx`` and ``sql``, and compare each with it.

    ``table`` is what the query reads, ``keep`` the columns of it that stand before the predictions. Rows to compare are
    the first of the table at ``check``, else of prepare.source if that is there, else made from the encoder.
    Raises: UserError if the model cannot be used or expressed, a library is missing, or a file cannot be written.
    """
    scorer = scorers.load(model)
    require_column_types(scorer.model.encoder, model / output_files.METADATA_FILE)
    _require_libraries(onnx, sql)
    if onnx is not None and sql is not None and onnx.resolve() == sql.resolve():
        raise UserError(f"{typed(sql)}: expected a file for ONNX and another for SQL, got the same for both")
    read = scorers.paths(model)
    rows, of_what = _rows(scorer.model.encoder, check, typed, read)
    for out in filter(None, (onnx, sql)):
        files.require_file_name(out)
        files.refuse_to_overwrite(out, read)
    # A file is written once it is measured.
    if onnx is not None:
        from pipeline.export.onnx_graph import onnx_bytes

        content = onnx_bytes(scorer)
        measured = distance.of_onnx(content, scorer, rows)
        files.write_bytes(onnx, content)
        _say(typed(onnx), measured, of_what, "run by onnxruntime")
    if sql is not None:
        from pipeline.export.sql import sql_text

        query = sql_text(scorer, table, keep)
        measured = distance.of_sql(scorer, rows)
        files.write_text(sql, query)
        _say(typed(sql), measured, of_what, "run by DuckDB")


def _require_libraries(onnx: Path | None, sql: Path | None) -> None:
    needed = (["onnx", "onnxruntime"] if onnx is not None else []) + (["duckdb"] if sql is not None else [])
    absent = [name for name in needed if not _is_installed(name)]
    if absent:
        raise UserError(
            f"export needs {' and '.join(absent)}, which this environment lacks; install the extra `export`: "
            "`pip install -e '.[export]'`"
        )


def _is_installed(name: str) -> bool:
    try:
        import_module(name)
    except ModuleNotFoundError:
        return False
    return True


def _rows(
    encoder: Encoder, check: str | None, typed: Callable[[object], str], read: list[Path]
) -> tuple[list[Chunk], str]:
    """Rows to compare, and whose they are; ``read`` gets the files of the table."""
    if check is None:
        read.append(Path(PARAMS_FILE))
    try:
        with model_table.opened(check) as source:
            read += sources.local_paths(source)
            chunks = stream.read(source, encoder.types, encoder.missing_values)
            rows = [*distance.first_rows(chunks, MOST_ROWS_COMPARED)]
            if not rows:
                raise UserError(f"{source}: expected rows to compare, got only a header line")
            return rows, f"of {screen.unbroken(typed(source))}"
    except UserError:
        if check is not None:
            raise
    return [made_rows(encoder)], "made from the encoder, since prepare.source has none for this model"


def _say(name: str, measured: Distance, of_what: str, how: str) -> None:
    rows = f"{measured.rows:,} {'row' if measured.rows == 1 else 'rows'}"
    agree = (
        "the class is the same in all"
        if not measured.other_classes
        else (f"the class is another in {measured.other_classes:,}")
    )
    screen.say(
        f"{screen.unbroken(name)} written; {how} on {rows} {of_what}, its probabilities are at most "
        f"{measured.largest:.2g} from ours, and {agree}"
    )
