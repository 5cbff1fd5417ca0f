"""The pass over a table that encodes its rows and writes the dataset."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset import shard
from pipeline.dataset.columns import Chunk, Class
from pipeline.dataset.row_digests import Digests
from pipeline.dataset.writer import Writer
from pipeline.prepare import fit_encoder, schema
from pipeline.prepare.column_roles import Roles
from pipeline.prepare.duplicates import Duplicates
from pipeline.prepare.kept_values import KeptValues, Values, values_of
from pipeline.prepare.params import PrepareParams
from pipeline.prepare.report import (
    code_lines,
    held_out_lines,
    kept_lines,
    label_lines,
    report_lines,
    straddling_lines,
)
from pipeline.prepare.split import Assignment
from pipeline.prepare.survey_source import Learned, renumbered
from pipeline.table import row_hash, stream
from pipeline.table.sources import TableSource

Parts = dict[str, shard.Shard]


def write(
    params: PrepareParams,
    source: TableSource,
    columns: Roles,
    learned: Learned,
    folder: Path,
    options: stream.ReadOptions = stream.DEFAULTS,
) -> list[str]:
    """Fit the encoder, encode all rows into shards under the empty ``folder``; returns the report's lines."""
    # Fit: the encoder, on the training rows.
    classes = sorted(set(learned.classes.values()))
    encoder = fit_encoder.fit(
        source,
        learned.training,
        columns.features,
        columns.target,
        classes,
        params.missing_values,
        params.standardise,
        params.date_parts,
        params.max_levels,
        params.dtype,
    )
    # Encode, on threads; rows are numbered from 0 within their chunk, which does not know its first row yet.
    numbers = {text: classes.index(name) for text, name in learned.classes.items()}
    twins = Duplicates(folder) if params.split.may_straddle else None
    compared = [*columns.features, columns.target]

    def work(chunk: Chunk) -> tuple[shard.Shard | Parts, Digests | None, dict[str, Values]]:
        weights = None if columns.weights is None else chunk.numbers[columns.weights]
        labels = renumbered(chunk.texts[columns.target], numbers)
        encoded = encoder.encode(chunk)
        groups = None if columns.key is None else row_hash.of_rows(chunk, [columns.key])
        digests = {name: row_hash.of_rows(chunk, [name]) for name in columns.kept}
        kept = np.stack([*digests.values()], axis=1) if digests else None
        values = {name: values_of(chunk, name, digests[name]) for name in params.keep_values}
        positions = np.arange(chunk.rows, dtype=np.int64)
        rows = shard.Shard(encoded.numbers, encoded.codes, labels, positions, weights, groups, kept)
        divided = _divided(rows, learned.assign(chunk)) if learned.row_wise else rows
        return divided, None if twins is None else row_hash.of_rows(chunk, compared), values

    # Write, in order: the rows of each split, then schema and encoder.
    split_rows = dict.fromkeys(shard.SPLITS, 0)
    split_classes = {name: np.zeros(len(classes), dtype=np.int64) for name in shard.SPLITS}
    kept_values = KeptValues(params.keep_values)
    reading = stream.Reading(learned.statistics.types, params.missing_values, options)
    with Writer(folder) as writer:
        for chunk, (result, row_digests, values) in stream.mapped_settled(source, reading, work):
            parts = _divided(result, learned.assign(chunk)) if isinstance(result, shard.Shard) else result
            for name, part in parts.items():
                split_rows[name] += len(part.rows)
                weighted = part.labels if part.weights is None else part.labels[part.weights > 0]
                split_classes[name] += np.bincount(weighted, minlength=len(classes))
                writer.add(name, replace(part, rows=part.rows + chunk.first_row))
            kept_values.add(values)
            if twins is not None and row_digests is not None:
                for index, name in enumerate(shard.SPLITS):
                    twins.add(row_digests[parts[name].rows], index)
        roles_by_column = columns.by_column()
        straddling = None if twins is None else twins.count()
        described = schema.describe(learned.statistics, roles_by_column, columns.ignored, learned.dropped, straddling)
        writer.finish(described, encoder, columns.kept, kept_values.by_column())
    # Report: what was read, and what to look at twice.
    return [
        *report_lines(learned.statistics, encoder, _class_rows(learned, columns.target), split_rows, learned.dropped),
        *kept_lines(columns.kept),
        *code_lines(learned.codes),
        *label_lines(columns.target, learned.classes),
        *straddling_lines(straddling or 0),
        *held_out_lines(params.split.asked_for, split_classes, classes),
    ]


def _divided(rows: shard.Shard, assigned: Assignment) -> Parts:
    return {name: _where(rows, assigned == index) for index, name in enumerate(shard.SPLITS)}


def _where(rows: shard.Shard, mask: NDArray[np.bool_]) -> shard.Shard:
    return rows if mask.all() else shard.Shard(**{name: array[mask] for name, array in rows.tensors().items()})


def _class_rows(learned: Learned, target: str) -> dict[Class, int]:
    rows: dict[Class, int] = dict.fromkeys(sorted(set(learned.classes.values())), 0)
    for text, count in learned.statistics.levels[target].items():
        rows[learned.classes[text]] += count
    return rows
