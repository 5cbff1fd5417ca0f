"""The same bytes on other processors, emulated: `python -m benchmarks.processors [--arm64 FOLDER]`.

Every stage and solver runs on small tables: natively, natively without the compiled kernels, on each processor under
QEMU's user mode (Debian: qemu-user-static), and natively under each of the variables that tell a library which
instructions to take. A cell of the printed matrix says whether a stage's files are, byte for byte, those of the native
run, and how many seconds it took; what differs is named below. Each stage is given the native run's files, so that a
difference is its own. Exit status 1 if one differs.

QEMU computes +, -, *, /, square root and fused products as IEEE 754 has them. Which instructions there are, and so
which code the libraries take, follows from the processor that it shows: it has AVX2, no AVX-512. FOLDER is where
`bash scripts/arm64.sh FOLDER` has put an aarch64 Python; with gcc-aarch64-linux-gnu the kernels are compiled for it.
"""

import argparse
import hashlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

_SPLIT = {"method": "seed", "seed": 0, "validation": 0.0, "test": 0.2}
TABLES: dict[str, dict[str, Any]] = {
    "tutorial": {"source": "data/raw/tutorial.csv", "target": "y"},
    "penguins": {"source": "data/raw/penguins.csv", "target": "species", "standardise": True, "split": _SPLIT},
    # Fewer rows than half the columns, of which most hold one value nearly everywhere: written by `_write_wide`.
    "wide": {"source": "wide.csv", "target": "y", "split": _SPLIT},
}
_WIDE_ROWS, _WIDE_COLUMNS = 75, 300

_STEPS = {"seed": 1, "lr": 0.1, "snapshot_every": 50}
_OPTIMUM = {"seed": 1, "lr": None, "epochs": 200, "snapshot_every": 50, "tolerance": 1e-8}
SOLVERS: dict[str, dict[str, Any]] = {
    "sgd": {"solver": "sgd", "epochs": 100, **_STEPS},
    "mini-batch": {"solver": "sgd", "epochs": 4, "batch_size": 6, "momentum": 0.9, **_STEPS},
    "adam": {"solver": "adam", "epochs": 50, **_STEPS},
    "float32": {"solver": "sgd", "epochs": 50, "precision": "float32", **_STEPS},
    "newton": {"solver": "newton", "l2": 1e-3, **_OPTIMUM},
    "lbfgs": {"solver": "lbfgs", "l2": 1e-3, **_OPTIMUM},
    "no penalty": {"solver": "auto", "l2": 0.0, **_OPTIMUM},
    "l1": {"solver": "newton", "l1": 1e-2, "l2": 1e-4, **_OPTIMUM},
}
# Each takes minutes where it is emulated. The eight rows of the tutorial are too few to cross-validate.
LONG: dict[str, dict[str, dict[str, Any]]] = {
    "tutorial": {"1,001 epochs": {"solver": "sgd", "epochs": 1001, **_STEPS}},
    "penguins": {"l2 auto": {"solver": "auto", "l2": "auto", **_OPTIMUM}},
    "wide": {},
}
SWEEP: dict[str, Any] = {"l2": {"values": [1e-1, 1e-3]}, "folds": 3, "rule": "best"}


def stages(table: str) -> list[tuple[str, str]]:
    """The stages of a table, each with the solver that it runs with, prepare first."""
    chains = [[("train", solver), ("evaluate", solver)] for solver in [*SOLVERS, *LONG[table]]]
    swept = [("sweep", "newton")] if table == "penguins" else []
    return [("prepare", ""), *(stage for chain in chains for stage in chain), *swept]


Cell = tuple[str, str, str]  # table, stage, solver
CELLS: list[Cell] = [(table, stage, solver) for table in TABLES for stage, solver in stages(table)]
SHORT = [cell for cell in CELLS if cell[2] in ("", *SOLVERS)]


@dataclass(frozen=True)
class Processor:
    """A processor: the words that start its Python, the compiler of its kernels, variables of its environment.

    Without a compiler the reference computes.
    """

    name: str
    python: tuple[str, ...] = (sys.executable,)
    compiler: str = "gcc"
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def is_emulated(self) -> bool:
        """Whether QEMU runs it."""
        return self.python[0].startswith("qemu")


@dataclass(frozen=True)
class Outcome:
    """SHA-256 of every file that a stage left, by its path; ``failure`` says why there are none."""

    digests: dict[str, str]
    seconds: float = math.nan
    failure: str = ""


NATIVE = Processor("native")
REFERENCE = Processor("reference", compiler="")


# From the plainest that numpy 2.4 starts on, which has neither AVX nor fused products.
X86_64 = {
    model: Processor(model, ("qemu-x86_64-static", "-cpu", model, sys.executable))
    for model in ("Nehalem", "IvyBridge", "Haswell", "Skylake-Server", "EPYC")
}


def aarch64(folder: Path) -> Processor:
    """aarch64, with the Python that scripts/arm64.sh has put into ``folder``."""
    root = folder.resolve() / "root"
    python = ("qemu-aarch64-static", "-L", str(root), str(root / "usr/bin/python3.11"))
    return Processor("aarch64", python, "aarch64-linux-gnu-gcc", {"PYTHONPATH": str(root.parent / "site")})


# Each takes instructions away from a library that would else use them, or lets it add in another order.
VARIABLES: dict[str, dict[str, str]] = {
    "glibc": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-AVX2_Usable,-FMA_Usable"},
    "MKL": {"MKL_CBWR": "COMPATIBLE", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    "ATen": {"ATEN_CPU_CAPABILITY": "default"},
    "OpenBLAS": {"OPENBLAS_CORETYPE": "Nehalem", "OPENBLAS_NUM_THREADS": "2"},
    "numpy": {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"},
    "Arrow": {"ARROW_USER_SIMD_LEVEL": "NONE"},
    "threads": {"OMP_NUM_THREADS": "3", "OMP_DYNAMIC": "false", "MKL_DYNAMIC": "false"},
}
ALL_VARIABLES = {name: value for variables in VARIABLES.values() for name, value in variables.items()}


def under(name: str, variables: dict[str, str]) -> Processor:
    """This processor under some of them."""
    return Processor(name, environment=variables)


def kernels_of(compiler: str, folder: Path) -> Path:
    """The kernels of this checkout: those installed, or compiled as setup.py does; without a compiler none are found.

    Returns a folder of their own, to stand first on Python's path.
    """
    from pipeline.arithmetic import compiled

    place = folder / f"kernels {compiler}"
    place.mkdir()
    installed = compiled.load().library if compiler == NATIVE.compiler else None
    if installed is not None:
        shutil.copyfile(installed._name, place / "softmax_kernels.so")
        return place
    if shutil.which(compiler) is None:
        (place / "softmax_kernels.py").write_text("")
        return place
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", f"--build-lib={place}", f"--build-temp={place / 'objects'}"],
        cwd=ROOT, env=os.environ | {"CC": compiler, "LDSHARED": f"{compiler} -shared"}, check=True, capture_output=True,
    )  # fmt: skip
    next(place.glob("*.so")).rename(place / "softmax_kernels.so")  # a name that Python reads on every processor
    return place


def run(
    processor: Processor, cells: list[Cell], kernels: Path, out: Path, given: Path | None = None
) -> dict[Cell, Outcome]:
    """Run the cells in one process on the processor and leave their files in ``out``.

    train and evaluate read what the earlier stages left in ``given``; without it, what they leave in ``out``.
    """
    request = {"out": str(out), "given": str(given or out), "compiled": any(kernels.glob("*.so"))}
    outcomes: dict[Cell, Outcome] = {}
    while True:
        left = cells[len(outcomes) :]
        finished, ending = _run_child(processor, kernels, request | {"cells": left})
        outcomes |= zip(left, finished, strict=False)
        # QEMU 7.2 with AVX2 crashes about once in three hundred cells, in numpy's sort as in other code.
        crashed = processor.is_emulated and ending == signal.SIGSEGV.name and finished
        if len(finished) == len(left) or not crashed:
            break
        print(
            f"{processor.name}: QEMU ended with {ending} at {' '.join(left[len(finished)])}; on from there",
            file=sys.stderr,
        )
    return outcomes | {cell: Outcome({}, failure=ending) for cell in cells[len(outcomes) :]}


def _run_child(processor: Processor, kernels: Path, request: dict[str, Any]) -> tuple[list[Outcome], str]:
    """The outcomes of the cells that a process has finished, in their order, and how it ended."""
    inherited = {name: value for name, value in os.environ.items() if name not in ALL_VARIABLES}
    environment = inherited | {"OMP_NUM_THREADS": "1"} | processor.environment
    folders = [str(kernels), str(ROOT), *filter(None, [processor.environment.get("PYTHONPATH")])]
    process = subprocess.run(  # -P: else the kernels that are installed in this folder would come first
        [*processor.python, "-P", "-m", "benchmarks.processors", "--child", json.dumps(request)],
        cwd=ROOT, env=environment | {"PYTHONPATH": os.pathsep.join(folders)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    lines = [line.removeprefix(_MARK) for line in process.stdout.splitlines() if line.startswith(_MARK)]
    return [Outcome(**json.loads(line)) for line in lines], _ending(process)


def _ending(process: subprocess.CompletedProcess[str]) -> str:
    """How a process ended that did not finish; a shell and QEMU tell of a signal as an exit status above 128."""
    number = -process.returncode if process.returncode < 0 else process.returncode - 128
    if 0 < number < signal.NSIG:
        return signal.Signals(number).name
    return (process.stderr.strip().splitlines() or [f"exit status {process.returncode}"])[-1]


_MARK = "cell: "  # begins a line of the child's own, among those that the stages print


def child(request: dict[str, Any]) -> None:
    """Run the cells of ``request``; print each one's outcome as a line of JSON, as soon as it is there."""
    from pipeline.arithmetic import compiled

    reason = compiled.load().reason
    if bool(reason) == request["compiled"]:
        sys.exit(f"expected the arithmetic {'compiled' if reason else 'of numpy'}, got it {reason or 'compiled'}")
    for table, stage, solver in request["cells"]:
        out, given = Path(request["out"]) / table, Path(request["given"]) / table
        start, failure, digests = time.perf_counter(), "", {}
        try:
            digests = _digests(_run_stage(table, stage, solver, given, out))
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
        seconds = time.perf_counter() - start
        print(_MARK + json.dumps({"digests": digests, "seconds": seconds, "failure": failure}), flush=True)


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _run_stage(table: str, stage: str, solver: str, given: Path, out: Path) -> Path:
    """Run one stage; returns the folder that holds its files alone."""
    if stage == "prepare":
        from pipeline.prepare import stage as prepare
        from pipeline.prepare.params import PrepareParams

        chosen = PrepareParams.model_validate(TABLES[table])
        source = _write_wide(out.parent / chosen.source) if table == "wide" else chosen.source
        prepare.main(params=chosen, source=source, out=out / "prepared")
        return out / "prepared"
    if stage == "sweep":
        from pipeline.commands.sweep import command as sweep
        from pipeline.commands.sweep.params import SweepParams
        from pipeline.train.params import TrainParams

        trained = TrainParams.model_validate(SOLVERS[solver])
        swept = SweepParams.model_validate(SWEEP)
        sweep.main(params=swept, trained=trained, prepared=given / "prepared", out=out / "sweep")
        return out / "sweep"
    if stage == "train":
        from pipeline.train import stage as train
        from pipeline.train.params import TrainParams

        params = TrainParams.model_validate((SOLVERS | LONG[table])[solver])
        train.main(params=params, prepared=given / "prepared", out=out / solver)
        return out / solver
    from pipeline.evaluate import stage as evaluate
    from pipeline.evaluate.params import EvaluateParams

    reports = out / "reports" / solver
    evaluate.main(params=EvaluateParams(), prepared=given / "prepared", model=given / solver, out=reports)
    return reports


def _write_wide(path: Path) -> Path:
    """Whole numbers from a multiplication, the same everywhere; in nine columns of ten most are 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join([*(f"x{column}" for column in range(_WIDE_COLUMNS)), "y"])]
    state = 1
    for row in range(_WIDE_ROWS):
        numbers = []
        for column in range(_WIDE_COLUMNS):
            state = state * 6364136223846793005 % 2**64
            often = column % 10 == 0
            numbers.append(str(state >> 59) if often or state >> 40 & 15 == 0 else "0")
        lines.append(",".join([*numbers, "abc"[(int(numbers[0]) + row) % 3]]))
    path.write_text("\n".join([*lines, ""]), encoding="utf-8", newline="\n")
    return path


def difference(outcome: Outcome, reference: Outcome) -> str:
    """The files that differ or why there are none; empty where all are the same."""
    if outcome.failure or reference.failure:
        return outcome.failure or f"natively: {reference.failure}"
    names = sorted(outcome.digests.keys() | reference.digests.keys())
    return ", ".join(name for name in names if outcome.digests.get(name) != reference.digests.get(name))


def main() -> int:
    """Print the matrix."""
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(prog="python -m benchmarks.processors")
    parser.add_argument("--arm64", type=Path, help="folder that scripts/arm64.sh has filled")
    parser.add_argument("--table", choices=TABLES, help="this table alone")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these columns of the matrix")
    chosen = parser.parse_args()
    processors = [REFERENCE, *X86_64.values(), *([aarch64(chosen.arm64)] if chosen.arm64 else [])]
    processors += [under(name, variables) for name, variables in VARIABLES.items()]
    processors = [one for one in processors if not chosen.only or one.name in chosen.only]
    if missing := sorted({one.python[0] for one in processors if shutil.which(one.python[0]) is None}):
        parser.exit(2, f"not on the PATH: {', '.join(missing)}; apt-get install qemu-user-static\n")
    cells = [cell for cell in CELLS if chosen.table in (None, cell[0])]
    notes = []
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        kernels = {
            compiler: kernels_of(compiler, place) for compiler in {one.compiler for one in [NATIVE, *processors]}
        }
        reference = run(NATIVE, cells, kernels[NATIVE.compiler], place / "native")
        columns = [[f"{_digest(reference[cell])} {reference[cell].seconds:.1f}" for cell in cells]]
        for number, one in enumerate(processors):
            outcomes = run(one, cells, kernels[one.compiler], place / str(number), place / "native")
            differences = [difference(outcomes[cell], reference[cell]) for cell in cells]
            words = ["failed" if outcomes[cell].failure else "differs" for cell in cells]
            columns.append(
                [
                    f"{word if text else 'same'} {outcomes[cell].seconds:.1f}"
                    for cell, text, word in zip(cells, differences, words, strict=True)
                ]
            )
            notes += [
                f"{one.name}: {' '.join(cell)}: {text}" for cell, text in zip(cells, differences, strict=True) if text
            ]
            same, seconds = differences.count(""), sum(outcome.seconds for outcome in outcomes.values())
            print(f"{one.name}: {same} of {len(cells)} the same, {seconds:.0f} s", file=sys.stderr)
    matrix = Table("table", "stage", "solver", "native", *(one.name for one in processors))
    for cell, *texts in zip(cells, *columns, strict=True):
        matrix.add_row(*cell, *texts)
    console = Console(width=50 + 17 * len(columns), highlight=False)
    console.print(matrix)
    for note in notes:
        console.print(note, soft_wrap=True)
    return min(len(notes), 1)


def _digest(outcome: Outcome) -> str:
    """The first digits of SHA-256 over the stage's digests."""
    return hashlib.sha256(json.dumps(outcome.digests, sort_keys=True).encode()).hexdigest()[:8]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(json.loads(sys.argv[2]))
    else:
        sys.exit(main())
