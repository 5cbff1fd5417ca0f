"""dvc.yaml, dvc.lock, params.yaml and .dvc files of a commit, looked at before DVC follows them.

DVC reads and writes where a digest or a path of such a file leads, and walks through all that its anchors stand for.
"""

from pathlib import Path

from pipeline.documents import json_documents, yaml_documents
from pipeline.documents.yaml_documents import InvalidYamlError
from pipeline.errors import UserError, shortened
from pipeline.params import PARAMS_FILE
from pipeline.repository import lockfile

POINTER = ".dvc"
_NAMES = (lockfile.STAGES_FILE, lockfile.LOCK_FILE, f"*{POINTER}")
_REMEDY = "nothing was run; write it anew with DVC, and commit"


class PointerForm(lockfile.OpenForm):
    """A .dvc file, as far as it is checked: each output's digests, and the paths of the files in it."""

    outs: list[lockfile.LockEntry] | None = None


def refuse_unsafe(folder: Path, commit: str) -> None:
    """Check every file of the checkout that DVC might read.

    Raises: UserError that names the first one that is no YAML which DVC can read, and the first .dvc file with
    digests that are none or with paths that lead out.
    """
    # The caller has read the project's own dvc.lock.
    paths = {folder / PARAMS_FILE}.union(*(folder.rglob(name) for name in _NAMES)) - {folder / lockfile.LOCK_FILE}
    for path in sorted(filter(Path.is_file, paths)):
        place = _place(path, folder, commit)
        if path.name.endswith(POINTER):
            _pointer(path, place)
        else:
            _parsed(path, place)


def folders_of(folder: Path, commit: str, pointer: str) -> list[str]:
    """The md5s of DVC's listings that a .dvc file of the checkout names. Raises: UserError, as above."""
    document = _pointer(folder / pointer, _place(folder / pointer, folder, commit))
    return [entry.md5 for entry in document.outs or [] if entry.md5 and entry.md5.endswith(lockfile.FOLDER_MARK)]


def _place(path: Path, folder: Path, commit: str) -> str:
    return f"{shortened(path.relative_to(folder).as_posix())} of commit {commit[:12]}"


def _pointer(path: Path, place: str) -> PointerForm:
    document = _parsed(path, place)
    with json_documents.faults_named(place, _REMEDY):
        pointer = PointerForm.model_validate({} if document is None else document)
        for entry in pointer.outs or []:
            lockfile.require_inside((file.relpath for file in entry.files or []), place, _REMEDY)
    return pointer


def _parsed(path: Path, place: str) -> object:
    try:
        return yaml_documents.parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise UserError(f"{place}: expected YAML in UTF-8, got other bytes: {_REMEDY}") from None
    except InvalidYamlError as error:
        where = f"{place}, line {error.line}" if error.line else place
        raise UserError(f"{where}: expected YAML, got {shortened(error)}: {_REMEDY}") from None
