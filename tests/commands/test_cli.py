"""The command line: exit statuses, messages, and what they leave behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import UNTRACKED, Project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(repro: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after one `dvc repro`, and with its run in MLflow."""
    project = Project.after_repro(tmp_path_factory.mktemp("main"), repro)
    project.pipeline("track")
    return project


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _with_param(project: Project, old: str, new: str) -> None:
    text = project.read("params.yaml")
    assert old in text
    (project.folder / "params.yaml").write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def params(project: Project):
    """Leave params.yaml as it was."""
    before = project.read("params.yaml")
    yield project
    (project.folder / "params.yaml").write_text(before, encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "word", "message"),
    [
        ("lr: 0.1 ", "lr: fast ", "train", "params.yaml: train.lr: expected a valid number, got 'fast' (str)"),
        ("lr: 0.1 ", "lr: 1e300 ", "train", "the cost became NaN or infinite; lower train.lr"),
        ("target: y ", "target: z ", "prepare", "params.yaml: prepare.target"),
        (
            "calibration_bins: 10 ",
            "calibration_bins: 0 ",
            "evaluate",
            "evaluate.calibration_bins: expected greater than or equal to 1",
        ),
    ],
)
def test_a_mistake_is_one_message_and_changes_nothing(
    params: Project, old: str, new: str, word: str, message: str
) -> None:
    """Exit status 1, one message without a traceback, and every earlier output as it was."""
    folders = [params.folder / name for name in ("data/prepared", "models", "reports")]
    before = [_content(folder) for folder in folders]
    _with_param(params, old, new)
    words = {
        "prepare": ["--source", "data/raw/tutorial.csv", "--out", "data/prepared"],
        "train": ["--prepared", "data/prepared", "--out", "models"],
        "evaluate": ["--prepared", "data/prepared", "--model", "models", "--out", "reports"],
    }[word]
    result = params.pipeline(word, *words, check=False)
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert [_content(folder) for folder in folders] == before


def test_under_dvc_the_way_back_is_told_and_works(params: Project) -> None:
    """A stage that fails under `dvc repro` says how to get its earlier outputs back, and that does it."""
    before = _content(params.folder / "models")
    _with_param(params, "lr: 0.1 ", "lr: 1.0e300 ")
    result = params.dvc("repro", check=False, **UNTRACKED)
    assert "the cost became NaN or infinite" in result.stderr
    assert "`dvc checkout` brings them back" in result.stderr
    assert not _content(params.folder / "models").items() >= before.items()
    params.dvc("checkout")
    assert _content(params.folder / "models") == before


def test_misuse_of_the_command_line_exits_2(project: Project) -> None:
    """An unknown word or a missing option is not a mistake in the data."""
    no_file = ["predict", "data/raw/tutorial-query.csv", "-o", ""]
    for words in (["no-such-word"], ["train"], ["prepare", "--source"], ["ui", "--port", "99999999"], no_file):
        assert project.pipeline(*words, check=False).returncode == 2


def test_an_edited_model_is_refused(project: Project) -> None:
    """A weights file whose digest does not match is named, with what to do."""
    weights = project.folder / "models/softmax.safetensors"
    good = weights.read_bytes()
    weights.unlink()  # DVC may have linked the file to its cache
    weights.write_bytes(good[:-1] + b"\0")
    result = project.pipeline("predict", "data/raw/tutorial-query.csv", check=False)
    weights.write_bytes(good)
    assert result.returncode == 1
    assert "models/softmax.safetensors" in result.stderr
    assert "run `dvc repro`" in result.stderr


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder that takes no files, whoever asks: /sys")
def test_a_place_that_cannot_be_written_is_told_without_a_traceback(project: Project) -> None:
    """The kernel lets nobody make a file in /sys, as a read-only disk does."""
    words = ("init", "data/raw/tutorial.csv", "--target", "y", "-o", "/sys/params.yaml")
    result = project.pipeline(*words, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("/sys/params.yaml: cannot be written: ")
    assert result.stderr.endswith("change its permissions, or name one that can be written\n")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", ["summary", "predict many.csv -o -", "compare", "track"])
def test_a_reader_that_has_read_enough_ends_it_quietly(project: Project, words: str) -> None:
    """`| head -1` closes the pipe: no traceback, and nothing about it at the end of the process."""
    rows = "2,1,3,2\n" * 20_000
    (project.folder / "many.csv").write_text(f"x1,x2,x3,x4\n{rows}", encoding="utf-8")
    result = project.run("bash", "-c", f"python -m pipeline {words} | head -1")
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr == ""


def test_tracking_is_switched_off_for_a_stage(project: Project) -> None:
    """PIPELINE_TRACKING=off leaves the store as it was, and the model too."""
    before = (project.read("models/softmax.json"), (project.folder / "mlflow.db").read_bytes())
    words = ("train", "--prepared", "data/prepared", "--out", "models")
    result = project.run("python", "-m", "pipeline", *words, PIPELINE_TRACKING="off")
    assert "MLflow" not in result.stdout + result.stderr
    assert (project.read("models/softmax.json"), (project.folder / "mlflow.db").read_bytes()) == before


def test_standard_input_and_output_are_a_dash(project: Project) -> None:
    """In a pipe of a shell the bytes are those of files; the file that standard input reads is not written."""
    command = "python -m pipeline predict data/raw/tutorial-query.csv -o scored.csv && "
    command += "cat data/raw/tutorial-query.csv | python -m pipeline predict - -o - | cmp - scored.csv"
    project.run("bash", "-c", command)
    project.run("cp", "data/raw/tutorial-query.csv", "q.csv")
    result = project.run("bash", "-c", "python -m pipeline predict - -o q.csv < q.csv", check=False)
    assert result.stderr == "q.csv: is one of the files that are read; write to another\n"
    assert project.read("q.csv") == project.read("data/raw/tutorial-query.csv")


def test_an_error_moves_no_cursor(project: Project) -> None:
    """Control characters of a name are told by their escapes."""
    result = project.pipeline("runs", "a\x1b[31mb\u202e", check=False)
    assert result.stderr.startswith(r"a\x1b[31mb\u202e: expected a commit")


def test_a_secret_in_a_source_reaches_no_file(params: Project) -> None:
    """A training by hand with such a source in params.yaml ends before its run would show it."""
    _with_param(params, "source: data/raw/tutorial.csv ", "source: http://user:hunter2@127.0.0.1:9/x.csv ")
    for words in (["prepare", "--out", "data/prepared"], ["train", "--prepared", "data/prepared", "--out", "models"]):
        result = params.pipeline(*words, check=False)
        assert result.returncode == 1
        assert result.stderr.startswith("http://***@127.0.0.1:9/x.csv: expected an address without user names")
        assert len(result.stderr.splitlines()) == 1
    written = [path for path in params.folder.rglob("*") if path.is_file() and path.name != "params.yaml"]
    assert not any(b"hunter2" in path.read_bytes() for path in written)


def test_a_wrong_param_leaves_every_output_under_dvc(params: Project) -> None:
    """`check` runs first, so that DVC takes nothing away: the model of before still scores rows."""
    before = _content(params.folder / "models")
    _with_param(params, "lr: 0.1 ", "lr: -1 ")
    failed = params.dvc("repro", check=False)
    assert failed.returncode != 0
    assert "params.yaml: train.lr: expected" in failed.stdout + failed.stderr
    assert "dvc checkout" not in failed.stdout + failed.stderr
    assert _content(params.folder / "models") == before
    params.pipeline("predict", "data/raw/tutorial-query.csv")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_a_sentence(project: Project) -> None:
    """Of standard output, too, and nothing more is said when Python ends."""
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "pipeline", "weights"],
            cwd=project.folder,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "no space left on device; make room, or write elsewhere" in ended.stderr


def test_a_name_beyond_the_encoding_of_a_stream_is_escaped(project: Project) -> None:
    """As Hangul's are in cp1252, a pipe's on Windows, where it ended the command; `init -o -` writes UTF-8."""
    (project.folder / "표.csv").write_bytes((project.folder / "data/raw/tutorial.csv").read_bytes())
    shown = project.pipeline("init", "표.csv", "--target", "y", "-o", "new.yaml", PYTHONIOENCODING="cp1252")
    assert "dvc add '\\ud45c.csv'" in shown.stdout
    written = project.pipeline("init", "표.csv", "--target", "y", "-o", "-", PYTHONIOENCODING="cp1252")
    assert written.stdout == project.read("new.yaml")
