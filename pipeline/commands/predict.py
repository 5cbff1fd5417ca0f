"""Score a CSV with a trained model: logits, softmax probabilities, their intervals, ranks and label of every row."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, islice, repeat
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from pipeline import files, output_files, screen
from pipeline import model as models
from pipeline.commands import class_tables, inference_fit
from pipeline.dataset.columns import Chunk, Class, class_text
from pipeline.dataset.encoder import Encoder
from pipeline.errors import UserError, listed, quoted, shortened
from pipeline.predictor.column_types import require_column_types
from pipeline.predictor.scorer import ScoredRows, Scorer
from pipeline.predictor.unseen import KnownLevels
from pipeline.scoring import decision as decisions
from pipeline.scoring import predictions
from pipeline.scoring.costs import NO_DECISION
from pipeline.table import find_source, progress, sources, stream
from pipeline.table.sources import Source, TableSource

# A person reads no more than this on a screen; a file takes any number.
MOST_ROWS_PRINTED = 20

# By whether a class is in the set; an empty cell is no interval.
_YES = ("no", "yes")


class Unseen:
    """Values of category columns that training never saw, gathered for one warning."""

    def __init__(self, encoder: Encoder) -> None:
        self._known = KnownLevels(encoder)
        self._new: dict[str, dict[str, None]] = {}

    def look(self, chunk: Chunk) -> None:
        """Remember what is new in these rows."""
        for column, levels in self._known.unseen(chunk).items():
            self._new.setdefault(column, {}).update(dict.fromkeys(levels))

    def warning(self, source: TableSource) -> str | None:
        """One line that names them, or None if there are none."""
        if not self._new:
            return None
        columns = self._new.items()
        named = "; ".join(f"column {shortened(column)}: {listed(values, write=quoted)}" for column, values in columns)
        return f"warning: {source}: values that training did not see, scored as <unseen>: {named}"


def predict(
    scorer: Scorer, source: TableSource, unseen: Unseen, options: stream.ReadOptions = stream.DEFAULTS
) -> Iterator[ScoredRows]:
    """Score the rows of ``source`` in order, a chunk at a time; its columns may come in any order, among others.

    Raises: UserError for a missing column, or a file or value that cannot be read.
    """
    encoder = scorer.model.encoder
    for chunk in stream.read(source, encoder.types, encoder.missing_values, options):
        unseen.look(chunk)
        yield scorer.score(chunk)


def main(
    *,
    source: str | Path,
    out: Path | None,
    model: Path,
    reports: Path | None = None,
    typed: Callable[[object], str] = str,
) -> None:
    """Score ``source`` with the model in folder ``model``; write every row to ``out``, or print the first rows.

    With ``reports``, the folder that infer wrote, probabilities get confidence intervals.
    As ``source`` ``-`` is standard input, as ``out`` standard output. ``typed`` gives a file's name as the person typed
    it, to say how many rows went where.
    Raises: UserError if the model or the source cannot be used, the source has no rows, or ``out`` is one of the files
    that are read; ``out`` then stays as it is.
    """
    # Load the model.
    trained = models.load(model)
    require_column_types(trained.encoder, model / output_files.METADATA_FILE)
    decided = decisions.load(model, trained)
    unseen = Unseen(trained.encoder)
    inferred = None if reports is None else inference_fit.load(reports, trained, model)
    fit = None if inferred is None else inferred.fit
    read = [model / output_files.WEIGHTS_FILE, model / output_files.METADATA_FILE]
    read.append(model / output_files.DECISION_FILE)
    read += [] if reports is None else inference_fit.paths(reports)
    # Score the table, a chunk at a time.
    with find_source.find_or_copy(str(source)) as table, _bar(out, table) as options:
        if out is not None and out != predictions.STANDARD_OUTPUT:
            _require_place(out, table, read)
        scores = _at_least_one(table, predict(Scorer(trained, decided, fit), table, unseen, options))
        if out is None:
            rows, without = _print(screen.unbroken(typed(table)), trained.classes, scores)
        else:
            with predictions.open_csv(out, trained.classes) as write:
                without = 0
                for part in scores:
                    write(part.columns(trained.classes))
                    rows = int(part.rows[-1])
                    without += int(part.without_interval.sum())
    # Warn of what the predictions do not tell.
    formula = None if out is None else predictions.formula_warning(out, trained.classes)
    dependence = None if inferred is None else inferred.warning
    for warning in filter(None, (unseen.warning(table), dependence, _gaps(rows, without), formula)):
        screen.say(warning, error=True)
    if inferred is not None:
        not_scaled = "" if decided.scaling is None else "; they are not scaled, as the probabilities are"
        screen.say(f"{inferred.sentence}{not_scaled}", error=out == predictions.STANDARD_OUTPUT)
    # Say what is where; rows that are printed stand alone.
    if out is not None and out != predictions.STANDARD_OUTPUT:
        places = [screen.unbroken(typed(name)) for name in (table, out)]
        screen.say(f"{rows:,} rows of {places[0]} scored, written to {places[1]}")


@contextmanager
def _bar(out: Path | None, source: Source) -> Iterator[stream.ReadOptions]:
    """A bar while a file is written; rows on the screen show for themselves how far it is."""
    if out is None or (out == predictions.STANDARD_OUTPUT and sys.stdout.isatty()):
        yield stream.DEFAULTS
        return
    with progress.bar("predict", source.size()) as watch:
        yield replace(stream.DEFAULTS, watch=watch)


def _gaps(rows: int, without: int) -> str | None:
    """One line on the rows that have no interval, or None if all have one."""
    if not without:
        return None
    return (
        f"warning: {without:,} of {rows:,} rows have no interval: they hold a value, or a gap, that training did not "
        "see, so that the inference fit has no coefficient for it"
    )


def _require_place(out: Path, source: Source, read: Sequence[Path]) -> None:
    files.require_file_name(out)
    standard_input = [0] if source.address == find_source.STANDARD_INPUT else []
    files.refuse_to_overwrite(out, [*sources.local_paths(source), *read, *standard_input])


def _at_least_one(source: TableSource, scores: Iterator[ScoredRows]) -> Iterator[ScoredRows]:
    for first in scores:
        return chain([first], scores)
    raise UserError(f"{source}: expected rows to score, got only a header line")


def _print(source: str, classes: list[Class], scores: Iterator[ScoredRows]) -> tuple[int, int]:
    """One line a class, so that any number of classes fits a terminal's width.

    Returns the number of rows that are printed, and how many of these have no interval.
    """
    first = next(scores)
    scores = chain([first], scores)
    names = [class_tables.name(class_text(label)) for label in classes]
    rows = list(islice(_rows(names, scores), MOST_ROWS_PRINTED + 1))
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    decision = [] if first.decided is None else ["decision"]
    in_set = [] if first.contained is None else ["in set"]
    for heading in ("row", "predicted", *decision, "class", "logit", "probability", "rank", *first.bounds, *in_set):
        is_text = heading in ("predicted", "decision", "class", "in set")
        table.add_column(heading, justify="left" if is_text else "right", no_wrap=True)
    for lines in rows[:MOST_ROWS_PRINTED]:
        for line in lines:
            table.add_row(*line)
        table.add_section()
    # At the width of a narrow terminal rich would cut digits off.
    console = Console(highlight=False, markup=False, emoji=False, width=10_000)
    console.print(table)
    if len(rows) > MOST_ROWS_PRINTED:
        screen.say(f"The first {MOST_ROWS_PRINTED} rows of {source}; `-o OUT.csv` writes all of them.")
    printed = rows[:MOST_ROWS_PRINTED]
    return len(printed), sum("" in lines[0][2:] for lines in printed)


def _rows(names: list[str], scores: Iterable[ScoredRows]) -> Iterator[list[tuple[str, ...]]]:
    """Each row as the lines of the printed table."""
    for part in scores:
        for index, row in enumerate(part.rows):
            head = [str(row), names[part.predicted[index]]]
            if part.decided is not None:
                decided = part.decided[index]
                head.append("none" if decided == NO_DECISION else names[decided])
            heads = [head] + [[""] * len(head)] * (len(names) - 1)
            bounds = zip(*(values[index] for values in part.bounds.values()), strict=True)
            contained = [] if part.contained is None else part.contained[index].tolist()
            yield [
                (*head, name, f"{logit:.4f}", f"{probability:.4f}", str(rank), *map(_cell, interval), *in_set)
                for head, name, logit, probability, rank, interval, in_set in zip(
                    heads,
                    names,
                    part.logits[index],
                    part.probabilities[index],
                    part.ranks[index],
                    bounds if part.intervals else repeat((), len(names)),
                    ((_YES[each],) for each in contained) if contained else repeat((), len(names)),
                    strict=True,
                )
            ]


def _cell(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4f}"
