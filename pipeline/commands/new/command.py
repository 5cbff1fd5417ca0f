"""Make a project for a table in a new folder: the code of this version, git, DVC, params.yaml, a first commit."""

import contextlib
import io
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline import credentials, files, screen
from pipeline.commands.new import readme, upstream
from pipeline.commands.new.upstream import RECORD_FILE, SOURCE_SETTING, Record
from pipeline.errors import UserError, listed, quoted, shortened
from pipeline.repository import git
from pipeline.table import find_source, remote, sources

# Tables lie here, as the outputs of stages lie where dvc.yaml has them.
_RAW = Path("data/raw")

_NAMES_OF_DVC = ("dvc.yaml", "dvc.lock")

_SECONDS = 600.0
_LONGEST_NAME = 200  # bytes: of 255 a temporary name takes some more


def main(*, folder: Path, tables: Sequence[str], target: str, write_params: Callable[[str, str], None]) -> None:
    """Make ``folder`` for files, a folder of files or an address; ``write_params(source, target)`` writes params.yaml.

    Raises: UserError if that cannot be; then nothing is left of it.
    """
    # Refuse what cannot be, before anything is written.
    if git.run(Path.cwd(), "--version") is None:
        raise UserError("git: expected it to be installed, got none: a project is a repository; install it")
    code = upstream.running()
    _require_new(folder)
    _require_author(folder.parent)
    located = _located(tables)
    record = Record(code.release, code.commit, upstream.address(code))
    left_behind = upstream.uncommitted(code)
    # Make it beside its place, then put it there.
    with screen.bar("making the project"), _made_beside(folder) as project:
        for name, content in code.files().items():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_bytes(content)
        _git(project, "init", "--quiet")
        if record.source is None:
            _git(project, "config", SOURCE_SETTING, str(code.folder))
        source = tables[0] if located is None else _copied(project, located, folder.name)
        warnings = _params_written(project, source, target, write_params, tables[0])
        if located is not None:
            _run_dvc(project, "add", source)  # which reads dvc.yaml, and that params.yaml
        files.write_text(project / RECORD_FILE, record.to_text())
        files.write_text(project / "README.md", readme.text(folder.name, target, source, record))
        _commit(project, f"A project for {shortened(source)}, with softmax-pipeline {record}")
    # Say what was made, what to doubt, and what to do.
    screen.say(
        f"{screen.unbroken(folder)}: a project for {shortened(source)} with softmax-pipeline {record}, committed"
    )
    for warning in warnings:
        screen.say(f"  warning: {warning}", indent=4)
    if left_behind:
        where = screen.unbroken(code.folder)
        screen.say(f"  not in it, since not committed in {where}: {listed(left_behind)}", indent=4)
    screen.say(f"next: {screen.unbroken(f'cd {shlex.quote(str(folder))} && make run')}")


def _require_new(folder: Path) -> None:
    """Check that the folder can be made. Raises: UserError."""
    parent = folder.absolute().parent
    if not folder.absolute().name.isprintable() or len(os.fsencode(folder.name)) > _LONGEST_NAME:
        raise UserError(f"{shortened(folder)}: expected a name of a folder that can be printed; name another")
    if folder.is_dir() and folder.samefile(Path.cwd()):
        raise UserError(f"{folder}: expected a new folder, got the one in which you stand; name another")
    if os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: expected a new folder or an empty one, got one that is in use; name another")
    if not parent.is_dir():
        raise UserError(f"{folder}: expected a new folder in one that is there, got {parent}; make that first")
    around = (git.stdout(parent, "rev-parse", "--show-toplevel") or "").removesuffix("\n")
    if around:
        outside = os.path.relpath(Path(around).parent / folder.name)
        raise UserError(
            f"{folder}: expected a folder outside of every git repository, got one in {around}; name another, such as "
            f"{outside}"
        )


def _require_author(folder: Path) -> None:
    """Check that git knows who commits. Raises: UserError."""
    done = git.run(folder, "var", "GIT_COMMITTER_IDENT")
    if done is None or done.returncode:
        raise UserError(
            "git: expected to know who commits, got no name or address; "
            'git config --global user.name "NAME"; git config --global user.email NAME@EXAMPLE.ORG'
        )


def _located(tables: Sequence[str]) -> list[Path] | None:
    """The files of the tables; None of an address, which stays where it is. Raises: UserError."""
    addresses = [table for table in tables if remote.is_remote(table)]
    if addresses:
        credentials.refuse(addresses[0])
        if len(tables) > 1:
            raise UserError(
                f"{shortened(addresses[0])}: expected one address alone, got {len(tables)} tables; name a folder of it"
            )
        return None
    located = [path for table in tables for path in sources.local_paths(find_source.find(table, encoding="auto"))]
    names = [path.name for path in located]
    for path in located:
        if names.count(path.name) > 1:
            raise UserError(f"{path}: expected files of different names, got two of this one; rename one")
        if not path.name.isprintable():
            raise UserError(f"{shortened(path)}: expected a name that can be printed; rename it")
        if path.name.startswith(".") or path.name in _NAMES_OF_DVC or path.suffix == ".dvc":
            raise UserError(f"{path}: expected the name of a table, got one that git or DVC reads; rename it")
    return located


@contextmanager
def _made_beside(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside ``folder``, which becomes it when the block ends without an exception, or is removed.

    Raises: UserError if it cannot be written.
    """
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.absolute().parent))
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise UserError(f"{folder}: cannot be made: {reason}; name a folder where one can be made") from None
    try:
        with files.full_disk_named(folder):
            yield temporary
        temporary.chmod(0o777 & ~_umask())
        if folder.is_dir():
            folder.rmdir()  # it is empty; Windows lets no folder take the place of another
        temporary.replace(folder)
    finally:
        files.remove_folder(temporary)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _copied(project: Path, located: list[Path], name: str) -> str:
    """Copy the files into the project; return what prepare.source says of them."""
    source = _RAW / (located[0].name if len(located) == 1 else name)
    place = project / source if len(located) > 1 else project / _RAW
    place.mkdir(parents=True)
    for path in located:
        with sources.as_user_error(path):
            shutil.copyfile(path, place / path.name)
    return source.as_posix()


def _params_written(
    project: Path, source: str, target: str, write_params: Callable[[str, str], None], typed: str
) -> list[str]:
    """Let params.yaml be written; return its warnings. Raises: UserError that names the table as it was typed."""
    from pipeline.commands.init import section

    printed = io.StringIO()
    try:
        with contextlib.chdir(project), contextlib.redirect_stdout(printed):
            write_params(source, target)
    except UserError as error:
        message = str(error)
        raise UserError(typed + message.removeprefix(source) if message.startswith(source) else message) from None
    return section.warnings_of(printed.getvalue())


def _commit(project: Path, message: str) -> None:
    """Commit all that the project is made of, also what the person's own list of ignored files names."""
    listing = git.stdout(project, "ls-files", "--others", "--exclude-per-directory=.gitignore", "-z") or ""
    _git(project, "add", "--force", "--", *listing.split("\0")[:-1])
    _git(project, "commit", "--quiet", "--no-verify", f"--message={message}")


def _git(folder: Path, *words: str) -> None:
    done = git.run(folder, *words, seconds=_SECONDS)
    if done is None or done.returncode:
        reason = "no answer" if done is None else _last_line(done.stderr)
        raise UserError(f"git {words[0]}: failed: {reason}; try it in another new folder")


def _run_dvc(folder: Path, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words],
        cwd=folder,
        env=git.repository_free_environment(),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise UserError(f"dvc {words[0]} {quoted(words[-1])}: failed: {_last_line(done.stderr)}; see `dvc doctor`")


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return shortened(lines[-1]) if lines else "without a word"
