"""The memory of this process, on every system.

Linux tells it in /proc: its getrusage would tell the peak of the parent, too, where that is larger. macOS has the peak
from getrusage, Windows beside what the process has now.
"""

import contextlib
import sys
from pathlib import Path

import psutil

_MEBIBYTE = 1 << 20


def peak_mebibytes() -> float:
    """The most that this process had."""
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset) / _MEBIBYTE
    if sys.platform == "linux":
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MEBIBYTE  # bytes on macOS


def children_peak_mebibytes() -> float:
    """The most that one of the processes had that this one waited for; NaN on Windows, which does not tell."""
    if sys.platform == "win32":
        return float("nan")
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / _MEBIBYTE


def mebibytes() -> float:
    """What this process has now."""
    return float(psutil.Process().memory_info().rss) / _MEBIBYTE


def peak_from_here() -> float:
    """Forget the most that this process had, where the system can, and return the peak so far."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak_mebibytes()
