"""An evaluation: its metrics join the run of the model that it evaluated."""

from pathlib import Path

from mlflow.entities import Run

from pipeline.tracking import join, outs, runs
from pipeline.tracking.store import Store
from pipeline.tracking.training import Started


def record(store: Store, started: Started, time: int) -> str:
    """Add the reports to the model's run, finished or not; make the run from the files if there is none.

    ``time`` is in ms since 1970. Returns the run's id.
    """
    training = outs.read_training(started.paths["models"])
    origin = started.origin()
    experiment = started.circumstances.experiment
    run = join.find(store, training.model.key, experiment) or rebuilt(
        store, origin, training, time, "of the evaluation"
    )
    add_reports(store, run, origin, training, started.paths["reports"], time)
    return str(run.info.run_id)


def rebuilt(store: Store, origin: runs.Origin, training: outs.Training, time: int, meaning: str) -> Run:
    """A run for a model that was trained without MLflow, or before its database was deleted.

    Its times are not known; ``meaning`` says what ``time`` is.
    """
    run_id = runs.create(store, origin, time, {runs.REBUILT_TAG: "true", "rebuilt.time": meaning})
    runs.fill(store, run_id, origin, training, time, ())
    runs.close(store, run_id, "FINISHED", time)
    return store.client.get_run(run_id)


def add_reports(store: Store, run: Run, origin: runs.Origin, training: outs.Training, reports: Path, time: int) -> None:
    """Add what evaluate left in the folder ``reports``."""
    runs.add_evaluation(store, run, origin, training, outs.read_metrics(reports), time)
    runs.add_files(store, run.info.run_id, outs.report_files(reports))
