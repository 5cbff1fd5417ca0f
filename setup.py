"""Compile the fast twin of pipeline/arithmetic where there is a C compiler; pyproject.toml says everything else."""

import sys
from pathlib import Path

from setuptools import Extension, setup

# Not on the path where pip runs this; and another project's package may be installed there already.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from pipeline.arithmetic.sources import FOLDER, digest

# Whatever CFLAGS asks for: -Ofast and -ffast-math compute something else, and where they are given to the linker, too,
# a library that is loaded makes its whole process do without subnormal numbers.
AS_WRITTEN = ["-O3", "-fno-fast-math", "-fno-unsafe-math-optimizations", "-fno-finite-math-only", "-fsigned-zeros"]

setup(
    ext_modules=[
        Extension(
            "softmax_kernels",
            [str((FOLDER / "kernels.c").relative_to(Path.cwd()))],
            depends=sorted(map(str, FOLDER.glob("*.h"))),
            define_macros=[("DIGEST", f'"{digest()}"')],
            extra_compile_args=[*AS_WRITTEN, "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"],
            extra_link_args=AS_WRITTEN,
            optional=True,  # without a compiler the reference computes the same bits
        )
    ]
)
