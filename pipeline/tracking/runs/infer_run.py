"""An inference: its tables join the run of the model that it is about."""

from pathlib import Path

from pipeline.output_files import COEFFICIENTS_FILE, EFFECTS_FILE, INFERENCE_FILE, INFLUENCE_FILE
from pipeline.tracking.client.run_files import INFERENCE_TABLE_FILE
from pipeline.tracking.runs import evaluate_run, run_writer
from pipeline.tracking.runs.train_run import Started
from pipeline.tracking.store.store import Store


def record(store: Store, started: Started, time: int) -> str:
    """Add the tables to the model's run, finished or not; make the run from the files if there is none.

    ``time`` is in ms since 1970. Returns the run's id.
    """
    run, _ = evaluate_run.joined(store, started, time, "of the inference")
    add_tables(store, run.info.run_id, started.paths["reports"])
    return str(run.info.run_id)


def add_tables(store: Store, run_id: str, reports: Path) -> None:
    """Add what infer left in the folder ``reports``; a run has a coefficients.csv of W already."""
    run_writer.add_files(store, run_id, [reports / name for name in (INFERENCE_FILE, EFFECTS_FILE, INFLUENCE_FILE)])
    run_writer.add_text(store, run_id, INFERENCE_TABLE_FILE, (reports / COEFFICIENTS_FILE).read_text(encoding="utf-8"))
