"""Stage 1: a table becomes a dataset: encoded blocks, the fitted encoder, the schema.

Two streaming passes: the first learns types, levels and exact moments, the second encodes and writes. A split by seed
needs all labels before it can tell which rows train, so it takes one pass more between the two.
"""

from dataclasses import replace
from itertools import chain
from pathlib import Path

from pipeline import files, screen
from pipeline.output_files import PREPARED_FILE
from pipeline.prepare import report
from pipeline.prepare.column_roles import roles_of
from pipeline.prepare.params import PrepareParams
from pipeline.prepare.survey_source import learn
from pipeline.prepare.write_dataset import write
from pipeline.table import find_source, grouping, header, parse_cache, progress, stream
from pipeline.table.unchanged_source import UnchangedSource

_MARGIN = 10  # of what the lines say, beside their names


def main(*, params: PrepareParams, source: str | Path, out: Path, cache: Path | None = None) -> None:
    """Prepare ``source`` into the folder ``out``, which is replaced only when all went well.

    Parsed columns are kept in ``cache``, so that the next run parses only files that are new.
    """
    # Open: the files of the source, and what each column is for.
    files.require_own_folder(out, PREPARED_FILE)
    watched = UnchangedSource(lambda: find_source.find(str(source), params.files, params.separator, params.encoding))
    table = watched.source
    roles = roles_of(params, table)
    with watched.blaming_changes(), parse_cache.opened(cache, table) as parsed, files.new_folder(out) as folder:
        options = replace(stream.DEFAULTS, cache=parsed)
        # Learn: types, levels, moments and labels, and which rows train.
        with progress.bar("look", table.size()) as watch:
            learned = learn(params, table, roles, replace(options, watch=watch))
        watched.require_unchanged()
        reused = [] if parsed is None else parsed.report()
        # Write: the encoder fitted on the training rows, all rows encoded.
        with progress.bar("write", table.size()) as watch:
            lines = write(params, table, roles, learned, folder, replace(options, watch=watch))
        watched.require_unchanged()
        if parsed is not None:
            parsed.commit()
    # Print: doubts first, then what was read and what became of it.
    levels = learned.statistics.levels
    grouped = {}
    if params.decimal == "auto":
        grouped = grouping.doubtful(table, learned.statistics, params.missing_values, learned.declared)
    doubts = chain(
        report.header_doubts(header.column_names(table), params.target, levels),
        report.spelling_doubts(learned.statistics, learned.undecided, learned.declared),
        report.grouping_doubts(grouped),
        report.label_doubts(params.target, levels[params.target]),
    )
    warnings = [f"warning   {doubt}" for doubt in doubts]
    for line in [*warnings, report.source_line(table), *reused, *lines]:
        screen.say(line, indent=_MARGIN)
