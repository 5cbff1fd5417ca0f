"""`python -m pipeline WORD ...`: the one entry point.

A mistake of the user is one message and exit status 1; misuse of the command line exits 2; a bug keeps its traceback.
Each word imports its stage when it is called, so that no command pays for another one's libraries.
"""

import atexit
import gc
import os
import signal
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn

import click

from pipeline import mirror, params
from pipeline.errors import UserError
from pipeline.mirror import Mirror

PARAMS_FILE = Path("params.yaml")

_File = click.Path(path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Softmax regression a person can trust: `dvc repro` calls these words, and so can you."""


@cli.command()
@click.argument("source", metavar="FILE.csv")
@click.option("--target", required=True, help="Column to predict.")
@click.option("-o", "--out", type=_File, default=PARAMS_FILE, show_default=True, help="File to write.")
@click.option("--force", is_flag=True, help="Replace the section `prepare:` of a file that is there.")
def init(source: str, target: str, out: Path, force: bool) -> None:
    """Look at a table and write params.yaml for it, with what was found and what to doubt as comments."""
    from pipeline import init as page

    page.main(address=source, target=target, out=out, template=PARAMS_FILE, force=force)


@cli.command()
@click.option("--source", required=True, help="File, folder, glob or address of CSV or Parquet with a header.")
@click.option("--out", type=_File, required=True, help="Folder for the prepared data.")
def prepare(source: str, out: Path) -> None:
    """CSV -> encoded blocks, with schema and encoder as JSON."""
    from pipeline import prepare as stage

    stage.main(params=params.load(PARAMS_FILE, "prepare", stage.Params), source=source, out=out)


@cli.command()
@click.option("--prepared", type=_File, required=True, help="Folder that prepare wrote.")
@click.option("--out", type=_File, required=True, help="Folder for model, history and snapshots.")
def train(prepared: Path, out: Path) -> None:
    """Prepared data -> model, and its run in MLflow."""
    with _mirrored("train", prepared=prepared, models=out) as mirrored:
        from pipeline import train as stage

        chosen = params.load(PARAMS_FILE, "train", stage.Params)
        stage.main(params=chosen, prepared=prepared, out=out, watch=mirrored.watch)


@cli.command()
@click.option("--prepared", type=_File, required=True, help="Folder that prepare wrote.")
@click.option("--model", type=_File, required=True, help="Folder that train wrote.")
@click.option("--out", type=_File, required=True, help="Folder for metrics, predictions and plots.")
def evaluate(prepared: Path, model: Path, out: Path) -> None:
    """Model and prepared data -> metrics, predictions, plots, added to the model's run in MLflow."""
    with _mirrored("evaluate", prepared=prepared, models=model, reports=out):
        from pipeline import evaluate as stage

        chosen = params.load(PARAMS_FILE, "evaluate", stage.Params)
        stage.main(params=chosen, prepared=prepared, model=model, out=out)


@cli.command()
@click.argument("source", metavar="FILE.csv")
@click.option("-o", "--out", type=_File, default=None, metavar="OUT.csv", help="Write here instead of printing.")
@click.option("--model", type=_File, default=Path("models"), show_default=True, help="Folder that train wrote.")
def predict(source: str, out: Path | None, model: Path) -> None:
    """Score a CSV: logits, softmax probabilities, ranks and label of each row."""
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
@click.option("--port", type=int, default=5000, show_default=True)
def ui(port: int) -> None:
    """Open the MLflow UI on 127.0.0.1."""
    from pipeline.tracking import ui as server

    server.main(experiment=params.load(PARAMS_FILE, "tracking", mirror.Params).experiment, port=port)


def _mirrored(stage: str, **paths: Path) -> AbstractContextManager[Mirror]:
    """Track the stage that runs inside the block, as the params' ``tracking:`` says."""
    return mirror.started(
        stage, params.load(PARAMS_FILE, "tracking", mirror.Params), params.read_params(PARAMS_FILE), paths
    )


def _terminate(signal_number: int, _frame: object) -> NoReturn:
    """End as Ctrl-C does, through every ``finally``, so that a run in MLflow is not left running."""
    sys.exit(128 + signal_number)


def _way_back() -> str:
    """DVC takes a stage's outputs away before it runs the stage; its cache still has them."""
    return "\n  the stage's earlier outputs: `dvc checkout` brings them back" if "DVC_STAGE" in os.environ else ""


def main() -> None:
    """Run the command line; the exit status is the process's."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        cli.main(prog_name="python -m pipeline", standalone_mode=False)
    except UserError as error:
        sys.exit(f"{error}{_way_back()}")
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)


if __name__ == "__main__":
    # Loading torch makes many objects and no garbage: collecting while it loads, and at exit, costs a second.
    gc.disable()
    atexit.register(gc.freeze)
    main()
