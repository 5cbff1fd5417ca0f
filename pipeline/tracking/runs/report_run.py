"""A report: its page joins the run of the model that it is about."""

from pipeline.output_files import REPORT_FILE
from pipeline.tracking.runs import evaluate_run, run_writer
from pipeline.tracking.runs.train_run import Started
from pipeline.tracking.store.store import Store


def record(store: Store, started: Started, time: int) -> str:
    """Add the page to the model's run, finished or not; make the run from the files if there is none.

    ``time`` is in ms since 1970. Returns the run's id.
    """
    run, _ = evaluate_run.joined(store, started, time, "of the report")
    run_writer.add_files(store, run.info.run_id, [started.paths["reports"] / REPORT_FILE])
    return str(run.info.run_id)
