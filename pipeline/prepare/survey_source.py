"""The passes over a table that learn column types, levels, moments and labels."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.columns import Chunk, Class, ColumnType, Texts, is_number
from pipeline.prepare.column_roles import Roles
from pipeline.prepare.params import PrepareParams
from pipeline.prepare.split import TRAIN, Assign, assign_row_wise, by_seed_over_table
from pipeline.table import data_checks, locate, sources, stream, target_classes, type_inference
from pipeline.table.column_statistics import ColumnStatistics
from pipeline.table.sources import TableSource
from pipeline.table.spellings import Spelling


@dataclass(frozen=True)
class Learned:
    """Results of the passes before the one that writes.

    ``classes`` maps each label's text to its class. ``row_wise``: ``assign`` needs no row numbers, so that threads may
    call it. ``dropped`` rows have no label: no statistics count them, and ``assign`` sends them nowhere.
    ``undecided``: columns of texts that are numbers in two spellings. ``codes``: columns of texts that are whole
    numbers, some of which begin with a zero. ``declared``: columns whose type does not depend on what they hold.
    """

    statistics: ColumnStatistics
    training: ColumnStatistics
    classes: Mapping[str, Class]
    assign: Assign
    row_wise: bool
    dropped: int
    undecided: Mapping[str, Sequence[Spelling]]
    codes: Collection[str]
    declared: Collection[str]


@dataclass
class _FirstPass(type_inference.Watcher):
    """Labels and training statistics of the first pass; recreated when reading restarts."""

    source: TableSource
    target: str
    assign: Assign | None
    training: ColumnStatistics | None
    texts: dict[str, int] = field(default_factory=dict)
    codes: list[NDArray[np.int32]] = field(default_factory=list)
    unlabelled: int = 0

    def look(self, chunk: Chunk) -> ColumnStatistics | None:
        """The statistics of the chunk's training rows, where a row tells by itself that it trains."""
        if self.assign is None or self.training is None:
            return None
        return self.training.of(chunk.where(self.assign(chunk) == TRAIN))

    def see(self, chunk: Chunk, looked: ColumnStatistics | None) -> None:
        """Gather the labels, or their training rows' statistics."""
        target = chunk.texts[self.target]
        self.unlabelled += int(np.count_nonzero(target.codes < 0))
        for text in target.levels:
            self.texts.setdefault(text, len(self.texts))
        target_classes.refuse_too_many(self.source, self.target, len(self.texts))
        if self.assign is None:
            self.codes.append(renumbered(target, self.texts))
        elif self.training is not None and looked is not None:
            self.training.merge(looked)


def renumbered(texts: Texts, numbers: Mapping[str, int]) -> NDArray[np.int32]:
    """(n,) the number of each row's text, -1 where there is none."""
    return np.array([*(numbers[level] for level in texts.levels), -1], dtype=np.int32)[texts.codes]


def learn(
    params: PrepareParams, source: TableSource, columns: Roles, options: stream.ReadOptions = stream.DEFAULTS
) -> Learned:
    """Read the source once, or twice to split it by seed, and check that it can be learnt from.

    Raises: UserError for each kind of bad input.
    """
    # Settle before reading: which rows train, where a row tells by itself, and each column's declared type.
    drops = params.missing_target == "drop"
    labelled: locate.Others = {params.target: lambda cell: cell not in params.missing_values} if drops else {}
    row_wise = assign_row_wise(params.split, source, columns, params.missing_values, labelled)
    fixed: dict[str, ColumnType] = {
        name: column_type
        for name, column_type in params.typed.items()
        if column_type != "category" and columns.by_column().get(name) == "feature"
    }
    if columns.weights is not None:
        declared_type = params.typed.get(columns.weights, "")
        fixed[columns.weights] = declared_type if is_number(declared_type) else "number"
    declared = [*params.text_columns, *columns.texts]
    required = params.target if drops else None
    read = type_inference.Columns(
        list(columns.by_column()), declared, columns.uncounted, fixed, columns.weights, required, params.decimal
    )
    # Read: types, levels, moments and labels. A wrong guess of a type starts the pass again.
    passes: list[_FirstPass] = []

    def watch(current: Mapping[str, ColumnType]) -> type_inference.Watcher:
        training = ColumnStatistics(current, columns.uncounted, columns.weights) if params.split.holds_out else None
        passes[:] = [_FirstPass(source, columns.target, row_wise, training)]
        return passes[0]

    statistics = type_inference.learn(source, read, params.missing_values, watch, options)
    # Check: labels, weights, and texts that the encoder needs for itself.
    dropped = passes[0].unlabelled if drops else 0
    data_checks.require_labels(source, params.target, params.missing_values, statistics, dropped)
    data_checks.require_no_reserved_text(source, statistics, columns.features)
    if params.weights is not None:
        data_checks.require_weights(source, params.weights, params.missing_values, statistics, labelled)
    # Divide: the classes, and the training rows with their statistics.
    as_text = params.target in {*params.text_columns, *sources.texts_of(source)}
    classes = target_classes.classes_of(source, params.target, statistics.levels[params.target], as_text)
    if row_wise is None:
        assign = by_seed_over_table(params.split, list(passes[0].texts), passes[0].codes, classes)
        training = ColumnStatistics(statistics.types, statistics.uncounted, statistics.weights)
        for chunk in stream.read(source, statistics.types, params.missing_values, options):
            training.add(chunk.where(assign(chunk) == TRAIN))
    else:
        assign = row_wise
        training = passes[0].training or statistics
    data_checks.require_training_rows(source, params.target, classes, training)
    if params.weights is not None:
        data_checks.require_weight_to_train(source, params.weights, training)
    # Doubt: numbers that may be read in two ways, and codes.
    undecided = type_inference.undecided(source, read, statistics)
    if undecided and params.split.method == "hash" and params.split.key is None:
        data_checks.refuse_undecided(source, undecided)
    codes = type_inference.codes(source, read, statistics)
    return Learned(statistics, training, classes, assign, row_wise is not None, dropped, undecided, codes, fixed)
