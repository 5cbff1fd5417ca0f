"""Compile the fast twin of pipeline/arithmetic where there is a C compiler; pyproject.toml says everything else."""

import sys
from pathlib import Path

from setuptools import Extension, setup

# Not on the path where pip runs this; and another project's package may be installed there already.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from pipeline.arithmetic.sources import FOLDER, digest

setup(
    ext_modules=[
        Extension(
            "softmax_kernels",
            [str((FOLDER / "kernels.c").relative_to(Path.cwd()))],
            depends=sorted(map(str, FOLDER.glob("*.h"))),
            define_macros=[("DIGEST", f'"{digest()}"')],
            extra_compile_args=["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"],
            optional=True,  # without a compiler the reference computes the same bits
        )
    ]
)
