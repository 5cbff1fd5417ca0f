"""Stage 2: fit W and b to the prepared training rows, and write the model, its history and its snapshots."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from pipeline import files, model, screen
from pipeline.arithmetic import compiled
from pipeline.dataset import reader
from pipeline.output_files import HISTORY_FILE, SNAPSHOTS_FILE
from pipeline.parallel import workers
from pipeline.train import checkpoint, initial_point
from pipeline.train.cross_validation import penalties
from pipeline.train.fit import Watch, accelerator_of, device_of, fit
from pipeline.train.params import TrainParams

# Of `penalties.work`: a pass takes a tenth of a second where numpy computes.
_MUCH = 1e7


def main(
    *,
    params: TrainParams,
    prepared: Path,
    out: Path,
    watch: Watch | None = None,
    checkpoints: Callable[[str], checkpoint.Checkpoint] | None = None,
) -> None:
    """Read ``prepared``, fit, and write model, history and snapshots into ``out``.

    ``checkpoints`` gives the place of a checkpoint by its key; without it a killed training begins anew.
    """
    # Open: the dataset, and the checkpoint that a killed training of the same data, params and code left.
    with screen.bar("reading rows"):
        dataset = reader.open_dataset(prepared)
    _warn_if_slow(dataset)
    key = checkpoint.key_of(
        data=dataset.digest,
        params=params.model_dump(),
        torch=str(torch.__version__),
        device=device_of(accelerator_of(params)).type,
    )
    saved = checkpoints(key) if checkpoints else None
    # Start: at an earlier model, where train.start names one; else at the seed.
    earlier = initial_point.earlier(params.start)
    # Fit: epochs of the solver until it has converged or the epochs are over.
    fitted, history = fit(dataset, params, watch or (lambda _: None), earlier, saved)
    if workers.rank():
        return
    # Save: model, history and snapshots; the checkpoint has served.
    files.write_text(out / HISTORY_FILE, history.csv())
    files.write_bytes(out / SNAPSHOTS_FILE, history.snapshots())
    model.save(out, fitted)
    if saved:
        saved.remove()
    # Print: how it ended, and what to know of the data.
    _print(params.solver, fitted.result)


def _warn_if_slow(dataset: reader.Dataset) -> None:
    encoder = dataset.encoder
    rows, classes = dataset.splits["train"].rows, len(encoder.classes)
    work = penalties.work(rows, classes, encoder.number_count, len(encoder.categories))
    if work > _MUCH and not compiled.instruction_sets():
        screen.say("train: the arithmetic is not compiled, so this takes many times as long, for the same bytes")
        screen.say("train: `python -m pipeline doctor` says what to do")


def _print(solver: str, result: dict[str, Any]) -> None:
    if search := result.get("l2_search"):
        screen.say(f"train: l2 auto: {search['reason']}")
    if solver != result["method"]:
        screen.say(f"train: {solver} takes {result['method']}: {result['reason']}")
    for sentence in result["findings"]:
        screen.say(f"train: {sentence}")
    proven = ""
    if result["bound"] is not None and result["relative_bound"] < 1:  # more than all of it is no proof of anything
        proven = f"objective proven within {result['relative_bound']:.1e} of its optimum, "
        proven += f"probabilities within {result['probability_bound']:.1e} (root mean square of the training rows), "
    if "nonzero_weights" in result:
        screen.say(f"train: l1 leaves {result['nonzero_weights']} weights of W that are not 0")
    screen.say(
        f"train: {result['method']}, {result['epochs']} epochs, {result['passes']} passes, "
        f"cost {result['cost']:.6f} nats, {proven}"
        f"gradient norm {result['gradient_norm']:.2e}: {result['meaning']}"
    )
