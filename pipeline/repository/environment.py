"""Versions of the libraries that decide the bytes of a result, and the processor, which does not."""

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

PACKAGES = ("dvc", "mlflow", "numpy", "pyarrow", "safetensors", "scikit-learn", "scipy", "torch")


def installed_versions() -> dict[str, str]:
    """Python and the libraries that decide a result, or that show it."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def public_version(version: str) -> str:
    """A version without its local part (PEP 440): the CPU build of torch 2.13.0 calls itself 2.13.0+cpu."""
    return version.partition("+")[0]


def processor_name() -> str:
    """The name of this machine's CPU, as it tells it; of a system that keeps it to itself the architecture."""
    return _name_of_linux() or _name_of_macos() or platform.processor() or platform.machine()


def _name_of_linux() -> str:
    """From /proc/cpuinfo; empty where there is none, or where it gives no name, as on ARM."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = (line.partition(":") for line in text.splitlines())
    return next((value.strip() for name, _, value in fields if name.strip() == "model name"), "")


def _name_of_macos() -> str:
    """Such as "Apple M2"; empty on other systems."""
    name = ""
    if sys.platform == "darwin":
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        done = subprocess.run(asked, capture_output=True, encoding="utf-8", errors="replace", check=False)
        name = done.stdout.strip()
    return name
