"""A training that is stopped goes on where it was, and ends with the bytes of one that was not."""

import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from pipeline.train import checkpoint, checkpoint_form
from pipeline.train import stage as train
from pipeline.train.params import TrainParams
from tests.project import SOURCE
from tests.test_forgeries import at_most
from tests.test_workers import prepared_folder
from tests.train_every_solver import SOLVERS


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data of three blocks."""
    return prepared_folder(tmp_path_factory.mktemp("checkpoint") / "prepared")


class _StoppedError(Exception):
    pass


def _stop_after(epoch: int) -> Callable[[dict[str, Any]], None]:
    def watch(record: dict[str, Any]) -> None:
        if record["epoch"] == epoch:
            raise _StoppedError

    return watch


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _at(folder: Path) -> Callable[[str], checkpoint.Checkpoint]:
    return lambda key: checkpoint.Checkpoint(folder, key, every_s=0)


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("epoch", [1, 2])
def test_every_solver_goes_on_with_the_same_bytes(tmp_path: Path, prepared: Path, solver: str, epoch: int) -> None:
    """Model, history and snapshots do not tell that the training was stopped; the checkpoint is gone at the end."""
    given = {"seed": 1, "snapshot_every": 2, "early_stopping": {"patience": 90}} | SOLVERS[solver] | {"epochs": 6}
    if given.get("l2") == "auto":
        del given["early_stopping"]
    params = TrainParams.model_validate(given)
    train.main(params=params, prepared=prepared, out=tmp_path / "undisturbed")
    with pytest.raises(_StoppedError):
        train.main(
            params=params,
            prepared=prepared,
            out=tmp_path / "resumed",
            watch=_stop_after(epoch),
            checkpoints=_at(tmp_path / "kept"),
        )
    assert len(list((tmp_path / "kept").iterdir())) == 1
    seen: list[int] = []
    train.main(
        params=params,
        prepared=prepared,
        out=tmp_path / "resumed",
        watch=lambda record: seen.append(record["epoch"]),
        checkpoints=_at(tmp_path / "kept"),
    )
    assert seen[0] == epoch
    assert _contents(tmp_path / "resumed") == _contents(tmp_path / "undisturbed")
    assert not list((tmp_path / "kept").iterdir())


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.slow
def test_the_bar_goes_on_where_the_training_does(
    tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of six epochs of which four were run before, the fifth is shown as 5 of 6."""
    params = TrainParams.model_validate({"seed": 1, "snapshot_every": 2, "solver": "sgd", "lr": 0.1, "epochs": 6})
    data, folder = {"params": params, "prepared": prepared, "out": tmp_path / "out"}, _at(tmp_path / "kept")
    with pytest.raises(_StoppedError):
        train.main(**data, watch=_stop_after(4), checkpoints=folder)
    terminal = _Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    train.main(**data, watch=lambda _: time.sleep(1.2), checkpoints=folder)  # nothing is drawn in the first second
    assert " 5 of 6 epochs" in terminal.getvalue()


def test_another_training_does_not_take_a_checkpoint_up(tmp_path: Path, prepared: Path) -> None:
    """A changed learning rate begins at epoch 0, and the other training's checkpoint stays."""
    params = {"seed": 1, "snapshot_every": 2, "solver": "sgd", "epochs": 5}
    with pytest.raises(_StoppedError):
        train.main(
            params=TrainParams.model_validate(params | {"lr": 0.5}),
            prepared=prepared,
            out=tmp_path / "out",
            watch=_stop_after(3),
            checkpoints=_at(tmp_path / "kept"),
        )
    seen: list[int] = []
    train.main(
        params=TrainParams.model_validate(params | {"lr": 0.25}),
        prepared=prepared,
        out=tmp_path / "out",
        watch=lambda record: seen.append(record["epoch"]),
        checkpoints=_at(tmp_path / "kept"),
    )
    assert seen == [0, 1, 2, 3, 4]
    assert len(list((tmp_path / "kept").iterdir())) == 1


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:40] + b"x" + data[41:], lambda _: b""])
def test_a_damaged_checkpoint_is_told_of_and_not_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[bytes], bytes]
) -> None:
    """Cut short, changed, or empty: one warning, and nothing to go on from."""
    saved = checkpoint.Checkpoint(tmp_path, "k" * 64, every_s=0)
    saved.save(lambda: {"W": torch.arange(9.0), "epochs": torch.tensor(1)})
    (path,) = tmp_path.iterdir()
    assert torch.equal((saved.load() or {})["W"], torch.arange(9.0))
    path.write_bytes(damage(path.read_bytes()))
    assert saved.load() is None
    assert capsys.readouterr().err.count("is damaged or belongs to another training") == 1


def test_a_checkpoint_under_another_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The key is part of what is digested, so a file renamed by hand is not taken up."""
    checkpoint.Checkpoint(tmp_path, "a" * 64, every_s=0).save(lambda: {"W": torch.ones(1), "epochs": torch.tensor(1)})
    (path,) = tmp_path.iterdir()
    path.rename(path.with_name(f"{'b' * 64}.checkpoint"))
    assert checkpoint.Checkpoint(tmp_path, "b" * 64, every_s=0).load() is None
    assert "belongs to another training" in capsys.readouterr().err


def test_the_key_is_of_all_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled decides bytes as what is interpreted does."""
    monkeypatch.setattr(checkpoint, "__file__", str(tmp_path / "train" / "checkpoint.py"))
    keys = set()
    for name in ("train/fit.py", "kernels/sums.h", "kernels/kernels.c", "kernels/sums.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one", encoding="utf-8")
        keys.add(checkpoint.key_of(data="d"))
        (tmp_path / name).write_text("another", encoding="utf-8")
        keys.add(checkpoint.key_of(data="d"))
    assert len(keys) == 6


def test_the_key_tells_data_params_and_code_apart() -> None:
    """Every part counts, and the same parts give the same key."""
    parts = [{"data": "d", "params": {"lr": 0.1}}, {"data": "e", "params": {"lr": 0.1}}, {"data": "d", "params": {}}]
    assert len({checkpoint.key_of(**part) for part in parts}) == 3
    assert checkpoint.key_of(**parts[0]) == checkpoint.key_of(**parts[0])


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_bytes(tmp_path: Path, prepared: Path) -> None:
    """Three kills with -9 between start and end; each new process goes on, the last one ends as if undisturbed."""
    chosen = {"solver": "adam", "lr": 0.01, "epochs": 400, "seed": 1, "snapshot_every": 50, "batch_size": 5000}
    train.main(params=TrainParams.model_validate(chosen), prepared=prepared, out=tmp_path / "undisturbed")
    words = [sys.executable, "-c", _PROGRAM, str(prepared), str(tmp_path / "out"), str(tmp_path / "kept")]
    moments = random.Random(0)
    kills = 0
    while True:
        process = subprocess.Popen([*words, json.dumps(chosen)], cwd=SOURCE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()  # it has begun to train
        deadline = time.monotonic() + moments.uniform(0, 0.4)
        while kills < 3 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.005)
        if kills == 3 or process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += 1
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert kills > 1
    assert _contents(tmp_path / "out") == _contents(tmp_path / "undisturbed")
    assert not [path for path in (tmp_path / "kept").iterdir() if path.suffix == ".checkpoint"]


_PROGRAM = """
import json, sys
from pathlib import Path
from pipeline.train import checkpoint, stage as train
from pipeline.train.params import TrainParams
prepared, out, kept = map(Path, sys.argv[1:4])
params = TrainParams.model_validate(json.loads(sys.argv[4]))
print("ready", flush=True)
train.main(params=params, prepared=prepared, out=out, checkpoints=lambda key: checkpoint.Checkpoint(kept, key, 0))
"""


FORGERIES: dict[str, Callable[[torch.Tensor], torch.Tensor | None]] = {
    "left out": lambda _: None,
    "of another type": lambda tensor: tensor.to(torch.float16 if tensor.dtype.is_floating_point else torch.int32),
    "of another shape": lambda tensor: torch.stack([tensor, tensor]),
    "without elements": lambda tensor: tensor[:0] if tensor.dim() else tensor.reshape(1)[:0],
    "NaN": lambda tensor: torch.full_like(tensor, torch.nan) if tensor.dtype.is_floating_point else None,
    "negative": lambda tensor: torch.full_like(tensor, -2) if tensor.dtype == torch.int64 else None,
    "huge": lambda tensor: torch.full_like(tensor, 2**62) if tensor.dtype == torch.int64 else None,
}
FORGED = ("sgd", "adam_balanced", "lbfgs", "sparse")

# A list may be of any length where nothing else depends on it.
ANY_LENGTH = {"method decrements"}


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> dict[str, tuple[TrainParams, dict[str, Any]]]:
    """Params, and the state after two epochs, of a solver of each kind."""
    resumed: dict[str, tuple[TrainParams, dict[str, Any]]] = {}
    for solver in FORGED:
        params = TrainParams.model_validate({"seed": 1, "snapshot_every": 2} | SOLVERS[solver] | {"epochs": 6})
        folder = tmp_path_factory.mktemp(solver)
        with pytest.raises(_StoppedError):
            train.main(
                params=params, prepared=prepared, out=folder, watch=_stop_after(2), checkpoints=_at(folder / "kept")
            )
        (path,) = (folder / "kept").iterdir()
        resumed[solver] = params, safetensors.torch.load(path.read_bytes()[32:])
    return resumed


@pytest.mark.parametrize("solver", FORGED)
def test_a_state_of_another_form_does_not_fit(
    states: dict[str, tuple[TrainParams, dict[str, Any]]], solver: str
) -> None:
    """Every tensor in turn is left out, or is of another type, shape or range; nor does one more fit."""
    params, state = states[solver]
    classes, features = state["snapshot W"].shape[1:]
    assert checkpoint_form.fits(state, params, classes, features)
    assert not checkpoint_form.fits(state | {"more": torch.ones(1)}, params, classes, features)
    assert not checkpoint_form.fits(state, params, classes, features + 1)
    assert not checkpoint_form.fits(state, params, classes + 1, features)
    assert not checkpoint_form.fits(state, params.model_copy(update={"epochs": 1}), classes, features)
    for name, tensor in state.items():
        for forgery, change in FORGERIES.items():
            if forgery == "without elements" and name in ANY_LENGTH:
                continue
            forged = {key: value for key, value in state.items() if key != name}
            if (other := change(tensor)) is not None:
                forged[name] = other
            assert not checkpoint_form.fits(forged, params, classes, features), (name, forgery)


@pytest.mark.parametrize("solver", FORGED)
def test_the_states_of_two_solvers_do_not_fit_each_other(
    states: dict[str, tuple[TrainParams, dict[str, Any]]], solver: str
) -> None:
    """Whatever their data have in common."""
    params, state = states[solver]
    classes, features = state["snapshot W"].shape[1:]
    for other in set(FORGED) - {solver}:
        assert not checkpoint_form.fits(states[other][1], params, classes, features), other


def _forged(key: str, state: bytes) -> bytes:
    return hashlib.sha256(key.encode() + state).digest() + state


STATES = {
    "nothing": b"",
    "no safetensors": b"x" * 99,
    "a long header": (2**62).to_bytes(8, "little") + b"{}",
    "other tensors": safetensors.torch.save({"W": torch.ones(1), "epochs": torch.tensor(1)}),
    "epochs alone": safetensors.torch.save({"epochs": torch.tensor(3)}),
}


@pytest.mark.parametrize("forgery", STATES)
def test_a_forged_checkpoint_is_told_of_and_not_used(
    tmp_path: Path, prepared: Path, capsys: pytest.CaptureFixture[str], forgery: str
) -> None:
    """Its digest matches, but no training leaves such a state: training begins anew, and ends as if undisturbed."""
    params = TrainParams.model_validate({"seed": 1, "snapshot_every": 2, "solver": "sgd", "lr": 0.1, "epochs": 2})
    train.main(params=params, prepared=prepared, out=tmp_path / "undisturbed")

    def forged(key: str) -> checkpoint.Checkpoint:
        (tmp_path / "kept").mkdir()
        (tmp_path / "kept" / f"{key}.checkpoint").write_bytes(_forged(key, STATES[forgery]))
        return checkpoint.Checkpoint(tmp_path / "kept", key, every_s=60)

    train.main(params=params, prepared=prepared, out=tmp_path / "out", checkpoints=forged)
    assert capsys.readouterr().err.count("is damaged or belongs to another training") == 1
    assert _contents(tmp_path / "out") == _contents(tmp_path / "undisturbed")


def test_a_pipe_in_place_of_a_checkpoint_is_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor a link that leads nowhere."""
    for name in ("a" * 64, "b" * 64):
        path = tmp_path / f"{name}.checkpoint"
        if hasattr(os, "mkfifo") and name[0] == "a":
            os.mkfifo(path)
        else:
            path.symlink_to(tmp_path / "nowhere")
        with at_most(20):
            assert checkpoint.Checkpoint(tmp_path, name, every_s=0).load() is None
    assert capsys.readouterr().err.count("it is not used") == 2
