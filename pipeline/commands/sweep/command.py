"""`python -m pipeline sweep`: the l2 that predicts best, by cross-validation over the prepared training rows.

It is no stage: it trains nothing that is kept, and tells which train.l2 to run the pipeline with. Its two files depend
on the prepared rows and the params alone, so that they can be committed beside the l2 that they gave reason for.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline import files, model, screen
from pipeline.commands.sweep.params import SweepParams
from pipeline.dataset import reader
from pipeline.errors import UserError
from pipeline.numerics.solvers.status import Status
from pipeline.output_files import SWEEP_FILE, SWEEP_TABLE_FILE
from pipeline.train import class_weights, initial_point
from pipeline.train.cross_validation import folds, path, selection
from pipeline.train.cross_validation.path import Line
from pipeline.train.outcome import MEANING
from pipeline.train.params import FIRST_ORDER, TrainParams
from pipeline.training_rows.rows import TrainingRows


@dataclass(frozen=True)
class Swept:
    """One line for each l2, from strong to weak, and the positions of that of the lowest loss and of the chosen one.

    ``rows`` are the training rows that count, ``findings`` what is odd about them.
    """

    lines: list[Line]
    rows: int
    findings: list[str]
    lowest: int
    chosen: int


def sweep(
    prepared: reader.Dataset, params: SweepParams, trained: TrainParams, earlier: model.Model | None = None
) -> Swept:
    """Cross-validate every l2 and choose; ``trained`` are the params of train, whose own l2 is not read.

    Raises: UserError if the solver does not find optima, if there are too few rows, or if a cost is no number.
    """
    _refuse(trained)
    encoder = prepared.encoder
    weights = class_weights.class_weights(trained, prepared) if "train" in prepared.splits else None
    cut = folds.cut(prepared, weights, params.folds, params.seed)
    data = TrainingRows(cut.blocks, encoder.level_counts, encoder.features, encoder.classes)
    begin = initial_point.of(encoder, trained, earlier).parameters
    lines, rows, findings = path.validate(trained, params.l2.descending(), data, cut, begin)
    return Swept(lines, rows, findings, *selection.choose([line.estimate for line in lines], params.rule))


def _refuse(trained: TrainParams) -> None:
    if trained.solver in FIRST_ORDER:
        raise UserError(
            f"params.yaml: train.solver: expected auto, newton or lbfgs with sweep, which compares proven optima, got "
            f"{trained.solver}; set train.solver: auto and train.lr: null"
        )
    if trained.l1:
        raise UserError(
            f"params.yaml: train.l1: expected 0 with sweep, which varies l2 alone, got {trained.l1:g}; set it to 0"
        )
    if trained.early_stopping.patience:
        raise UserError(
            f"params.yaml: train.early_stopping.patience: expected 0 with sweep, which compares proven optima, got "
            f"{trained.early_stopping.patience}; set it to 0"
        )


def document(swept: Swept, params: SweepParams, trained: TrainParams, data_digest: str) -> dict[str, Any]:
    """The content of sweep.json."""
    lines = [
        {name: value for name, value in line.row.items() if not name.startswith("fold_")}
        | {"whole": asdict(line.full_fit), "folds": [asdict(fit) for fit in line.folds]}
        for line in swept.lines
    ]
    return {
        "chosen_l2": swept.lines[swept.chosen].l2,
        "lowest_l2": swept.lines[swept.lowest].l2,
        "rule": params.rule,
        "rows": swept.rows,
        "data_digest": data_digest,
        "sweep": params.model_dump(),
        "train": trained.model_dump(exclude={"l2"}),
        "findings": swept.findings,
        "lines": lines,
    }


def main(*, params: SweepParams, trained: TrainParams, prepared: Path, out: Path) -> None:
    """Read ``prepared``, sweep, write sweep.json and sweep.csv into ``out``, and print what came out."""
    # Cross-validate every l2, and choose.
    with screen.bar("reading rows"):
        data = reader.open_dataset(prepared)
    swept = sweep(data, params, trained, initial_point.earlier(trained.start))
    # Write the table and the choice, and print both.
    rows = [line.row for line in swept.lines]
    files.write_text(out / SWEEP_TABLE_FILE, files.csv_text([rows[0], *(row.values() for row in rows)]))
    files.write_json(out / SWEEP_FILE, document(swept, params, trained, data.digest))
    _print(swept, params)


def _print(swept: Swept, params: SweepParams) -> None:
    Console(highlight=False, emoji=False, soft_wrap=True).print(_table(swept, params))
    for sentence in [*swept.findings, *_advice(swept, params)]:
        screen.say(f"sweep: {sentence}")


def _table(swept: Swept, params: SweepParams) -> Table:
    title = f"{params.folds}-fold cross-validation, {swept.rows:,} training rows, log loss in nats"
    table = Table(title=title, title_justify="left", title_style="")
    for name in ("l2", "validation", "standard error", "training", "passes"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for position, line in enumerate(swept.lines):
        row = line.row
        table.add_row(
            f"{row['l2']:g}",
            f"{row['log_loss']:.6f}",
            f"{row['standard_error']:.6f}",
            f"{row['training_log_loss']:.6f}",
            str(row["passes"]),
            _mark(swept, position, row["status"]),
        )
    return table


def _mark(swept: Swept, position: int, status: str) -> str:
    marks = [(position == swept.lowest, "lowest"), (position == swept.chosen, "chosen")]
    marks.append((status != Status.CONVERGED.value, status.replace("_", " ")))
    return ", ".join(mark for is_due, mark in marks if is_due)


def _advice(swept: Swept, params: SweepParams) -> Iterator[str]:
    """The choice and its reason, doubts about it, and the next step."""
    lowest, chosen = swept.lines[swept.lowest], swept.lines[swept.chosen]
    if chosen is not lowest:
        yield f"l2 {chosen.l2:g} is the strongest within one standard error of the lowest log loss, at {lowest.l2:g}"
    elif params.rule == "one_standard_error":
        yield f"l2 {chosen.l2:g} has the lowest log loss, and no stronger one comes within one standard error of it"
    else:
        yield f"l2 {chosen.l2:g} has the lowest log loss"
    bound = max(line.row["relative_bound"] for line in swept.lines)
    yield f"all {len(swept.lines) * (params.folds + 1)} objectives are proven within {bound:.1e} of their optima"
    unfinished = {fit.status for line in swept.lines for fit in (line.full_fit, *line.folds)} - {"converged"}
    for status in sorted(unfinished):
        yield f"{status.replace('_', ' ')} means: {MEANING[Status(status)]}"
    if len(swept.lines) > 1 and swept.lowest in (0, len(swept.lines) - 1):
        side = "raise sweep.l2.strongest" if swept.lowest == 0 else "lower sweep.l2.weakest"
        yield f"the lowest log loss lies at an end of the values tried: {side}, or give other sweep.l2.values"
    yield f"next: {screen.unbroken(f'dvc exp run -S train.l2={chosen.l2!r}')}"
