"""dvc.yaml and dvc.lock: which files each stage reads and writes, and the md5s that DVC knows them by."""

import json
from collections import ChainMap
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from pipeline.documents import json_documents, yaml_documents
from pipeline.documents.yaml_documents import InvalidYamlError
from pipeline.errors import UserError, quoted
from pipeline.files import md5_bytes, md5_file

LOCK_FILE = "dvc.lock"
STAGES_FILE = "dvc.yaml"

# DVC marks the md5 of a folder, which is that of its listing.
FOLDER_MARK = ".dir"

_BYTECODE = "__pycache__"


@dataclass(frozen=True)
class Output:
    """An output of a stage: its path, and the md5 that dvc.lock has; of a folder, that of DVC's listing of it."""

    stage: str
    path: str
    md5: str

    @property
    def is_folder(self) -> bool:
        """Whether the md5 is that of a listing."""
        return self.md5.endswith(FOLDER_MARK)


@dataclass(frozen=True)
class Lock:
    """A dvc.lock: ``stages`` as its YAML has them."""

    stages: dict[str, Any] = field(default_factory=dict)

    def outputs(self) -> list[Output]:
        """Every output, in the order of the file; the md5 is empty where none was recorded."""
        return [
            Output(name, str(entry["path"]), str(entry.get("md5", "")))
            for name, stage in self.stages.items()
            for entry in stage.get("outs") or []
        ]

    def inputs(self) -> dict[str, str]:
        """Digest by path of what no stage makes: code and data. An input at an address may have an etag instead."""
        written = {output.path for output in self.outputs()}
        entries = [entry for stage in self.stages.values() for entry in stage.get("deps") or []]
        digests = {str(entry["path"]): entry.get(entry.get("hash", "md5")) or entry.get("etag") for entry in entries}
        return {path: str(digest or "") for path, digest in digests.items() if path not in written}

    def read_by(self, stage: str) -> dict[str, str]:
        """The md5 of every file and folder that a stage reads; without those that have none, such as an address."""
        entries = self.stages.get(stage, {}).get("deps") or []
        return {str(entry["path"]): str(entry["md5"]) for entry in entries if "md5" in entry}

    def written(self) -> dict[str, str]:
        """The outputs of all stages, md5 by path."""
        return {output.path: output.md5 for output in self.outputs() if output.md5}

    def written_by(self, stage: str) -> list[str]:
        """The paths of a stage's outputs."""
        return [output.path for output in self.outputs() if output.stage == stage]

    def out_ending(self, name: str) -> str | None:
        """The output whose path ends with this file name; None if no stage has one."""
        return next((path for path in self.written() if Path(path).name == name), None)


def parse(text: str, place: str) -> Lock:
    """Read the text of a dvc.lock; ``place`` names it in errors.

    Raises: UserError if it is not what DVC writes.
    """
    try:
        document = yaml_documents.parse(text)
        with json_documents.faults_named(f"{place}: expected what DVC writes", "run `dvc repro`"):
            _LockForm.model_validate({} if document is None else document)
    except InvalidYamlError:
        raise UserError(f"{place}: expected what DVC writes, got something else; run `dvc repro`") from None
    return Lock((document or {}).get("stages") or {})


# DVC makes the path of an entry of its cache from these, whatever they say: dots and slashes would lead out of it.
_Md5 = Annotated[str, Field(pattern=r"^[0-9a-f]{2,64}$")]
_Md5OrListing = Annotated[str, Field(pattern=r"^[0-9a-f]{2,64}(\.dir)?$")]


class OpenForm(BaseModel):
    """A mapping of which only what is read here is checked."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Version(OpenForm):
    """A file in a store that keeps versions; what it says goes before what stands beside it."""

    md5: _Md5OrListing | None = None


class _Hashed(OpenForm):
    cloud: dict[str, _Version] | None = None


class _Listed(_Hashed):
    relpath: str
    md5: _Md5


class LockEntry(_Hashed):
    """An input or output, of a stage or of a .dvc file."""

    path: str
    md5: _Md5OrListing | None = None
    hash: Literal["md5"] | None = None
    files: list[_Listed] | None = None


class _StageForm(OpenForm):
    cmd: str | list[str] | None = None
    deps: list[LockEntry] | None = None
    outs: list[LockEntry] | None = None
    params: dict[str, Any] | None = None


class _LockForm(OpenForm):
    stages: dict[str, _StageForm] | None = None


_LISTING = TypeAdapter(list[_Listed])


def parsed_listing(content: bytes) -> dict[str, str]:
    """The md5 by relative path of the files in a folder, from DVC's listing of it.

    Raises: UserError if it is no listing, or if a path leads out of the folder, which none of DVC's does.
    """
    place = "DVC's listing of a folder"
    with json_documents.faults_named(place, "do not use it"):
        md5s = {entry.relpath: entry.md5 for entry in _LISTING.validate_python(json_documents.decoded(content))}
    require_inside(md5s, place, "do not use it")
    return md5s


def require_inside(relative: Iterable[str], place: str, remedy: str) -> None:
    """Check that no path of the files in a folder leads out of it, as this system reads paths.

    Raises: UserError.
    """
    for text in relative:
        path = PurePath(text)
        if path.anchor or not path.parts or ".." in path.parts or "\0" in text:
            raise UserError(f"{place}: expected paths in it, got {quoted(text)}; {remedy}")


def listing_md5(files: dict[str, str]) -> str:
    """The md5 of a folder in dvc.lock: that of DVC's JSON listing of its files, sorted by path."""
    entries = [{"md5": md5, "relpath": path} for path, md5 in sorted(files.items())]
    return md5_bytes(json.dumps(entries, sort_keys=True).encode()) + FOLDER_MARK


def inputs(folder: Path, stage: str) -> dict[str, str]:
    """The md5 of every dependency of a stage that is about to run in ``folder``, as dvc.lock will show it afterwards.

    Files are read. A folder that a stage wrote has the md5 that dvc.lock has of it; any other stands with each of its
    files, so that they can be named. Empty without a dvc.yaml.
    """
    try:
        document = yaml_documents.parse((folder / STAGES_FILE).read_text(encoding="utf-8"))
        paths = [path for path in document["stages"][stage]["deps"] if isinstance(path, str)]
        written = parse((folder / LOCK_FILE).read_text(encoding="utf-8"), LOCK_FILE).written()
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return {}  # a stage may be called by hand, without DVC; what is wrong with the files, DVC tells
    own = {path: md5_file(folder / path) for path in paths if (folder / path).is_file()}
    below = [files_below(folder, path) for path in paths if path not in written]
    return {path: written[path] for path in paths if path in written} | own | dict(ChainMap(*below))


def files_below(folder: Path, path: str) -> dict[str, str]:
    """The md5 by path of the files below ``folder / path``, without the bytecode that .dvcignore leaves out."""
    return {file.relative_to(folder).as_posix(): md5_file(file) for file in counted_files(folder / path)}


def counted_files(folder: Path) -> list[Path]:
    """The files below a folder, sorted, without the bytecode that .dvcignore leaves out."""
    return [file for file in sorted(folder.rglob("*")) if file.is_file() and file.parent.name != _BYTECODE]
