"""The state of a training that is still running, so that one that was killed goes on where it was.

A checkpoint lies outside DVC's outputs and is named by its key: the digest of all that decides the training's bytes
(prepared data, params, code, versions). So it is never taken up by another training, and a training that takes it up
ends with the bytes of one that was not disturbed.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from pipeline import files, screen
from pipeline.documents import json_documents
from pipeline.errors import UserError

State = Mapping[str, Tensor]
_DIGEST_BYTES = 32


def key_of(**parts: object) -> str:
    """The digest of everything that decides the bytes of a training, and of the code in this package."""
    code = hashlib.sha256()
    package = Path(__file__).parent.parent
    for path in sorted([*package.rglob("*.py"), *package.rglob("*.[ch]")]):
        code.update(f"{path.relative_to(package).as_posix()}\n".encode() + path.read_bytes())
    return files.sha256_text(json.dumps(parts | {"code": code.hexdigest()}, sort_keys=True))


class Checkpoint:
    """One training's file below ``folder``, written anew every ``every_s`` seconds."""

    def __init__(self, folder: Path, key: str, every_s: float, resumed: Callable[[], None] = lambda: None) -> None:
        """Nothing is written before ``every_s`` seconds have passed; ``resumed`` hears of a state that is read."""
        self._resumed = resumed
        self._path = folder / f"{key}.checkpoint"
        self._every_s = every_s
        self._key = key
        self._due = monotonic() + every_s
        self.epochs: int | None = None  # that the state in the file has run, if there is one

    def load(self, fits: Callable[[State], bool] = lambda _: True) -> dict[str, Tensor] | None:
        """The state that an earlier process left; None without one.

        A file that is damaged, or whose state does not fit, is told of, and not used.
        """
        if not os.path.lexists(self._path):
            return None
        state = self._loaded()
        if state is not None and fits(state):
            self._resumed()
            self.epochs = int(state["epochs"])
            return state
        screen.say(
            f"warning: train: the checkpoint {self._path.name[:12]} is damaged or belongs to another training; "
            "it is not used, training begins anew",
            error=True,
        )
        return None

    def _loaded(self) -> dict[str, Tensor] | None:
        """The file's state; None if it is damaged."""
        try:
            content = json_documents.read_bytes(self._path, "")
            digest, state = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
            if hashlib.sha256(self._key.encode() + state).digest() == digest:
                return safetensors.torch.load(state)
        except (UserError, SafetensorError, ValueError, TypeError, KeyError, RuntimeError):
            pass  # the library's own errors are of many kinds, and all of them mean that it is no such file
        return None

    def save(self, state: Callable[[], State]) -> None:
        """Write the state, if it is time."""
        if monotonic() < self._due:
            return
        tensors = {name: tensor.contiguous().clone() for name, tensor in state().items()}
        content = safetensors.torch.save(tensors)
        digest = hashlib.sha256(self._key.encode() + content).digest()
        # Two trainings with one key may run at once, in a queue of experiments: each writes to a name of its own.
        mine = self._path.with_suffix(f".{os.getpid()}")
        files.write_bytes(mine, digest + content)
        mine.replace(self._path)
        self.epochs = int(tensors["epochs"])
        self._due = monotonic() + self._every_s

    def remove(self) -> None:
        """Delete the checkpoint's files."""
        for path in self._path.parent.glob(f"{self._path.stem}.*"):
            path.unlink(missing_ok=True)
