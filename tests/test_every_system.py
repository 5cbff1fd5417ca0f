"""The code where what only Linux, or only POSIX, has is not there.

It is taken away once the libraries are loaded, whose own builds for other systems do without it.
"""

import sys
from pathlib import Path

import pytest

from tests.project import UNTRACKED, Project

pytestmark = pytest.mark.slow

# Of Python's documentation: "Availability: Unix, not Windows", and no folder that the kernel makes up.
_RUN = """
import pipeline  # reads the processor before it is hidden: what it pins decides bytes
import builtins, ctypes, errno, io, os, signal, sys
import click, numpy, psutil, pyarrow.csv, pyarrow.parquet, rich.console, safetensors.torch, sklearn.metrics, torch

def take_away(module, names):
    for name in names.split():
        delattr(module, name)

take_away(os, "fork forkpty getegid geteuid getgid getloadavg getpgid getpgrp getpriority getresuid getsid getuid "
    "killpg mkfifo mknod nice openpty posix_fadvise pread preadv readv sched_getaffinity sched_setaffinity sendfile "
    "setpgid setsid statvfs sysconf uname wait wait4 writev chown fchown lchown chroot O_DIRECTORY O_NOFOLLOW")
take_away(signal, "SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 alarm pause sigwait")
opened = io.open

def open_without_kernel(file, *rest, **options):
    if str(file).startswith(("/proc/", "/sys/", "/dev/")) and file != os.devnull:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
    return opened(file, *rest, **options)

builtins.open = io.open = open_without_kernel
for name in ("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios"):
    sys.modules[name] = None
from pipeline.__main__ import main
main()
"""


def _commands(project: Project) -> list[list[str]]:
    """The words of every stage, as dvc.yaml has them."""
    lines = [line.partition("#")[0].split() for line in project.read("dvc.yaml").splitlines() if "cmd: " in line]
    return [words[words.index("pipeline") + 1 :] for words in lines]


def _outputs(folder: Path) -> dict[str, bytes]:
    places = [folder / name for name in ("data/prepared", "models", "reports")]
    files = [path for place in places for path in sorted(place.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.skipif(sys.platform != "linux", reason="takes away what Linux has")
def test_stages_and_what_a_person_reads_do_without_what_only_linux_has(repro: Path, tmp_path: Path) -> None:
    """Each stage leaves the same bytes, and the commands print what they print."""
    project = Project.after_repro(tmp_path / "project", repro)
    before = _outputs(project.folder)
    stages = _commands(project)
    assert [words[0] for words in stages] == ["check", "prepare", "train", "decide", "infer", "evaluate", "report"]
    for words in stages:
        project.run("python", "-c", _RUN, *words, **UNTRACKED)
    assert _outputs(project.folder) == before
    for words in (["summary"], ["weights"], ["predict", "data/raw/tutorial-query.csv"], ["--version"], []):
        printed = project.run("python", "-c", _RUN, *words)
        assert printed.stdout == project.pipeline(*words).stdout
