"""`python -m pipeline WORD ...`: the one entry point.

A mistake of the user is one message and exit status 1; misuse of the command line exits 2; a bug keeps its traceback.
Each word imports its stage when it is called, so that no command pays for another one's libraries.
"""

import atexit
import errno
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn

import click

from pipeline import credentials, errors, launch, mirror, params, provenance
from pipeline.errors import UserError
from pipeline.mirror import Mirror
from pipeline.numerics import workers

PARAMS_FILE = Path("params.yaml")

# What a disk or its owner refuses: a person mends it, and a traceback would only hide what.
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


class _Path(click.Path):
    """A file or folder; no name at all, as an empty variable of a shell gives, is misuse."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("expected a name, got nothing", param, ctx)
        return super().convert(value, param, ctx)


_File = _Path(path_type=Path, allow_dash=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Softmax regression a person can trust: `dvc repro` calls these words, and so can you."""


@cli.command()
@click.argument("source", metavar="FILE.csv", type=_Path())
@click.option("--target", required=True, help="Column to predict.")
@click.option("-o", "--out", type=_File, default=PARAMS_FILE, show_default=True, help="File to write.")
@click.option("--force", is_flag=True, help="Replace the section `prepare:` of a file that is there.")
def init(source: str, target: str, out: Path, force: bool) -> None:
    """Look at a table and write params.yaml for it, with what was found and what to doubt as comments."""
    from pipeline import init as page

    page.main(address=source, target=target, out=out, template=PARAMS_FILE, force=force)


@cli.command()
@click.option(
    "--source",
    type=_Path(),
    default=None,
    help="File, folder, glob or address, instead of prepare.source in params.yaml.",
)
@click.option("--out", type=_File, required=True, help="Folder for the prepared data.")
@click.option("--cache", type=_File, default=None, help="Folder of parsed columns; files found there are not parsed.")
def prepare(source: str | None, out: Path, cache: Path | None) -> None:
    """CSV -> encoded blocks, with schema and encoder as JSON."""
    with _workers():
        from pipeline import prepare as stage

        if workers.rank() == 0:  # it reads with threads; the others wait
            chosen = params.load(PARAMS_FILE, "prepare", stage.Params)
            stage.main(params=chosen, source=chosen.source if source is None else source, out=out, cache=cache)


@cli.command()
@click.option("--prepared", type=_File, required=True, help="Folder that prepare wrote.")
@click.option("--out", type=_File, required=True, help="Folder for model, history and snapshots.")
def train(prepared: Path, out: Path) -> None:
    """Prepared data -> model, and its run in MLflow."""
    with _workers(), _mirrored("train", prepared=prepared, models=out) as mirrored:
        from pipeline import checkpoint
        from pipeline import train as stage

        chosen = params.load(PARAMS_FILE, "train", stage.Params)
        every = params.load(PARAMS_FILE, "checkpoint", checkpoint.Params).every_s
        folder = provenance.project_root() / ".cache" / "checkpoints"

        def kept(key: str) -> checkpoint.Checkpoint:
            if mirrored is None:
                return checkpoint.Checkpoint(folder, key, every)
            mirrored.begun(key)
            return checkpoint.Checkpoint(folder, key, every, mirrored.resumed)

        stage.main(
            params=chosen,
            prepared=prepared,
            out=out,
            watch=mirrored.watch if mirrored else None,
            checkpoints=kept,
        )


@cli.command()
@click.option("--prepared", type=_File, required=True, help="Folder that prepare wrote.")
@click.option("--model", type=_File, required=True, help="Folder that train wrote.")
@click.option("--out", type=_File, required=True, help="Folder for metrics, predictions and plots.")
def evaluate(prepared: Path, model: Path, out: Path) -> None:
    """Model and prepared data -> metrics, predictions, plots, added to the model's run in MLflow."""
    with _workers(), _mirrored("evaluate", prepared=prepared, models=model, reports=out):
        from pipeline import evaluate as stage

        chosen = params.load(PARAMS_FILE, "evaluate", stage.Params)
        stage.main(params=chosen, prepared=prepared, model=model, out=out)


@cli.command()
@click.option(
    "--prepared", type=_File, default=Path("data/prepared"), show_default=True, help="Folder that prepare wrote."
)
@click.option("--out", type=_File, default=Path("reports"), show_default=True, help="Folder for sweep.json and .csv.")
def sweep(prepared: Path, out: Path) -> None:
    """Find the l2 that predicts best, by cross-validation over the training rows."""
    with _mirrored("sweep", prepared=prepared, reports=out):
        from pipeline import knobs
        from pipeline import sweep as page

        chosen = params.load(PARAMS_FILE, "sweep", page.Params)
        trained = params.load(PARAMS_FILE, "train", knobs.Params)
        page.main(params=chosen, trained=trained, prepared=prepared, out=out)


@cli.command()
@click.argument("source", metavar="FILE.csv | -", type=_Path())
@click.option(
    "-o", "--out", type=_File, default=None, metavar="OUT.csv | -", help="Write all rows here; - prints them."
)
@click.option("--model", type=_File, default=Path("models"), show_default=True, help="Folder that train wrote.")
def predict(source: str, out: Path | None, model: Path) -> None:
    """Score a CSV, or what stands at standard input: logits, softmax probabilities, ranks and label of each row."""
    from pipeline import predict as stage

    stage.main(source=source, out=out, model=model)


@cli.command()
@click.option("--model", type=_File, default=Path("models"), show_default=True, help="Folder that train wrote.")
@click.option("--reports", type=_File, default=Path("reports"), show_default=True, help="Folder that evaluate wrote.")
def summary(model: Path, reports: Path) -> None:
    """Print the cost table, the metrics, and where to look next."""
    from pipeline import summary as page

    page.main(model=model, reports=reports)


@cli.command()
@click.argument("revision", metavar="[REV | MLFLOW_RUN_ID]", default="HEAD")
@click.option("--deep", is_flag=True, help="Run everything again with 1, 2 and 3 threads and workers.")
def verify(revision: str, deep: bool) -> None:
    """Run a commit, DVC experiment or MLflow run again, and compare every byte with what was recorded."""
    from pipeline import verify as page

    experiment = params.load(PARAMS_FILE, "tracking", mirror.Params).experiment
    page.main(wanted=revision, deep=deep, experiment=experiment)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
def doctor(as_json: bool) -> None:
    """Check the environment, the processor, git, DVC and MLflow, and say what to do about each finding."""
    from pipeline import doctor as page

    page.main(as_json=as_json)


@cli.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(port: int) -> None:
    """Open the MLflow UI on 127.0.0.1."""
    from pipeline.tracking import ui as server

    server.main(experiment=params.load(PARAMS_FILE, "tracking", mirror.Params).experiment, port=port)


@cli.command()
@click.argument("revision", required=False, metavar="[REV | A..B]")
@click.option("--all-experiments", is_flag=True, help="Every DVC experiment.")
@click.option("--relocate", is_flag=True, help="Mend the places of artifacts after the project's folder was moved.")
def track(revision: str | None, all_experiments: bool, relocate: bool) -> None:
    """Send kept stages to MLflow, and rebuild missing runs from DVC; without REV those of HEAD and workspace."""
    from pipeline.tracking import track as rebuilding

    name = params.load(PARAMS_FILE, "tracking", mirror.Params).experiment
    rebuilding.main(experiment=name, revision=revision, all_experiments=all_experiments, relocated=relocate)


@cli.command()
@click.argument("names", nargs=-1, metavar="[REV | EXP]...")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def runs(names: tuple[str, ...], as_json: bool) -> None:
    """Show the MLflow runs of commits and DVC experiments; without names those of HEAD and workspace."""
    from pipeline.tracking import listing

    name = params.load(PARAMS_FILE, "tracking", mirror.Params).experiment
    listing.main(experiment=name, names=names, as_json=as_json)


@cli.command()
@click.argument("names", nargs=-1, metavar="[REV | EXP | RUN]...")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--markdown", "as_markdown", is_flag=True, help="For a pull request.")
def compare(names: tuple[str, ...], as_json: bool, as_markdown: bool) -> None:
    """Show what differs from the first to the others; without names from HEAD to the workspace."""
    from pipeline.compare import command

    name = params.load(PARAMS_FILE, "tracking", mirror.Params).experiment
    command.main(names=names, experiment=name, as_json=as_json, as_markdown=as_markdown)


@contextmanager
def _workers() -> Iterator[None]:
    """Run the stage inside the block in as many processes as params.yaml asks for; in these, join the others."""
    wanted = 1 if launch.is_worker() else launch.workers_wanted(PARAMS_FILE)
    if wanted > 1:
        launch.run(sys.argv[1:], wanted)
        sys.exit(0)
    if workers.rank() == 0:
        _tell_of_processor()
    with workers.together():
        yield


def _tell_of_processor() -> None:
    """Say so where the vector width that pipeline/__init__.py pins cannot hold."""
    processor = provenance.processor()
    if not processor.avx2:
        said = f"warning: {processor.name} has no AVX2: outputs may differ from those of other machines"
        click.echo(f"{said}; take an x86-64 machine with AVX2 where bytes are to be the same", err=True)


def _mirrored(stage: str, **paths: Path) -> AbstractContextManager[Mirror | None]:
    """Track the stage that runs inside the block, as ``tracking:`` and the environment say; the first worker does."""
    if workers.rank():
        return nullcontext()
    document = params.read_params(PARAMS_FILE)
    section = document.get("prepare")
    credentials.refuse(str(section.get("source", "")) if isinstance(section, dict) else "")  # the run would show it
    tracking = params.load(PARAMS_FILE, "tracking", mirror.Params)
    return nullcontext() if mirror.is_switched_off(tracking) else mirror.started(stage, tracking, document, paths)


def _terminate(signal_number: int, _frame: object) -> NoReturn:
    """End as Ctrl-C does, through every ``finally``, so that a run in MLflow is not left running."""
    sys.exit(128 + signal_number)


def _way_back() -> str:
    """DVC takes a stage's outputs away before it runs the stage; its cache still has them."""
    return "\n  the stage's earlier outputs: `dvc checkout` brings them back" if "DVC_STAGE" in os.environ else ""


def _refusal(error: OSError) -> str:
    reason = os.strerror(error.errno or 0).lower()
    return f"{error.filename}: {reason}; change its permissions, or work in a folder that can be written"


def main() -> None:
    """Run the command line; the exit status is the process's."""
    provenance.leave_repository_of_hook()
    if workers.rank():
        # It has nothing to clean up, and while it waits for the others in a collective no handler would be run.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    else:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        cli.main(prog_name="python -m pipeline", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has read enough. What is still to be written goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except (UserError, workers.LostWorkerError) as error:
        sys.exit(1 if launch.tell(error) else f"{errors.printable(str(error))}{_way_back()}")
    except OSError as error:
        if error.errno not in _REFUSED or not error.filename:
            raise
        sys.exit(f"{_refusal(error)}{_way_back()}")
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    finally:
        # All is written or given up: what a signal raised among the exit handlers would only be noise.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


if __name__ == "__main__":
    # Loading torch makes many objects and no garbage: collecting while it loads, and at exit, costs a second.
    gc.disable()
    atexit.register(gc.freeze)
    main()
