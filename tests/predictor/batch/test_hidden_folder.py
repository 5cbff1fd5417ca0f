"""Nothing that lies where the hidden folder will be leads `predict` to a file that is not its own."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.commands import predict
from pipeline.errors import UserError
from pipeline.predictor.batch import hidden_folder
from tests.predictor.batch.problems import save_model, write_csv


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(tmp_path / "models")
    write_csv(tmp_path / "in.csv", 100)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "novel").write_text("once", encoding="utf-8")
    return tmp_path


def write(folder: Path) -> None:
    predict.main(source=folder / "in.csv", out=folder / "out.csv", model=folder / "models")


def _link(name: str, to: str) -> Callable[[Path], None]:
    def lay(folder: Path) -> None:
        link = hidden_folder.path(folder / "out.csv") / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder / "mine" / to)

    return lay


def _directory(folder: Path) -> None:
    (hidden_folder.path(folder / "out.csv") / "out" / "part-00000.csv").mkdir(parents=True)


def _other_file(folder: Path) -> None:
    place = hidden_folder.path(folder / "out.csv")
    place.mkdir()
    (place / "novel").write_text("once", encoding="utf-8")


STRANGERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "the folder is a link": (_link("", "."), "a link"),
    "the folder is a file": (lambda folder: hidden_folder.path(folder / "out.csv").write_text("x") and None, "a file"),
    "the journal is a link": (_link("journal", "novel"), "'journal'"),
    "the lock is a link": (_link("lock", "novel"), "'lock'"),
    "the files' folder is a link": (_link("out", "."), "'out'"),
    "a file is a link": (_link("out/part-00000.csv", "novel"), "'out/part-00000.csv'"),
    "a file is a folder": (_directory, "'out/part-00000.csv'"),
    "another file": (_other_file, "'novel'"),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_what_predict_did_not_leave_is_refused_and_left_alone(folder: Path, stranger: str) -> None:
    lay, named = STRANGERS[stranger]
    try:
        lay(folder)
    except OSError:
        pytest.skip("this system lets this user make no links")
    before = {path: path.lstat().st_mode for path in sorted(folder.rglob("*"))}
    with pytest.raises(UserError, match=rf"\.out\.csv\.part: expected what a predict .* left, got {named}; look at it"):
        write(folder)
    after = {path: path.lstat().st_mode for path in sorted(folder.rglob("*"))}
    assert after.keys() == before.keys()
    assert (folder / "mine" / "novel").read_text(encoding="utf-8") == "once"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files to others")
def test_a_folder_of_another_user_is_refused(folder: Path) -> None:
    place = hidden_folder.path(folder / "out.csv")
    place.mkdir(mode=0o777)
    os.chown(place, 65534, -1)
    with pytest.raises(UserError, match="got a folder of another user"):
        write(folder)
    assert place.is_dir()


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps permissions elsewhere")
@pytest.mark.parametrize("is_there", [False, True])
def test_nobody_else_may_write_in_it(folder: Path, is_there: bool) -> None:
    """Nor read rows before they are at their place, which has the permissions of any new file."""
    out = folder / "out.csv"
    before = os.umask(0)
    try:
        if is_there:
            hidden_folder.path(out).mkdir(mode=0o777)
        with hidden_folder.locked(out) as place:
            assert stat.S_IMODE(place.stat().st_mode) == 0o700
        write(folder)
    finally:
        os.umask(before)
    assert stat.S_IMODE(out.stat().st_mode) == 0o666
    assert not hidden_folder.path(out).exists()
