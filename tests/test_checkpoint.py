"""A training that is stopped goes on where it was, and ends with the bytes of one that was not."""

import io
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline import checkpoint, train
from tests.test_workers import prepared_folder
from tests.train_every_solver import SOLVERS

ROOT = Path(__file__).parent.parent


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


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("epoch", [1, 2])
def test_every_solver_goes_on_with_the_same_bytes(tmp_path: Path, prepared: Path, solver: str, epoch: int) -> None:
    """Model, history and snapshots do not tell that the training was stopped; the checkpoint is gone at the end."""
    given = {"seed": 1, "snapshot_every": 2, "early_stopping": {"patience": 90}} | SOLVERS[solver] | {"epochs": 6}
    params = train.Params.model_validate(given)
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


def test_the_bar_goes_on_where_the_training_does(
    tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of six epochs of which four were run before, the fifth is shown as 5/6."""
    params = train.Params.model_validate({"seed": 1, "snapshot_every": 2, "solver": "sgd", "lr": 0.1, "epochs": 6})
    data, folder = {"params": params, "prepared": prepared, "out": tmp_path / "out"}, _at(tmp_path / "kept")
    with pytest.raises(_StoppedError):
        train.main(**data, watch=_stop_after(4), checkpoints=folder)
    terminal = _Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    train.main(**data, watch=lambda _: time.sleep(1.2), checkpoints=folder)  # nothing is drawn in the first second
    assert "5/6" in terminal.getvalue()


def test_another_training_does_not_take_a_checkpoint_up(tmp_path: Path, prepared: Path) -> None:
    """A changed learning rate begins at epoch 0, and the other training's checkpoint stays."""
    params = {"seed": 1, "snapshot_every": 2, "solver": "sgd", "epochs": 5}
    with pytest.raises(_StoppedError):
        train.main(
            params=train.Params.model_validate(params | {"lr": 0.5}),
            prepared=prepared,
            out=tmp_path / "out",
            watch=_stop_after(3),
            checkpoints=_at(tmp_path / "kept"),
        )
    seen: list[int] = []
    train.main(
        params=train.Params.model_validate(params | {"lr": 0.25}),
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
    kept = checkpoint.Checkpoint(tmp_path, "k" * 64, every_s=0)
    kept.offer(lambda: {"W": torch.arange(9.0)})
    (path,) = tmp_path.iterdir()
    assert torch.equal((kept.read() or {})["W"], torch.arange(9.0))
    path.write_bytes(damage(path.read_bytes()))
    assert kept.read() is None
    assert capsys.readouterr().err.count("is damaged or belongs to another training") == 1


def test_a_checkpoint_under_another_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The key is part of what is digested, so a file renamed by hand is not taken up."""
    checkpoint.Checkpoint(tmp_path, "a" * 64, every_s=0).offer(lambda: {"W": torch.ones(1)})
    (path,) = tmp_path.iterdir()
    path.rename(path.with_name(f"{'b' * 64}.checkpoint"))
    assert checkpoint.Checkpoint(tmp_path, "b" * 64, every_s=0).read() is None
    assert "belongs to another training" in capsys.readouterr().err


def test_the_key_tells_data_params_and_code_apart() -> None:
    """Every part counts, and the same parts give the same key."""
    parts = [{"data": "d", "params": {"lr": 0.1}}, {"data": "e", "params": {"lr": 0.1}}, {"data": "d", "params": {}}]
    assert len({checkpoint.key_of(**part) for part in parts}) == 3
    assert checkpoint.key_of(**parts[0]) == checkpoint.key_of(**parts[0])


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_bytes(tmp_path: Path, prepared: Path) -> None:
    """Eight kills with -9 between start and end; each new process goes on, the last one ends as if undisturbed."""
    chosen = {"solver": "adam", "lr": 0.01, "epochs": 400, "seed": 1, "snapshot_every": 50, "batch_size": 5000}
    train.main(params=train.Params.model_validate(chosen), prepared=prepared, out=tmp_path / "undisturbed")
    words = [sys.executable, "-c", _PROGRAM, str(prepared), str(tmp_path / "out"), str(tmp_path / "kept")]
    moments = random.Random(0)
    kills = 0
    while True:
        process = subprocess.Popen([*words, json.dumps(chosen)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()  # it has begun to train
        deadline = time.monotonic() + moments.uniform(0, 0.4)
        while kills < 8 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.005)
        if kills == 8 or process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += 1
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert kills > 3
    assert _contents(tmp_path / "out") == _contents(tmp_path / "undisturbed")
    assert not [path for path in (tmp_path / "kept").iterdir() if path.suffix == ".checkpoint"]


_PROGRAM = """
import json, sys
from pathlib import Path
from pipeline import checkpoint, train
prepared, out, kept = map(Path, sys.argv[1:4])
params = train.Params.model_validate(json.loads(sys.argv[4]))
print("ready", flush=True)
train.main(params=params, prepared=prepared, out=out, checkpoints=lambda key: checkpoint.Checkpoint(kept, key, 0))
"""
