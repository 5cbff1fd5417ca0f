"""Stage 1: CSV -> prepared data: encoded blocks, fitted encoder and schema.

Two streaming passes: the first learns kinds, levels and exact moments, the second encodes and writes. A split by seed
needs all labels before it can tell which rows train, so it takes one pass more between the two.
"""

import codecs
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

import click
import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, field_validator

from pipeline import assigning, checks, files, fitting, progress, roles, schema, shards
from pipeline.assigning import Assign
from pipeline.duplicates import Duplicates
from pipeline.encoding import Encoder
from pipeline.errors import UserError, printable, quoted
from pipeline.params import Section
from pipeline.roles import Roles, Wanted
from pipeline.split import NAMES, TRAIN, Assignment, Split
from pipeline.table import changes, dates, digests, grouping, kept, kinds, labels, places, sources, stream
from pipeline.table.columns import Chunk, Class, DatePart, Kind, Texts, is_number
from pipeline.table.digests import Digests
from pipeline.table.sources import Where
from pipeline.table.spellings import Spelling
from pipeline.table.survey import Survey

Parts = dict[str, shards.Shard]


class Params(Section):
    """Section `prepare` of params.yaml."""

    source: str = Field(description="file, folder or address of CSV or Parquet with a header")
    files: str = Field(default="*", description="of a source that is a folder: which files, such as 2024-*.csv")
    separator: str = Field(default="auto", description="one character between cells, or auto")
    decimal: Literal["auto", ".", ","] = Field(
        default="auto", description="the decimal mark of numbers; the other mark may stand between thousands"
    )
    encoding: str = Field(default="utf-8", description="of the text: a name that Python knows, or auto")
    target: str = Field(description="column to predict: integers, text or booleans")
    features: Literal["all"] | list[str] = Field(default="all", description="columns to predict from")
    leave_out: list[str] = Field(default=[], description="where features is all: columns that are none")
    categories: list[str] = Field(default=[], description="number columns to read as categories, by their text")
    weights: str | None = Field(default=None, description="column that says how many times each row counts; no feature")
    types: dict[str, Annotated[str, AfterValidator(kinds.require_type)]] | None = Field(
        default=None,
        description="per column, where inferred wrongly: number, category, boolean, date, or 'date %d/%m/%Y'",
    )
    date_parts: list[DatePart] = Field(
        default=["year", "month", "day", "weekday"], description="numbers that columns of type date become"
    )
    max_levels: int = Field(default=fitting.MAX_LEVELS, ge=1, description="levels of a category; rarer ones are one")
    missing_values: list[str] = Field(
        default=["", "NA", "N/A", "NaN", "nan", "null"], description="texts that mean: no value"
    )
    missing_target: Literal["error", "drop"] = Field(
        default="error", description="rows without a label: stop at them, or leave them out, and count them"
    )
    standardise: bool = Field(default=False, description="numbers to mean 0, standard deviation 1 of training rows")
    split: Split = Field(default=Split(), description="which rows train, validate and test")

    @property
    def typed(self) -> dict[str, str]:
        """The types that override inferred ones; null in the file, which `dvc exp run -S` can set to a mapping."""
        return self.types or {}

    @property
    def text_columns(self) -> list[str]:
        """The columns declared to be categories."""
        return [*self.categories, *(name for name, kind in self.typed.items() if kind == "category")]

    @field_validator("date_parts")
    @classmethod
    def _date_parts_differ(cls, parts: list[DatePart]) -> list[DatePart]:
        if not parts or len({*parts}) < len(parts):
            raise ValueError(f"one part of a date or more, each once, got [{', '.join(parts)}]")
        return parts

    @field_validator("separator")
    @classmethod
    def _separator_is_one_character(cls, separator: str) -> str:
        if separator != "auto" and (len(separator) != 1 or not separator.isascii() or separator in '"\r\n'):
            raise ValueError(f"auto or one ASCII character, no quote and no newline, got {quoted(separator)}")
        return separator

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, encoding: str) -> str:
        try:
            if encoding != "auto":
                # Python's codecs between bytes and bytes are no encodings of text: this refuses them.
                "".encode(encoding)
                return codecs.lookup(encoding).name
            return encoding
        except (LookupError, UnicodeError):
            raise ValueError(f"auto or an encoding of Python, such as windows-1252, got {quoted(encoding)}") from None


@dataclass(frozen=True)
class Learned:
    """What the passes before the writing one found out.

    ``classes`` maps each label's text to its class. ``row_wise``: ``assign`` needs no row numbers, so that threads may
    call it. ``dropped`` rows have no label: no survey counts them, and ``assign`` sends them nowhere.
    ``undecided``: columns of texts that are numbers in two spellings. ``codes``: columns of texts that are whole
    numbers, some of which begin with a zero. ``declared``: columns whose kind
    does not depend on what they hold.
    """

    survey: Survey
    training: Survey
    classes: Mapping[str, Class]
    assign: Assign
    row_wise: bool
    dropped: int
    undecided: Mapping[str, Sequence[Spelling]]
    codes: Collection[str]
    declared: Collection[str]


def roles_of(params: Params, source: Where) -> Roles:
    """Check every column that the params name against the file's header.

    Raises: UserError that names the param and suggests the closest column.
    """
    names = stream.header(source)
    roles.require(source, names, "categories", params.categories)
    roles.require(source, names, "types", list(params.typed))
    if params.typed.get(params.target, "category") != "category":
        raise UserError(
            f"params.yaml: prepare.types: {quoted(params.target)} is the target; only category can be its type"
        )
    split_by, key = params.split.reads_column, params.split.reads_key
    wanted = Wanted(params.features, params.target, split_by, key, params.weights, params.leave_out)
    assigned = roles.assign(wanted, source, names)
    read = assigned.by_column()
    dated = [name for name, kind in params.typed.items() if dates.is_date(kind) and read.get(name) == "feature"]
    roles.require_free_parts(source, list(read), dated)
    return assigned


@dataclass
class _FirstPass:
    """What the first pass gathers beside the survey; a new one at each start of the reading."""

    source: Where
    target: str
    assign: Assign | None
    training: Survey | None
    texts: dict[str, int] = field(default_factory=dict)
    codes: list[NDArray[np.int32]] = field(default_factory=list)
    unlabelled: int = 0

    def look(self, chunk: Chunk) -> Survey | None:
        """The survey of the chunk's training rows, where a row tells by itself that it trains."""
        if self.assign is None or self.training is None:
            return None
        return self.training.of(chunk.where(self.assign(chunk) == TRAIN))

    def see(self, chunk: Chunk, looked: Survey | None) -> None:
        """Gather the labels, or their training rows' survey."""
        target = chunk.texts[self.target]
        self.unlabelled += int(np.count_nonzero(target.codes < 0))
        for text in target.levels:
            self.texts.setdefault(text, len(self.texts))
        labels.refuse_too_many(self.source, self.target, len(self.texts))
        if self.assign is None:
            self.codes.append(_renumbered(target, self.texts))
        elif self.training is not None and looked is not None:
            self.training.merge(looked)


def _renumbered(texts: Texts, numbers: Mapping[str, int]) -> NDArray[np.int32]:
    """(n,) the number of each row's text, -1 where there is none."""
    return np.array([*(numbers[level] for level in texts.levels), -1], dtype=np.int32)[texts.codes]


def learn(params: Params, source: Where, columns: Roles, pace: stream.Pace = stream.PACE) -> Learned:
    """Read the source once, or twice to split it by seed, and check that it can be learnt from.

    Raises: UserError for each kind of bad input.
    """
    drops = params.missing_target == "drop"
    labelled: places.Others = {params.target: lambda cell: cell not in params.missing_values} if drops else {}
    row_wise = assigning.row_wise(params.split, source, columns, params.missing_values, labelled)
    passes: list[_FirstPass] = []

    def watch(current: Mapping[str, Kind]) -> kinds.Watcher:
        training = Survey(current, columns.uncounted, columns.weights) if params.split.holds_out else None
        passes[:] = [_FirstPass(source, columns.target, row_wise, training)]
        return passes[0]

    fixed: dict[str, Kind] = {
        name: kind
        for name, kind in params.typed.items()
        if kind != "category" and columns.by_column().get(name) == "feature"
    }
    if columns.weights is not None:
        declared_kind = params.typed.get(columns.weights, "")
        fixed[columns.weights] = declared_kind if is_number(declared_kind) else "number"
    declared = [*params.text_columns, *columns.texts]
    required = params.target if drops else None
    read = kinds.Columns(
        list(columns.by_column()), declared, columns.uncounted, fixed, columns.weights, required, params.decimal
    )
    survey = kinds.learn(source, read, params.missing_values, watch, pace)
    dropped = passes[0].unlabelled if drops else 0
    checks.require_labels(source, params.target, params.missing_values, survey, dropped)
    checks.require_no_reserved_text(source, survey, columns.features)
    if params.weights is not None:
        checks.require_weights(source, params.weights, params.missing_values, survey, labelled)
    as_text = params.target in {*params.text_columns, *sources.texts_of(source)}
    classes = labels.classes_of(source, params.target, survey.levels[params.target], as_text)
    if row_wise is None:
        assign = assigning.by_lot(params.split, list(passes[0].texts), passes[0].codes, classes)
        training = _survey_training(params, source, survey, assign, pace)
    else:
        assign = row_wise
        training = passes[0].training or survey
    checks.require_training_rows(source, params.target, classes, training)
    if params.weights is not None:
        checks.require_weight_to_train(source, params.weights, training)
    undecided = kinds.undecided(source, read, survey)
    if undecided and params.split.method == "hash" and params.split.key is None:
        checks.refuse_undecided(source, undecided)
    codes = kinds.codes(source, read, survey)
    return Learned(survey, training, classes, assign, row_wise is not None, dropped, undecided, codes, fixed)


def _survey_training(params: Params, source: Where, survey: Survey, assign: Assign, pace: stream.Pace) -> Survey:
    training = Survey(survey.kinds, survey.uncounted, survey.weights)
    for chunk in stream.read(source, survey.kinds, params.missing_values, pace):
        training.add(chunk.where(assign(chunk) == TRAIN))
    return training


def write(
    params: Params, source: Where, columns: Roles, learned: Learned, folder: Path, pace: stream.Pace = stream.PACE
) -> list[str]:
    """Fit the encoder, encode all rows into shards under the empty ``folder``; returns the report's lines."""
    classes = sorted(set(learned.classes.values()))
    encoder = fitting.fit(
        source,
        learned.training,
        columns.features,
        columns.target,
        classes,
        params.missing_values,
        params.standardise,
        params.date_parts,
        params.max_levels,
    )
    numbers = {text: classes.index(name) for text, name in learned.classes.items()}
    split_rows = dict.fromkeys(NAMES, 0)
    split_classes = {name: np.zeros(len(classes), dtype=np.int64) for name in NAMES}

    twins = Duplicates(folder) if params.split.may_straddle else None
    compared = [*columns.features, columns.target]

    def work(chunk: Chunk) -> tuple[shards.Shard | Parts, Digests | None]:
        weights = None if columns.weights is None else chunk.numbers[columns.weights]
        encoded = _encode(encoder, chunk, _renumbered(chunk.texts[columns.target], numbers), weights)
        divided = _divided(encoded, learned.assign(chunk)) if learned.row_wise else encoded
        return divided, None if twins is None else digests.of_rows(chunk, compared)

    reading = stream.Reading(learned.survey.kinds, params.missing_values, pace)
    with shards.Writer(folder) as writer:
        for seen in stream.mapped_settled(source, reading, work):
            result, row_digests = seen.result
            parts = _divided(result, learned.assign(seen.chunk)) if isinstance(result, shards.Shard) else result
            for name, part in parts.items():
                split_rows[name] += len(part.rows)
                split_classes[name] += np.bincount(_labels_that_count(part), minlength=len(classes))
                writer.add(name, replace(part, rows=part.rows + seen.chunk.first_row))
            if twins is not None and row_digests is not None:
                for index, name in enumerate(NAMES):
                    twins.add(row_digests[parts[name].rows], index)
        roles_by_column = columns.by_column()
        writer.finish(schema.describe(learned.survey, roles_by_column, columns.ignored, learned.dropped), encoder)
    return [
        *schema.report(learned.survey, encoder, _class_rows(learned, columns.target), split_rows, learned.dropped),
        *schema.codes(learned.codes),
        *schema.labels(columns.target, learned.classes),
        *schema.straddling(0 if twins is None else twins.count()),
        *schema.held_out(params.split.asked_for, split_classes, classes),
    ]


def _encode(
    encoder: Encoder, chunk: Chunk, label_codes: NDArray[np.int32], weights: NDArray[np.float64] | None
) -> shards.Shard:
    """The rows, numbered from 0 within the chunk."""
    encoded = encoder.encode(chunk)
    return shards.Shard(encoded.numbers, encoded.codes, label_codes, np.arange(chunk.rows, dtype=np.int64), weights)


def _labels_that_count(rows: shards.Shard) -> NDArray[np.integer]:
    return rows.labels if rows.weights is None else rows.labels[rows.weights > 0]


def _divided(rows: shards.Shard, assigned: Assignment) -> Parts:
    return {name: _where(rows, assigned == index) for index, name in enumerate(NAMES)}


def _where(rows: shards.Shard, mask: NDArray[np.bool_]) -> shards.Shard:
    return rows if mask.all() else shards.Shard(**{name: array[mask] for name, array in rows.tensors().items()})


def _class_rows(learned: Learned, target: str) -> dict[Class, int]:
    rows: dict[Class, int] = dict.fromkeys(sorted(set(learned.classes.values())), 0)
    for text, count in learned.survey.levels[target].items():
        rows[learned.classes[text]] += count
    return rows


def main(*, params: Params, source: str | Path, out: Path, cache: Path | None = None) -> None:
    """Prepare ``source`` into the folder ``out``, which is replaced only when all went well.

    Parsed columns are kept in ``cache``, so that the next run parses only files that are new.
    """
    files.require_own_folder(out, "prepared.json")
    watched = changes.Watched(lambda: sources.find(str(source), params.files, params.separator, params.encoding))
    found = watched.source
    columns, source_line = roles_of(params, found), schema.found(found)
    with watched.faults_told(), kept.opened(cache, found) as store, files.new_folder(out) as folder:
        pace = replace(stream.PACE, kept=store)
        with progress.bar("look", found.size()) as watch:
            learned = learn(params, found, columns, replace(pace, watch=watch))
        watched.require_unchanged()
        reused = [] if store is None else store.report()
        with progress.bar("write", found.size()) as watch:
            report = write(params, found, columns, learned, folder, replace(pace, watch=watch))
        watched.require_unchanged()
        if store is not None:
            store.commit()
    levels = learned.survey.levels
    open_marks = params.decimal == "auto"
    grouped = grouping.doubtful(found, learned.survey, params.missing_values, learned.declared) if open_marks else {}
    doubts = chain(
        schema.header_doubts(stream.header(found), params.target, levels),
        schema.spelling_doubts(learned.survey, learned.undecided, learned.declared),
        schema.grouping_doubts(grouped),
        schema.label_doubts(params.target, levels[params.target]),
    )
    click.echo(printable("\n".join([*(f"warning   {doubt}" for doubt in doubts), source_line, *reused, *report])))
