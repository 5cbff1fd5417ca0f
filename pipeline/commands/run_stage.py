"""A stage with what surrounds it: workers, the run in MLflow, the checkpoint."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import credentials, params, screen
from pipeline.commands import interruption, launch
from pipeline.parallel import workers
from pipeline.params import PARAMS_FILE
from pipeline.repository import project
from pipeline.tracking.client import deferred_mirror, mirror
from pipeline.tracking.client.deferred_mirror import DeferredMirror
from pipeline.tracking.client.mirror import Mirror
from pipeline.tracking.client.params import TrackingParams, is_switched_off

if TYPE_CHECKING:
    from pipeline.train.checkpoint import Checkpoint

# Of those in dvc.yaml that are tracked.
_LAST_STAGE = "report"


def prepare(source: str | None, out: Path, cache: Path | None) -> None:
    """Run `prepare` on ``source``, or on prepare.source of params.yaml; worker 0 reads, with threads."""
    with (
        interruption.advised(lambda: f"{out} is not written; {interruption.again()} begins anew"),
        _in_workers("prepare", source=source, out=out, cache=cache),
    ):
        from pipeline.prepare import stage
        from pipeline.prepare.params import PrepareParams

        if workers.rank() == 0:
            chosen = params.load(PARAMS_FILE, "prepare", PrepareParams)
            stage.main(params=chosen, source=chosen.source if source is None else source, out=out, cache=cache)


def train(prepared: Path, out: Path) -> None:
    """Run `train`, mirrored into a run of MLflow, with a checkpoint to go on from after a kill."""
    saved: Checkpoint | None = None

    def how_to_go_on() -> str:
        again = interruption.again()
        if launch.is_launcher():
            return f"{again} goes on from the training's checkpoint, or begins anew where none was written yet"
        if saved is None or saved.epochs is None:
            return f"no checkpoint was written yet, {again} begins anew"
        return f"{again} goes on after epoch {saved.epochs - 1}, from a checkpoint"

    with (
        interruption.advised(how_to_go_on),
        _in_workers("train", prepared=prepared, out=out),
        _tracked("train", prepared=prepared, models=out) as mirrored,
    ):
        with screen.bar("loading PyTorch"):
            from pipeline.train import checkpoint, stage
            from pipeline.train.params import CheckpointParams, TrainParams

        chosen = params.load(PARAMS_FILE, "train", TrainParams)
        every_s = params.load(PARAMS_FILE, "checkpoint", CheckpointParams).every_s
        folder = project.project_root() / ".cache" / "checkpoints"

        def checkpoint_of(key: str) -> "Checkpoint":
            nonlocal saved
            if mirrored is None:
                saved = checkpoint.Checkpoint(folder, key, every_s)
            else:
                mirrored.begun(key)
                saved = checkpoint.Checkpoint(folder, key, every_s, mirrored.resumed)
            return saved

        watch = mirrored.watch if mirrored else None
        stage.main(params=chosen, prepared=prepared, out=out, watch=watch, checkpoints=checkpoint_of)


def decide(prepared: Path, model: Path, out: Path) -> None:
    """Run `decide`; worker 0 does, in this process where params.yaml asks for several."""
    with (
        interruption.advised(lambda: f"{out} is as it was; {interruption.again()} begins decide anew"),
        workers.process_group(),
    ):
        from pipeline.decide import stage
        from pipeline.decide.params import DecideParams

        if workers.rank() == 0:
            chosen = params.load(PARAMS_FILE, "decide", DecideParams)
            stage.main(params=chosen, prepared=prepared, model=model, out=out)


def evaluate(prepared: Path, model: Path, out: Path) -> None:
    """Run `evaluate`; its metrics join the run of the model."""
    paths = {"prepared": prepared, "model": model, "out": out}
    with (
        interruption.advised(lambda: f"the reports are not complete; {interruption.again()} begins evaluate anew"),
        _in_workers("evaluate", **paths),
        _tracked("evaluate", prepared=prepared, models=model, reports=out),
    ):
        with screen.bar("loading scikit-learn"):
            from pipeline.evaluate import stage
            from pipeline.evaluate.params import EvaluateParams

        chosen = params.load(PARAMS_FILE, "evaluate", EvaluateParams)
        stage.main(params=chosen, prepared=prepared, model=model, out=out)


def infer(prepared: Path, model: Path, out: Path) -> None:
    """Run `infer`; its tables join the run of the model."""
    with (
        interruption.advised(lambda: f"the reports are not complete; {interruption.again()} begins infer anew"),
        _in_workers("infer", prepared=prepared, model=model, out=out),
    ):
        from pipeline.infer import stage
        from pipeline.infer.params import InferParams

        def around(tables: bool) -> AbstractContextManager[object]:
            return _tracked("infer", wait=tables, prepared=prepared, models=model, reports=out)

        chosen = params.load(PARAMS_FILE, "infer", InferParams)
        stage.main(params=chosen, prepared=prepared, model=model, out=out, around=around)


def report(prepared: Path, model: Path, out: Path) -> None:
    """Run `report`, in one process; the page joins the run of the model, as do the stages that were deferred to it."""
    with (
        interruption.advised(lambda: f"the page is as it was; {interruption.again()} begins anew"),
        _tracked("report", prepared=prepared, models=model, reports=out),
    ):
        from pipeline.report import stage

        stage.main(params=params.read_params(PARAMS_FILE), prepared=prepared, model=model, out=out)


def sweep(prepared: Path, out: Path) -> None:
    """Run `sweep`; it becomes a parent run with a child a penalty."""
    advice = f"sweep.json and sweep.csv in {out} are as they were; the same command begins anew"
    with interruption.advised(advice), _tracked("sweep", prepared=prepared, reports=out):
        with screen.bar("loading PyTorch"):
            from pipeline.commands.sweep import command
            from pipeline.commands.sweep.params import SweepParams
            from pipeline.train.params import TrainParams

        chosen = params.load(PARAMS_FILE, "sweep", SweepParams)
        trained = params.load(PARAMS_FILE, "train", TrainParams)
        command.main(params=chosen, trained=trained, prepared=prepared, out=out)


@contextmanager
def _in_workers(stage: str, **options: str | Path | None) -> Iterator[None]:
    """Run the stage inside the block in as many processes as params.yaml asks for; in these, join the others.

    They are started in this process's folder, and with names that count from there, wherever the person stands.
    """
    count = 1 if launch.is_worker() else launch.worker_count(PARAMS_FILE)
    with in_processes([stage, *(f"--{name}={value}" for name, value in options.items() if value is not None)], count):
        yield


@contextmanager
def in_processes(words: Sequence[str], count: int) -> Iterator[None]:
    """Run `python -m pipeline` with these words in so many processes, which join one another and go into the block."""
    if count > 1 and not launch.is_worker():
        launch.run(words, count)
        sys.exit(0)
    with workers.process_group():
        yield


def _tracked(stage: str, wait: bool = True, **paths: Path) -> AbstractContextManager[Mirror | DeferredMirror | None]:
    """Track the stage that runs inside the block, as ``tracking:`` and the environment say; the first worker does.

    Without ``wait``, and where DVC calls it and so the last stage later, it is deferred, unless MLflow is required.
    """
    if workers.rank():
        return nullcontext()
    document = params.read_params(PARAMS_FILE)
    section = document.get("prepare")
    credentials.refuse(str(section.get("source", "")) if isinstance(section, dict) else "")  # the run would show it
    tracking = params.load(PARAMS_FILE, "tracking", TrackingParams)
    if is_switched_off(tracking):
        return nullcontext()
    is_followed = _is_followed(stage)
    if (is_followed or not wait) and not tracking.required:
        return deferred_mirror.deferred(stage, tracking, document, paths, is_followed=is_followed)
    return mirror.started(stage, tracking, document, paths)


def _is_followed(stage: str) -> bool:
    """Whether DVC has called the stage and calls the last one after it, which waits for MLflow."""
    if stage == _LAST_STAGE or "DVC_STAGE" not in os.environ:
        return False
    try:
        stages = Path("dvc.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return f"-m pipeline {_LAST_STAGE}" in stages
