"""Softmax regression a person can trust, from CSV to probabilities."""

import os

# The same bytes on every x86-64 machine with AVX2: wider registers would add in another order, or take another exp. The
# libraries read these when they load, so they are set before anything else is imported; a value set by the user would
# break the promise and is replaced.
os.environ["ATEN_CPU_CAPABILITY"] = "avx2"
os.environ["MKL_CBWR"] = "AVX2,STRICT"  # strict: wherever in memory an array begins
os.environ["NPY_DISABLE_CPU_FEATURES"] = "X86_V4 AVX512_ICL AVX512_SPR"
