"""Softmax regression a person can trust, from CSV to probabilities."""

import os
from pathlib import Path

_PINS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "AVX2,STRICT",  # strict: wherever in memory an array begins; on AMD's processors only that counts
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
}


def _has_avx2() -> bool:
    """Whether the first processor says so: ``flags`` stands within the first few kilobytes."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            return "avx2" in file.read(8192).split()
    except OSError:
        return False


# The same bytes where there is AVX2: wider registers would add in another order, or take another exp. The libraries
# read these when they load, so they are set before anything else is imported; a value set by the user would break the
# promise and is replaced. Without AVX2 torch and OpenBLAS would end at the first instruction that they are pinned to.
if _has_avx2():
    os.environ.update(_PINS)
