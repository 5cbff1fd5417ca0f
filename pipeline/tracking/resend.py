"""Send the stages of the outbox, which MLflow did not get when they ended, in their order, each once."""

from dataclasses import dataclass, field
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, ErrorCode

from pipeline.errors import UserError, shortened
from pipeline.tracking.client import outbox
from pipeline.tracking.client.run_context import RunContext
from pipeline.tracking.runs import evaluate_run, infer_run, logged_model, report_run, run_writer, sweep_run
from pipeline.tracking.runs.train_run import Mirrored, Started
from pipeline.tracking.store import search
from pipeline.tracking.store.store import Store, open_store

_REFUSED = ErrorCode.Name(INVALID_PARAMETER_VALUE)

# How the stages are recorded whose files join the run of a model.
JOINING = {"evaluate": evaluate_run.record, "infer": infer_run.record, "report": report_run.record}


@dataclass
class Sent:
    """Ids of the runs that were sent, and a sentence for each entry that cannot be."""

    sent: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def send(store: Store, root: Path, limit: int | None = None, models: Path | None = None) -> Sent:
    """Send the oldest ``limit`` entries, or all; an entry is removed when its run is complete.

    Those of the model in the folder ``models`` come first, whatever the limit: what is recorded next joins their run.

    An entry that is damaged, or that MLflow refuses for what is in it, stays where it is, and stops no other. Raises
    what the store raises.
    """
    result = Sent()
    if not outbox.waiting(root):
        return result
    with outbox.alone(root) as alone:
        for folder in _chosen(root, limit, models) if alone else ():
            try:
                result.sent.append(_sent(store, root, folder))
            except (UserError, ValueError, TypeError, LookupError, AttributeError, MlflowException) as error:
                if isinstance(error, MlflowException) and error.error_code != _REFUSED:
                    raise
                result.damaged.append(f"{folder.relative_to(root)}: {shortened(error, 700)}")
            else:
                outbox.forget(folder)
    return result


def _chosen(root: Path, limit: int | None, models: Path | None) -> list[Path]:
    own: list[Path] = []
    others: list[Path] = []
    for folder in outbox.waiting(root):
        is_own = models is not None and outbox.has_model(folder, models)
        (own if is_own else others).append(folder)
    return own + others[: None if limit is None else max(0, limit - len(own))]


def _sent(store: Store, root: Path, folder: Path) -> str:
    entry, paths = outbox.read(folder)
    target = store if entry.experiment == store.experiment else open_store(root, entry.experiment)
    started = Started(entry.identity, entry.params, RunContext.from_json(entry.circumstances), paths, entry.started)
    if entry.stage in JOINING:
        return JOINING[entry.stage](target, started, entry.ended)
    begun = search.begun(target, entry.identity)
    is_complete = sweep_run.is_complete if entry.stage == "sweep" else run_writer.is_complete
    for run in filter(is_complete, begun):
        return str(run.info.run_id)  # it was sent, and the process ended before the entry was removed
    for run in begun:
        logged_model.delete(target, run)
        target.client.delete_run(run.info.run_id)
    if entry.stage == "sweep":
        return sweep_run.record(target, started, entry.ended)
    return Mirrored(target, started).finished(entry.ended, entry.records)
