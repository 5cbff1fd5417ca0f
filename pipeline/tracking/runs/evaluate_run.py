"""An evaluation: its metrics join the run of the model that it evaluated."""

from pathlib import Path

from mlflow.entities import Run

from pipeline.tracking.client.tags import REBUILT_TAG, REBUILT_TIME_TAG
from pipeline.tracking.runs import outputs, run_writer
from pipeline.tracking.runs.train_run import Started
from pipeline.tracking.store import search
from pipeline.tracking.store.store import Store


def record(store: Store, started: Started, time: int) -> str:
    """Add the reports to the model's run, finished or not; make the run from the files if there is none.

    ``time`` is in ms since 1970. Returns the run's id.
    """
    run, training = joined(store, started, time, "of the evaluation")
    add_reports(store, run, started.origin(), training, started.paths["reports"], time)
    return str(run.info.run_id)


def joined(store: Store, started: Started, time: int, meaning: str) -> tuple[Run, outputs.Training]:
    """The run of the model that a later stage is about, finished or not, made from the files if there is none.

    ``meaning`` says what ``time`` is of a run that is made.
    """
    training = outputs.read_training(started.paths["models"])
    run = search.find(store, training.model.key, started.context.experiment)
    return run or rebuilt(store, started.origin(), training, time, meaning), training


def rebuilt(store: Store, origin: run_writer.Origin, training: outputs.Training, time: int, meaning: str) -> Run:
    """A run for a model that was trained without MLflow, or before its database was deleted.

    Its times are not known; ``meaning`` says what ``time`` is.
    """
    run_id = run_writer.create(store, origin, time, {REBUILT_TAG: "true", REBUILT_TIME_TAG: meaning})
    run_writer.fill(store, run_id, origin, training, time, ())
    run_writer.close(store, run_id, "FINISHED", time)
    return store.client.get_run(run_id)


def add_reports(
    store: Store, run: Run, origin: run_writer.Origin, training: outputs.Training, reports: Path, time: int
) -> None:
    """Add what evaluate left in the folder ``reports``."""
    run_writer.add_evaluation(store, run, origin, training, outputs.read_metrics(reports), time)
    run_writer.add_files(store, run.info.run_id, outputs.report_files(training.folder, reports))
