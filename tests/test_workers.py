"""The same bytes from any number of processes, under real torchrun."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.dataset import shard
from pipeline.dataset.encoder import CategoryColumn, DType, Encoder, NumberColumn
from pipeline.dataset.writer import Writer
from pipeline.train import stage as train
from pipeline.train.params import TrainParams
from tests.project import SOURCE, UNTRACKED, Project
from tests.train_every_solver import SOLVERS
from tests.two_hosts import two_hosts

CLASSES = ("a", "b", "c")
ROWS = 20_000  # two blocks: fewer than three workers


def prepared_folder(folder: Path, count: int = ROWS, dtype: DType = "float32") -> Path:
    """Write training rows of three numbers and two categories, weighted, and some validation rows."""
    random = np.random.default_rng(0)
    numbers = random.normal(size=(count, 3)).astype(dtype)
    codes = random.integers([4, 2], size=(count, 2)).astype(np.uint8)
    scores = np.stack([numbers[:, 0], numbers[:, 1] + codes[:, 0], numbers[:, 2] - codes[:, 1]], 1)
    labels = (scores + random.gumbel(size=scores.shape)).argmax(1).astype(np.int32)
    rows = shard.Shard(numbers, codes, labels, np.arange(1, count + 1), random.uniform(0.5, 2, count))
    columns = tuple(NumberColumn(name, "number", 0.0, 0.0, 1.0, False) for name in ("u", "v", "w"))
    levels = (CategoryColumn("c", ("p", "q", "r", "s", "<unseen>")), CategoryColumn("d", ("x", "y", "<unseen>")))
    folder.mkdir()
    writer = Writer(folder)
    writer.add("train", rows)
    writer.add("validation", rows.part(0, 500))
    writer.finish({}, Encoder(columns, levels, "y", CLASSES, ("",), dtype))
    return folder


def _torchrun(workers: int, *words: str) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={workers}"] if workers > 1 else []
    subprocess.run([sys.executable, *launcher, "-m", *words], cwd=SOURCE, check=True, env=os.environ, timeout=240)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module", params=["float32", "float64"])
def alone(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[Path, dict[str, bytes]]:
    """Prepared data of a dtype, and what one process makes of it."""
    folder = tmp_path_factory.mktemp("workers")
    prepared = prepared_folder(folder / "prepared", dtype=request.param)
    _torchrun(1, "tests.train_every_solver", str(prepared), str(folder / "alone"))
    return prepared, _contents(folder / "alone")


@pytest.mark.slow
def test_every_solver_leaves_the_same_bytes(tmp_path: Path, alone: tuple[Path, dict[str, bytes]]) -> None:
    """Model, history and snapshots of each solver do not tell that three processes trained it, one without a block."""
    prepared, expected = alone
    assert len(expected) == 4 * len(SOLVERS)
    _torchrun(3, "tests.train_every_solver", str(prepared), str(tmp_path / "shared"))
    contents = _contents(tmp_path / "shared")
    assert [name for name in expected if contents.get(name) != expected[name]] == []


@pytest.mark.slow
def test_two_hosts_leave_the_same_bytes(tmp_path: Path, alone: tuple[Path, dict[str, bytes]]) -> None:
    """One worker on each of two hosts with a network of their own between them, and a shared disk."""
    prepared, expected = alone
    with two_hosts() as hosts:
        if hosts is None:
            pytest.skip("needs root and iproute2 to make network namespaces")
        processes = []
        for number, host in enumerate(hosts):
            launcher = ["-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", f"--node-rank={number}"]
            meeting = [f"--master-addr={hosts[0].address}", "--master-port=29511"]
            words = ["-m", "tests.train_every_solver", str(prepared), str(tmp_path / "shared")]
            network = os.environ | {"GLOO_SOCKET_IFNAME": host.interface}
            command = [*host.enter, sys.executable, *launcher, *meeting, *words]
            processes.append(subprocess.Popen(command, cwd=SOURCE, env=network))
        assert [process.wait(timeout=240) for process in processes] == [0, 0]
    contents = _contents(tmp_path / "shared")
    assert [name for name in expected if contents.get(name) != expected[name]] == []


@pytest.mark.slow
def test_a_worker_that_dies_is_restarted_and_training_goes_on(tmp_path: Path) -> None:
    """Worker 1 kills itself once; torchrun starts all anew, they go on from the checkpoint, and no byte tells."""
    prepared = prepared_folder(tmp_path / "prepared")
    chosen = {"solver": "sgd", "lr": 0.5, "epochs": 8, "seed": 1, "snapshot_every": 2}
    train.main(params=TrainParams.model_validate(chosen), prepared=prepared, out=tmp_path / "undisturbed")
    program = tmp_path / "program.py"
    program.write_text(_DIES_ONCE, encoding="utf-8")
    words = ["--standalone", "--nproc-per-node=2", "--max-restarts=1", str(program), str(tmp_path), json.dumps(chosen)]
    result = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *words],
        cwd=SOURCE,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        timeout=240,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    # Worker 0 may have written the state after epoch 5 before it heard of the death.
    assert "began at epoch 5" in result.stdout or "began at epoch 6" in result.stdout
    assert _contents(tmp_path / "out") == _contents(tmp_path / "undisturbed")


_DIES_ONCE = """
import json, os, signal, sys
from pathlib import Path
from pipeline.parallel import workers
from pipeline.train import checkpoint, stage as train
from pipeline.train.params import TrainParams

folder, seen = Path(sys.argv[1]), []

def watch(record):
    seen.append(record["epoch"])
    if record["epoch"] == 5 and workers.rank() == 1 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        os.kill(os.getpid(), signal.SIGKILL)

with workers.process_group():
    train.main(
        params=TrainParams.model_validate(json.loads(sys.argv[2])),
        prepared=folder / "prepared",
        out=folder / "out",
        watch=watch,
        checkpoints=lambda key: checkpoint.Checkpoint(folder / "kept", key, 0),
    )
    print("began at epoch", seen[0])
"""


@pytest.mark.slow
def test_dvc_repro_with_workers_keeps_the_lock_file(tmp_path: Path, repro: Path) -> None:
    """`workers: 2` in params.yaml changes no byte of any stage's outputs."""
    project = Project.after_repro(tmp_path, repro)
    lock = project.read("dvc.lock")
    text = project.read("params.yaml")
    (tmp_path / "params.yaml").write_text(text.replace("workers: 1 ", "workers: 2 "), encoding="utf-8")
    project.dvc("repro", "-f", **UNTRACKED)
    assert project.read("dvc.lock") == lock


@pytest.mark.slow
def test_a_user_error_under_workers_is_one_sentence(tmp_path: Path) -> None:
    """The first worker says it, and the exit status is 1."""
    project = Project(tmp_path)
    text = project.read("params.yaml").replace("workers: 1 ", "workers: 2 ")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    result = project.pipeline("train", "--prepared", "data/nowhere", "--out", "models", check=False, **UNTRACKED)
    assert result.returncode == 1
    assert result.stderr.strip() == "data/nowhere/prepared.json: no such file; run `dvc repro` to prepare the data"


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5", "true"])
def test_a_wrong_number_of_workers_is_named(tmp_path: Path, wrong: str) -> None:
    """The sentence says what was expected and what came."""
    from pipeline.commands import launch
    from pipeline.errors import UserError

    path = tmp_path / "params.yaml"
    path.write_text(f"workers: {wrong}\n", encoding="utf-8")
    with pytest.raises(UserError, match="workers: expected a whole number of at least 1, got"):
        launch.worker_count(path)


def test_a_variable_says_how_many_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PIPELINE_WORKERS goes before params.yaml, and a wrong one is named."""
    from pipeline.commands import launch
    from pipeline.errors import UserError

    path = tmp_path / "params.yaml"
    path.write_text("workers: 2\n", encoding="utf-8")
    assert launch.worker_count(path) == 2
    monkeypatch.setenv("PIPELINE_WORKERS", "3")
    assert launch.worker_count(path) == 3
    monkeypatch.setenv("PIPELINE_WORKERS", "0")
    with pytest.raises(UserError, match="PIPELINE_WORKERS: expected a whole number of at least 1, got 0"):
        launch.worker_count(path)


_TELLS = """
import os, sys
from pipeline.commands import launch
from pipeline.errors import UserError

os.environ |= {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2", "RANK": sys.argv[1], "PIPELINE_ERRORS": sys.argv[2]}
for _ in range(300):
    assert launch.tell(UserError(f"said by {sys.argv[1]}"))
"""


@pytest.mark.slow
def test_workers_that_end_at_the_same_moment_all_tell(tmp_path: Path) -> None:
    """Each leaves its sentence in a file of its own: none meets a file that another is just writing."""
    children = [
        subprocess.Popen([sys.executable, "-c", _TELLS, str(rank), str(tmp_path)], cwd=SOURCE) for rank in (0, 1)
    ]
    assert [child.wait(60) for child in children] == [0, 0]
    assert sorted(path.read_text(encoding="utf-8") for path in tmp_path.iterdir()) == ["said by 0", "said by 1"]


def _train_with_two(project: Project) -> subprocess.CompletedProcess[str]:
    """`train` in two processes, in a project that was prepared; it has to end within seconds."""
    text = project.read("params.yaml").replace("workers: 1 ", "workers: 2 ")
    (project.folder / "params.yaml").write_text(text, encoding="utf-8")
    return project.pipeline("train", "--prepared", "data/prepared", "--out", "models", check=False, **UNTRACKED)


def _long_table(project: Project) -> None:
    """Prepared data of two blocks or more in two files, so that two workers read one file each."""
    project.run("rm", "-rf", "data/prepared")
    prepared_folder(project.folder / "data/prepared", 9 * shard.BLOCK_ROWS)


@pytest.mark.slow
def test_what_one_worker_finds_ends_all(tmp_path: Path) -> None:
    """A file that only worker 1 reads is damaged: its one sentence is the only one, and the exit status is 1."""
    project = Project(tmp_path)
    _long_table(project)
    path = project.folder / "data/prepared/train-00001.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    result = _train_with_two(project)
    assert result.returncode == 1
    assert result.stderr.strip() == (
        "data/prepared/train-00001.safetensors: digest does not match its content: the file was cut short or edited; "
        "run `dvc repro`"
    )


@pytest.mark.slow
def test_numbers_that_overflow_at_one_worker_end_all(tmp_path: Path) -> None:
    """A learning rate that no number survives: training has diverged at every worker, and one sentence says so."""
    project = Project(tmp_path)
    _long_table(project)
    text = project.read("params.yaml").replace("lr: 0.1 ", "lr: 1.0e300 ")
    (project.folder / "params.yaml").write_text(text, encoding="utf-8")
    result = _train_with_two(project)
    assert result.returncode == 1
    assert result.stderr.strip().startswith("train: epoch 1: the cost became NaN or infinite; lower train.lr")
    assert "\n" not in result.stderr.strip()
