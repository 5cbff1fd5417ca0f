"""How far an export is from us: the same rows through both."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.dataset.columns import DATE_PARTS, Chunk, Texts, is_date, is_number, part_name
from pipeline.dataset.encoder import Encoder
from pipeline.export import onnx_graph
from pipeline.export.columns import labels, missing_texts
from pipeline.export.sql import sql_text
from pipeline.predictor.scorer import Scorer


@dataclass(frozen=True)
class Distance:
    """Over so many rows: the largest difference of a probability, and how many rows have another class."""

    rows: int = 0
    largest: float = 0.0
    other_classes: int = 0

    def with_rows(self, ours: NDArray[np.float64], theirs: NDArray[np.float64], other_classes: int) -> "Distance":
        """This and more rows (n, k); NaN is as far as can be."""
        differences = np.abs(ours - theirs)
        largest = float(np.where(np.isnan(differences), np.inf, differences).max(initial=0.0))
        return Distance(self.rows + len(ours), max(self.largest, largest), self.other_classes + other_classes)


def of_onnx(content: bytes, scorer: Scorer, chunks: Iterable[Chunk]) -> Distance:
    """Of the ONNX model, run by onnxruntime on the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = np.array(labels(scorer.model.classes), dtype=object)
    distance = Distance()
    for chunk in chunks:
        scored = scorer.score(chunk)
        probabilities, label = session.run(
            [onnx_graph.PROBABILITIES, onnx_graph.LABEL], onnx_inputs(scorer.model.encoder, chunk)
        )
        others = int(np.count_nonzero(names[scored.predicted] != label))
        distance = distance.with_rows(scored.probabilities, probabilities, others)
    return distance


def onnx_inputs(encoder: Encoder, chunk: Chunk) -> dict[str, NDArray[Any]]:
    """The rows of a chunk as the ONNX model takes them."""
    inputs: dict[str, NDArray[Any]] = {
        column.name: chunk.numbers[column.name][:, np.newaxis] for column in encoder.numbers
    }
    missing = missing_texts(encoder.missing_values)[0]
    for column in encoder.categories:
        texts = chunk.texts[column.name]
        inputs[column.name] = np.array([*texts.levels, missing], dtype=object)[texts.codes][:, np.newaxis]
    return inputs


def of_sql(scorer: Scorer, chunks: Iterable[Chunk]) -> Distance:
    """Of the query, run by DuckDB on tables with one column more, by which the rows are put in order again."""
    import duckdb

    types = scorer.model.encoder.types
    row = "row"
    while any(name.lower() == row for name in types):
        row += "_"
    query = sql_text(scorer, ["rows"], [row])
    names = np.array([str(label) for label in labels(scorer.model.classes)], dtype=object)
    distance = Distance()
    with duckdb.connect() as connection:
        connection.execute("SET max_expression_depth TO 10000")
        for chunk in chunks:
            scored = scorer.score(chunk)  # first, since its error names the row and the column
            rows = as_table(scorer.model.encoder, chunk).append_column(row, pa.array(np.arange(chunk.rows)))
            connection.register("rows", rows)
            result = connection.execute(query).fetchnumpy()
            order = np.argsort(result[row])
            columns = [*result.values()]
            theirs = np.stack([np.ma.filled(column, np.nan)[order] for column in columns[2:]], axis=1)
            others = int(np.count_nonzero(names[scored.predicted] != columns[1].astype(str)[order]))
            distance = distance.with_rows(scored.probabilities, theirs, others)
    return distance


def as_table(encoder: Encoder, chunk: Chunk) -> pa.Table:
    """The rows of a chunk as an Arrow table of doubles, booleans, timestamps and texts."""
    columns = {}
    for name, column_type in encoder.types.items():
        if column_type == "text":
            columns[name] = _texts(chunk.texts[name])
        elif is_date(column_type):
            columns[name] = pa.array(_moments(chunk, name))
        else:
            values = pa.array(chunk.numbers[name], from_pandas=True)
            columns[name] = values if is_number(column_type) else values.cast(pa.bool_())
    return pa.table(columns)


def _texts(texts: Texts) -> pa.Array:
    indices = pa.array(texts.codes, mask=texts.codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(texts.levels, pa.string())).cast(pa.string())


def _moments(chunk: Chunk, name: str) -> NDArray[np.datetime64]:
    parts = {part: chunk.numbers[part_name(name, part)] for part in DATE_PARTS}
    missing = np.isnan(parts["year"])
    year, month, day, hour, minute = (
        np.where(missing, 1, parts[part]).astype(np.int64) for part in ("year", "month", "day", "hour", "minute")
    )
    days = (12 * (year - 1970) + month - 1).astype("datetime64[M]").astype("datetime64[D]") + (day - 1)
    moments = days.astype("datetime64[s]") + (60 * (60 * hour + minute)).astype("timedelta64[s]")
    return np.where(missing, np.datetime64("NaT"), moments)


def first_rows(chunks: Iterable[Chunk], most: int) -> Iterator[Chunk]:
    """The first ``most`` rows."""
    for chunk in chunks:
        yield chunk.rows_of(0, min(chunk.rows, most))
        most -= chunk.rows
        if most <= 0:
            return
