"""The code that a model in MLflow carries: the modules that score rows and what they import, as an archive.

A model must compute with the code that it was logged with, where this project is not installed and where another
version of it is. MLflow's own ``code_paths`` puts a folder first on the path, which a process that has imported
``pipeline`` already never looks at. So the carried package has a name of its own, made of the digest of its sources:
models of several versions live in one process. It is an archive because Python writes no bytecode into one, so loading
a model leaves the store as it was, and because a server gets one file in place of fifty.
"""

import ast
import functools
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pipeline
from pipeline.errors import UserError

_PACKAGE = "pipeline"
_ENTRIES = tuple(f"{_PACKAGE}.predictor.{module}" for module in ("scorer", "frames", "output_columns"))

_IMPORT = re.compile(rf"^(\s*(?:from|import) ){_PACKAGE}(?=[. ])", re.MULTILINE)

# The first that an archive can tell: the same sources are the same bytes.
_TIME = (1980, 1, 1, 0, 0, 0)


@functools.cache
def archive() -> tuple[str, bytes]:
    """The name of the package, which is that of its file too, and the file's content.

    Raises: UserError if the sources are no files, as in an archive: a model would carry nothing, and load nowhere.
    """
    # softmax_model.py computes the same digest of what it finds.
    digest = hashlib.sha256()
    missing = [name for name in _ENTRIES if _file(name) is None]
    if missing:
        raise UserError(f"{_folder()}: expected the source of {missing[0]} as a file, got none; run it from a folder")
    sources = {path: _text(path) for path in sorted(_modules(), key=_relative)}
    for path, text in sources.items():
        digest.update(f"{_relative(path)}\n{len(text)}\n".encode() + text)
    name = f"softmax_{digest.hexdigest()[:16]}"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as code:
        for path, text in sources.items():
            renamed = _IMPORT.sub(rf"\g<1>{name}", text.decode())
            member = zipfile.ZipInfo(f"{name}/{_relative(path)}", _TIME)
            code.writestr(member, renamed, zipfile.ZIP_DEFLATED)
    return name, out.getvalue()


def _modules() -> set[Path]:
    """The files of the entries and of all that they import of this package, packages' own among them."""
    files: dict[str, Path] = {}
    names = list(_ENTRIES)
    while names:
        name = names.pop()
        file = _file(name)
        if file is None or name in files:
            continue
        files[name] = file
        names += [name.rpartition(".")[0], *_imported(file)]
    return set(files.values())


def _imported(file: Path) -> Iterator[str]:
    """What a module imports of this package; of a name in a module that is no module, nothing comes."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file(module: str) -> Path | None:
    first, *rest = module.split(".")
    if first != _PACKAGE:
        return None
    path = _folder().joinpath(*rest)
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def _folder() -> Path:
    return Path(pipeline.__path__[0])


def _relative(file: Path) -> str:
    return file.relative_to(_folder()).as_posix()


def _text(file: Path) -> bytes:
    return file.read_bytes().replace(b"\r\n", b"\n")
