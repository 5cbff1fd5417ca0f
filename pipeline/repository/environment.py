"""Versions and processor that decide the bytes of a result."""

import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PACKAGES = ("dvc", "mlflow", "numpy", "pyarrow", "safetensors", "scikit-learn", "scipy", "torch")


@dataclass(frozen=True)
class Processor:
    """The CPU: its name as it tells it, and whether it has the AVX2 that the same bytes need."""

    name: str
    avx2: bool


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


def read_processor() -> Processor:
    """The CPU of this machine, from /proc/cpuinfo; elsewhere its name only, and that it has AVX2 is not known."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Processor(_name_of_macos() or platform.processor() or platform.machine(), avx2=False)
    fields = dict.fromkeys(("model name", "flags"), "")
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if not fields.get(name.strip(), "-"):
            fields[name.strip()] = value.strip()
    return Processor(fields["model name"] or platform.machine(), "avx2" in fields["flags"].split())


def _name_of_macos() -> str:
    """Such as "Apple M2"; empty on other systems."""
    name = ""
    if sys.platform == "darwin":
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        done = subprocess.run(asked, capture_output=True, encoding="utf-8", errors="replace", check=False)
        name = done.stdout.strip()
    return name
