"""The folder where a person stands: words run in the project's root, names that are typed count from that folder."""

import glob
import os
import shlex
from pathlib import Path

from pipeline.repository import project
from pipeline.table import remote

_AFTER_A_NAME = (":", ",", "/")


def at_root(root: Path, command: str) -> str:
    """The command as it is typed where the person stands, to run in the root."""
    return command if root.samefile(Path.cwd()) else f"cd {shlex.quote(os.path.relpath(root))} && {command}"


class Place:
    """A folder below a project's root, and the names of files that were typed there."""

    def __init__(self, below: Path) -> None:
        """``below`` is the folder as seen from the root, without symbolic links."""
        self._below = below
        self._typed: dict[str, str] = {}

    @classmethod
    def entering_root(cls) -> "Place":
        """Make the root of the project that encloses this folder the process's folder; outside of one stay here."""
        here = Path.cwd()
        root = project.enclosing(here)
        if root is None or root == here:
            return cls(Path())
        os.chdir(root)
        return cls(here.relative_to(root))

    @property
    def way_to_root(self) -> str | None:
        """The root as seen from where the person stands; None there."""
        return "/".join([".."] * len(self._below.parts)) or None

    def from_root(self, typed: str) -> str:
        """The name of a file or folder, a pattern of names or an address, as it counts from the root."""
        if not self._below.parts or typed == "-" or Path(typed).is_absolute() or remote.is_remote(typed):
            return typed
        above, rest = list(self._below.parts), typed
        while rest.startswith(("./", "../")) or rest in (".", ".."):
            step, _, rest = rest.partition("/")
            if step == ".." and above and above[-1] != "..":
                above.pop()
            elif step == "..":
                above.append("..")
        is_pattern = glob.has_magic(rest) and not Path(*above, rest).exists()
        before = [glob.escape(part) for part in above] if is_pattern else above
        name = "/".join([*before, rest] if rest else before) or "."
        self._typed[name] = typed
        return name

    def typed(self, name: object) -> str:
        """A name that counts from the root as it was typed."""
        return self._typed.get(str(name), str(name))

    def as_typed(self, message: str) -> str:
        """A message that begins with the name of a file, with that name as it was typed."""
        for name, typed in self._typed.items():
            if message.startswith(name) and message[len(name) :].startswith(_AFTER_A_NAME):
                return typed + message[len(name) :]
        return message
