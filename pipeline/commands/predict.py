"""Score a CSV with a trained model: logits, softmax probabilities, their intervals, ranks and label of every row."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, repeat
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from pipeline import model as models
from pipeline import output_files, screen
from pipeline.commands import class_tables, inference_fit, predict_file
from pipeline.dataset.columns import class_text
from pipeline.errors import UserError, listed, quoted, shortened
from pipeline.parallel import workers
from pipeline.predictor import scorer as scorers
from pipeline.predictor.batch import columns as batch_columns
from pipeline.predictor.column_types import require_column_types
from pipeline.predictor.scorer import ScoredRows, Scorer
from pipeline.predictor.unseen import KnownLevels
from pipeline.scoring import decision as decisions
from pipeline.scoring import predictions
from pipeline.scoring.costs import NO_DECISION
from pipeline.table import find_source, stream
from pipeline.table.sources import TableSource

# A person reads no more than this on a screen; a file takes any number.
MOST_ROWS_PRINTED = 20

# By whether a class is in the set; an empty cell is no interval.
_YES = ("no", "yes")


def main(
    *,
    source: str | Path | Sequence[str],
    out: str | Path | None,
    model: Path,
    reports: Path | None = None,
    columns: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    typed: Callable[[object], str] = str,
) -> None:
    """Score ``source`` with the model in folder ``model``; write every row to ``out``, or print the first rows.

    With ``reports``, the folder that infer wrote, probabilities get confidence intervals. ``columns`` and ``keep`` are
    those of ``batch_columns.choose``, for ``out`` only.
    Several sources are one table, in their order. As ``source`` ``-`` is standard input, as ``out`` standard output.
    ``typed`` gives a file's name as the person typed it, to say how many rows went where.
    Raises: UserError if the model or the source cannot be used, the source has no rows, or ``out`` is one of the files
    that are read; ``out`` then stays as it is.
    """
    # Load the model.
    trained = models.load(model)
    require_column_types(trained.encoder, model / output_files.METADATA_FILE)
    decided = decisions.load(model, trained)
    inferred = None if reports is None else inference_fit.load(reports, trained, model)
    scorer = Scorer(trained, decided, None if inferred is None else inferred.fit)
    chosen = batch_columns.choose(scorer, columns, keep)
    read = scorers.paths(model)
    read += [] if reports is None else inference_fit.paths(reports)
    addresses = [str(source)] if isinstance(source, str | Path) else list(source)
    if workers.count() > 1 and (once := next(filter(find_source.is_read_once, addresses), None)) is not None:
        raise UserError(f"{once}: can be read by one process only; save it as a file, or leave out --workers")
    # Score the table, a piece at a time.
    with find_source.find_or_copy_all(addresses) as table:
        if out is None:
            rows, without, unseen = _print(scorer, table, typed)
        else:
            seen, (rows, without) = predict_file.write(scorer, chosen, table, out, read, typed)
            unseen = seen.unseen
    if workers.rank():
        return
    # Warn of what the predictions do not tell.
    is_csv = out is not None and not predict_file.is_parquet(out)
    formula = predictions.formula_warning(Path(str(out)), trained.classes) if is_csv else None
    dependence = None if inferred is None else inferred.warning
    for warning in filter(None, (_unseen(unseen, table), dependence, _gaps(rows, without), formula)):
        screen.say(warning, error=True)
    is_standard_output = out is not None and Path(out) == predictions.STANDARD_OUTPUT
    if inferred is not None:
        not_scaled = "" if decided.scaling is None else "; they are not scaled, as the probabilities are"
        screen.say(f"{inferred.sentence}{not_scaled}", error=is_standard_output)
    # Say what is where; rows that are printed stand alone.
    if out is not None and not is_standard_output:
        scored = listed(addresses, write=typed) if len(addresses) > 1 else typed(table)
        places = [screen.unbroken(name) for name in (scored, typed(out))]
        screen.say(f"{rows:,} {'row' if rows == 1 else 'rows'} of {places[0]} scored, written to {places[1]}")


def _gaps(rows: int, without: int) -> str | None:
    """One line on the rows that have no interval, or None if all have one."""
    if not without:
        return None
    return (
        f"warning: {without:,} of {rows:,} rows have no interval: they hold a value, or a gap, that training did not "
        "see, so that the inference fit has no coefficient for it"
    )


def _unseen(values: Mapping[str, Collection[str]], source: TableSource) -> str | None:
    """One line that names values of category columns that training never saw, or None if there are none."""
    if not values:
        return None
    named = "; ".join(f"column {shortened(name)}: {listed(levels, write=quoted)}" for name, levels in values.items())
    return f"warning: {source}: values that training did not see, scored as <unseen>: {named}"


def _print(
    scorer: Scorer, source: TableSource, typed: Callable[[object], str]
) -> tuple[int, int, Mapping[str, Collection[str]]]:
    """One line a class, so that any number of classes fits a terminal's width.

    Returns the number of rows that are printed, how many of these have no interval, and values training never saw.
    """
    encoder, classes = scorer.model.encoder, scorer.model.classes
    known, unseen = KnownLevels(encoder), dict[str, dict[str, None]]()

    def scored() -> Iterator[ScoredRows]:
        for chunk in stream.read(source, encoder.types, encoder.missing_values):
            for column, levels in known.unseen(chunk).items():
                unseen.setdefault(column, {}).update(dict.fromkeys(levels))
            yield scorer.score(chunk)

    scores = scored()
    first = next(scores, None)
    if first is None:
        raise predict_file.no_rows(source)
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
        name = screen.unbroken(typed(source))
        screen.say(f"The first {MOST_ROWS_PRINTED} rows of {name}; `-o OUT.csv` writes all of them.")
    printed = rows[:MOST_ROWS_PRINTED]
    return len(printed), sum("" in lines[0][2:] for lines in printed), unseen


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
