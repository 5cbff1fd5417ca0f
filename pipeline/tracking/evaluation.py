"""An evaluation: its metrics join the run of the model that it evaluated."""

from pathlib import Path
from typing import Any

from mlflow.entities import Run

from pipeline import provenance
from pipeline.tracking import join, outs, runs
from pipeline.tracking.store import Store


def record(store: Store, params: dict[str, Any], paths: dict[str, Path], time: int) -> str:
    """Add the reports to the model's run, finished or not; make the run from the files if there is none.

    ``paths`` names the folders prepared, models and reports; ``time`` is in ms since 1970. Returns the run's id.
    """
    training = outs.read_training(paths["models"])
    origin = runs.Origin.here(params, outs.read_data(paths["prepared"], params))
    run = join.find(store, training.model.key, provenance.experiment()) or _rebuilt(store, origin, training, time)
    runs.add_evaluation(store, run, origin, training, outs.read_metrics(paths["reports"]), time)
    runs.add_files(store, run.info.run_id, outs.report_files(paths["reports"]))
    return str(run.info.run_id)


def _rebuilt(store: Store, origin: runs.Origin, training: outs.Training, time: int) -> Run:
    """A run for a model that was trained without MLflow, or before its database was deleted; its times are unknown."""
    run_id = runs.create(store, origin, time, {"rebuilt": "true"})
    runs.fill(store, run_id, origin, training, time, ())
    runs.close(store, run_id, "FINISHED", time)
    return store.client.get_run(run_id)
