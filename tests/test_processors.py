"""The same bytes on other processors, emulated, and whatever variables tell the libraries which instructions to take.

The reference is a process on this processor with the compiled kernels. `python -m benchmarks.processors` runs every
solver on more processors.
"""

import os
import shutil
from pathlib import Path

import pytest

from benchmarks import processors
from benchmarks.processors import SHORT, Cell, Outcome, Processor

pytestmark = pytest.mark.slow

# Without scikit-learn, whose start takes long where it is emulated, and without the table that takes longest.
TRAININGS: list[Cell] = [
    (table, stage, solver) for table, stage, solver in SHORT if stage == "train" and table != "wide"
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all kernels and outputs."""
    return tmp_path_factory.mktemp("processors")


@pytest.fixture(scope="module")
def kernels(place: Path) -> dict[str, Path]:
    """The compiled kernels by compiler, and a place without any."""
    compilers = (processors.NATIVE.compiler, processors.REFERENCE.compiler)
    return {compiler: processors.kernels_of(compiler, place) for compiler in compilers}


@pytest.fixture(scope="module")
def reference(place: Path, kernels: dict[str, Path]) -> dict[Cell, Outcome]:
    """Every stage and solver on this processor."""
    return processors.run(processors.NATIVE, SHORT, kernels[processors.NATIVE.compiler], place / "native")


def differences(
    processor: Processor,
    kernels: Path,
    place: Path,
    reference: dict[Cell, Outcome],
    cells: list[Cell] = SHORT,
) -> dict[Cell, str]:
    """What differs from the reference, by cell; each cell is given the files of the reference."""
    outcomes = processors.run(processor, cells, kernels, place / processor.name, place / "native")
    compared = {cell: processors.difference(outcomes[cell], reference[cell]) for cell in cells}
    return {cell: text for cell, text in compared.items() if text}


def test_every_stage_of_the_reference_leaves_its_files(reference: dict[Cell, Outcome]) -> None:
    """No comparison is one of two failures; what differs in its solver differs in its weights."""
    assert {cell: outcome.failure for cell, outcome in reference.items() if outcome.failure} == {}
    for table in processors.TABLES:
        weights = [
            outcome.digests["softmax.safetensors"]
            for (of, stage, _), outcome in reference.items()
            if (of, stage) == (table, "train")
        ]
        assert len(set(weights)) == len(weights)


def test_a_file_that_differs_is_named() -> None:
    """And one that only one side has."""
    one, other = Outcome({"a": "1", "b": "2"}), Outcome({"a": "1", "b": "3", "c": "4"})
    assert processors.difference(one, other) == "b, c"
    assert processors.difference(one, one) == ""


def test_bytes_are_those_of_the_plainest_x86_64(
    place: Path, kernels: dict[str, Path], reference: dict[Cell, Outcome]
) -> None:
    """Nehalem has no AVX and no fused products."""
    processor = processors.X86_64["Nehalem"]
    _require(processor)
    assert differences(processor, kernels[processor.compiler], place, reference) == {}


def test_trainings_are_those_of_intel(place: Path, kernels: dict[str, Path], reference: dict[Cell, Outcome]) -> None:
    """Haswell is the first of Intel's with AVX2."""
    processor = processors.X86_64["Haswell"]
    _require(processor)
    assert differences(processor, kernels[processor.compiler], place, reference, TRAININGS) == {}


def test_bytes_are_those_of_aarch64(place: Path, reference: dict[Cell, Outcome]) -> None:
    """With kernels of its own where there is a compiler for it."""
    if not os.environ.get("ARM64"):
        pytest.skip("needs ARM64, a folder that scripts/arm64.sh has filled")
    processor = processors.aarch64(Path(os.environ["ARM64"]))
    _require(processor)
    assert differences(processor, processors.kernels_of(processor.compiler, place), place, reference) == {}


def _require(processor: Processor) -> None:
    if shutil.which(processor.python[0]) is None:
        pytest.skip(f"needs {processor.python[0]} (Debian: qemu-user-static)")


def test_bytes_do_not_depend_on_the_kernels(
    place: Path, kernels: dict[str, Path], reference: dict[Cell, Outcome]
) -> None:
    """Where no compiler was, numpy computes the same."""
    processor = processors.REFERENCE
    assert differences(processor, kernels[processor.compiler], place, reference) == {}


def test_bytes_do_not_depend_on_variables_of_the_libraries(
    place: Path, kernels: dict[str, Path], reference: dict[Cell, Outcome]
) -> None:
    """glibc, MKL, ATen, OpenBLAS, numpy and Arrow without their wide instructions, and three threads."""
    processor = processors.under("variables", processors.ALL_VARIABLES)
    assert differences(processor, kernels[processor.compiler], place, reference) == {}
