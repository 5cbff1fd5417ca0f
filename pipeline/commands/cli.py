"""Every word of `python -m pipeline`, with its options.

Each word imports its command when it is called, so that none pays for another one's libraries.
"""

import csv
from math import isnan
from pathlib import Path
from typing import Any

import click

from pipeline import files, screen
from pipeline.commands import interruption, run_stage
from pipeline.commands.place import Place
from pipeline.commands.words import Words
from pipeline.errors import UserError
from pipeline.output_files import MODELS_FOLDER, PREPARED_FOLDER, REPORTS_FOLDER
from pipeline.params import PARAMS_FILE
from pipeline.repository import project
from pipeline.tracking.client import experiment

# The headings of the list of words.
_BEGIN, _STAGES, _USE = "Begin", "Stages, as `dvc repro` calls them", "Use"
_LOOK, _PROVE = "Look", "Prove and mend"


class _Path(click.Path):
    """A file or folder; no name at all, as an empty variable of a shell gives, is misuse."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("expected a name, got nothing", param, ctx)
        if isinstance(value, str) and ctx is not None and isinstance(ctx.obj, Place):
            value = ctx.obj.from_root(value)  # defaults are no texts: they count from the root
        return super().convert(value, param, ctx)


class _Seconds(click.FloatRange):
    """A number within a range, which NaN would pass: it is not less than anything."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Raises: click.BadParameter."""
        seconds = super().convert(value, param, ctx)
        if isnan(seconds):
            self.fail(f"{value} is no number of seconds.", param, ctx)
        return float(seconds)


class _Names(click.ParamType[tuple[str, ...]]):
    """Names between commas, or another separator; one that holds it or a quote stands in quotes, as in a CSV."""

    name = "names"

    def __init__(self, separator: str = ",") -> None:
        self._separator = separator

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            names = tuple(*csv.reader([value], strict=True, delimiter=self._separator))
        except (csv.Error, TypeError):
            names = ()
        if not names or "" in names:
            self.fail(f"expected names with {self._separator!r} between them", param, ctx)
        return names


_File = _Path(path_type=Path, allow_dash=True)
_digits = click.option(
    "--digits", type=click.IntRange(1, 8), default=4, show_default=True, help="Digits after the point."
)


def _print_version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from pipeline.commands import version

        click.echo(version.describe())
        ctx.exit()


@click.group(
    cls=Words,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the versions of code and libraries, and exit.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Softmax regression a person can trust: `dvc repro` calls these words, and so can you.

    Without a word: the project, its last run, what is out of date, and what to do next.
    """
    if ctx.invoked_subcommand is None:
        from pipeline.commands.status import command

        command.main(program=ctx.command_path)


@cli.command(section=_BEGIN, example="../mine mine.csv --target answer", at_root=False)
@click.argument("folder", metavar="DIR", required=False, type=_File)
@click.argument("tables", metavar="FILE.csv...", nargs=-1, type=_Path())
@click.option("--target", help="Column to predict.")
@click.option("--update", is_flag=True, help="Instead: bring a later version of the code into this project.")
@click.option("--from", "source", metavar="ADDRESS", help="Repository of the code, not the recorded one.")
@click.option("--revision", default="HEAD", show_default=True, help="Its commit, branch or tag to update to.")
def new(
    folder: Path | None, tables: tuple[str, ...], target: str | None, update: bool, source: str | None, revision: str
) -> None:
    """Make a project for a table in a new folder: git, DVC, params.yaml, this version of the code."""
    if update:
        from pipeline.commands.new import update as command

        if folder is not None or target is not None:
            raise click.UsageError("expected --update without DIR, FILE.csv and --target: it is for this project")
        command.main(root=project.project_root(), source=source, revision=revision)
        return
    if folder is None or not tables or target is None:
        raise click.UsageError("expected a new folder, a table and its target: DIR FILE.csv --target COLUMN")
    from pipeline.commands.init import command as init
    from pipeline.commands.new import command as making
    from pipeline.commands.version import code_folder

    def write_params(address: str, column: str) -> None:
        template = code_folder() / PARAMS_FILE
        init.main(address=address, target=column, out=PARAMS_FILE, template=template, force=True)

    with interruption.advised(f"{folder} is not made; the same command begins anew"):
        making.main(folder=folder, tables=tables, target=target, write_params=write_params)


@cli.command(section=_BEGIN, example="data/raw/mine.csv --target answer")
@click.argument("source", metavar="FILE.csv", type=_Path())
@click.option("--target", required=True, help="Column to predict.")
@click.option("-o", "--out", type=_File, default=PARAMS_FILE, show_default=True, help="File to write.")
@click.option("--force", is_flag=True, help="Replace the sections `prepare:` and `train:` of a file that is there.")
@click.pass_obj
def init(place: Place, source: str, target: str, out: Path, force: bool) -> None:
    """Look at a table and write params.yaml for it, with what was found and what to doubt as comments."""
    above = place.way_to_root
    with interruption.advised(f"{place.typed(out)} is as it was; the same command begins anew"):
        from pipeline.commands.init import command

        command.main(address=source, target=target, out=out, template=PARAMS_FILE, force=force, way_to_root=above)


@cli.command(section=_STAGES, example="")
def check() -> None:
    """Check every param before a stage's outputs are taken away."""
    from pipeline.commands import check as command

    command.main()


@cli.command(section=_STAGES, example="--out data/prepared --cache .cache/prepare")
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
    run_stage.prepare(source, out, cache)


@cli.command(section=_STAGES, example="--prepared data/prepared --out models")
@click.option("--prepared", type=_File, required=True, help="Folder that prepare wrote.")
@click.option("--out", type=_File, required=True, help="Folder for model, history and snapshots.")
def train(prepared: Path, out: Path) -> None:
    """Prepared data -> model, and its run in MLflow."""
    run_stage.train(prepared, out)


@cli.command(section=_STAGES, example="--prepared data/prepared --model models --out models")
@click.option("--prepared", type=_File, required=True, help="Folder that prepare wrote.")
@click.option("--model", type=_File, required=True, help="Folder that train wrote.")
@click.option("--out", type=_File, required=True, help="Folder for decision.json: the model's.")
def decide(prepared: Path, model: Path, out: Path) -> None:
    """Model and prepared data -> scaling of the probabilities, prediction sets, costs of decisions."""
    run_stage.decide(prepared, model, out)


@cli.command(section=_STAGES, example="--prepared data/prepared --model models --out reports")
@click.option("--prepared", type=_File, required=True, help="Folder that prepare wrote.")
@click.option("--model", type=_File, required=True, help="Folder that train wrote.")
@click.option("--out", type=_File, required=True, help="Folder for metrics, predictions and plots.")
def evaluate(prepared: Path, model: Path, out: Path) -> None:
    """Model and prepared data -> metrics, predictions, plots, added to the model's run in MLflow."""
    run_stage.evaluate(prepared, model, out)


@cli.command(section=_STAGES, example="--prepared data/prepared --model models --out reports")
@click.option("--prepared", type=_File, required=True, help="Folder that prepare wrote.")
@click.option("--model", type=_File, required=True, help="Folder that train wrote.")
@click.option("--out", type=_File, required=True, help="Folder for coefficients, effects and tests.")
def infer(prepared: Path, model: Path, out: Path) -> None:
    """Model and prepared data -> standard errors, tests and effects of the coefficients."""
    run_stage.infer(prepared, model, out)


@cli.command(section=_STAGES, example="HEAD -o run.html")
@click.argument("revision", required=False, metavar="[REV | EXP | RUN]")
@click.option("-o", "file", type=_File, default=None, metavar="FILE | -", help="Write its page here; - prints it.")
@click.option("--prepared", type=_File, default=PREPARED_FOLDER, show_default=True, help="Folder that prepare wrote.")
@click.option("--model", type=_File, default=MODELS_FOLDER, show_default=True, help="Folder that train wrote.")
@click.option("--out", type=_File, default=REPORTS_FOLDER, show_default=True, help="Folder for report.html.")
@click.pass_context
def report(ctx: click.Context, revision: str | None, file: Path | None, prepared: Path, model: Path, out: Path) -> None:
    """All results -> one HTML page; with REV or -o that of a commit, DVC experiment or MLflow run, to be mailed."""
    if revision is None and file is None:
        run_stage.report(prepared, model, out)
        return
    typed = [f"--{name}" for name in ("prepared", "model", "out") if _is_typed(ctx, name)]
    if typed:
        raise click.UsageError(f"expected REV -o FILE without {', '.join(typed)}: these are for the stage")
    if file is None:
        raise click.UsageError("expected a file for the page: REV -o FILE")
    with interruption.advised("no page is written; the same command begins anew"):
        from pipeline.commands.report import command

        command.main(name=revision or "HEAD", out=file, experiment=_mlflow_experiment())


def _is_typed(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


@cli.command(section=_USE, example="")
@click.option("--prepared", type=_File, default=PREPARED_FOLDER, show_default=True, help="Folder that prepare wrote.")
@click.option("--out", type=_File, default=REPORTS_FOLDER, show_default=True, help="Folder for sweep.json and .csv.")
def sweep(prepared: Path, out: Path) -> None:
    """Find the l2 that predicts best, by cross-validation over the training rows."""
    run_stage.sweep(prepared, out)


@cli.command(section=_USE, example="new.csv -o scored.parquet --keep id")
@click.argument("sources", metavar="FILE.csv... | -", type=_Path(), nargs=-1)
@click.option(
    "-o",
    "--out",
    type=_Path(),
    default=None,
    metavar="OUT.csv | OUT.parquet | DIR/ | -",
    help="Write all rows here; - prints them.",
)
@click.option("--columns", type=_Names(), default=None, metavar="NAME,...", help="Write these columns only.")
@click.option("--keep", type=_Names(), default=(), metavar="NAME,...", help="Columns of the table to write, too.")
@click.option("--model", type=_File, default=MODELS_FOLDER, show_default=True, help="Folder that train wrote.")
@click.option("--interval", is_flag=True, help="Add confidence intervals of the probabilities, from infer.")
@click.option("--at-means", is_flag=True, help="Instead of a file: the means of the training rows, with intervals.")
@click.option("--reports", type=_File, default=REPORTS_FOLDER, show_default=True, help="Folder that infer wrote.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes that share the rows.")
@click.pass_context
def predict(
    ctx: click.Context,
    sources: tuple[str, ...],
    out: str | None,
    columns: tuple[str, ...] | None,
    keep: tuple[str, ...],
    model: Path,
    interval: bool,
    at_means: bool,
    reports: Path,
    workers: int,
) -> None:
    """Score tables, or what stands at standard input: logits, softmax probabilities, ranks and label of each row."""
    if at_means:
        from pipeline.commands import predict_at_means

        if sources or out is not None:
            raise click.UsageError("expected --at-means without FILE.csv and -o: it prints a row of its own")
        predict_at_means.main(model=model, reports=reports)
        return
    if not sources:
        raise click.UsageError("expected a table to score: FILE.csv, or - for standard input")
    if out is None and (columns is not None or keep or workers > 1):
        raise click.UsageError("expected -o OUT with --columns, --keep and --workers: they are for a file of all rows")
    place = ctx.obj

    def how_to_go_on() -> str:
        from pipeline.commands import predict_file

        return predict_file.how_to_go_on(out, place.typed)

    with interruption.advised(how_to_go_on), run_stage.in_processes(_predict_words(ctx), workers):
        from pipeline.commands import predict as command

        used = reports if interval else None
        command.main(source=sources, out=out, model=model, reports=used, columns=columns, keep=keep, typed=place.typed)


@cli.command(section=_USE, example="--onnx model.onnx --sql model.sql --table flights --keep id")
@click.option("--onnx", type=_File, default=None, metavar="OUT.onnx", help="Write the model as ONNX.")
@click.option("--sql", type=_File, default=None, metavar="OUT.sql", help="Write it as a query of standard SQL.")
@click.option("--table", type=_Names("."), default="rows", show_default=True, help="Table, or SCHEMA.TABLE, to query.")
@click.option("--keep", type=_Names(), default=(), metavar="NAME,...", help="Columns that the query returns, too.")
@click.option("--check", type=_Path(), default=None, metavar="FILE.csv", help="Rows to compare, not prepare.source.")
@click.option("--model", type=_File, default=MODELS_FOLDER, show_default=True, help="Folder that train wrote.")
@click.pass_obj
def export(
    place: Place,
    onnx: Path | None,
    sql: Path | None,
    table: tuple[str, ...],
    keep: tuple[str, ...],
    check: str | None,
    model: Path,
) -> None:
    """Write the model as ONNX or SQL, and print the largest distance of its probabilities from ours."""
    if onnx is None and sql is None:
        raise click.UsageError("expected a file to write: --onnx OUT.onnx, --sql OUT.sql, or both")
    with interruption.advised("the same command begins anew"):
        from pipeline.commands import export as command

        command.main(model=model, onnx=onnx, sql=sql, table=table, keep=keep, check=check, typed=place.typed)


def _predict_words(ctx: click.Context) -> list[str]:
    """The words that call predict so in each of its workers."""
    given = ctx.params
    words = [f"--{name}={given[name]}" for name in ("out", "model", "reports") if given[name] is not None]
    words += [f"--{name}={files.csv_text([given[name]])[:-1]}" for name in ("columns", "keep") if given[name]]
    return ["predict", *words, *(["--interval"] if given["interval"] else []), "--", *given["sources"]]


@cli.command(section=_USE, example="--alias champion --port 8080")
@click.option("--model", type=_File, default=MODELS_FOLDER, show_default=True, help="Folder that train wrote.")
@click.option("--alias", help="Instead: the version of a registered model in MLflow with this alias.")
@click.option("--name", help="With --alias: the registered model, if it is not called as the MLflow experiment.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; 0.0.0.0 opens it to all.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: a free one.")
@click.option("--prepared", type=_File, default=PREPARED_FOLDER, show_default=True, help="Folder with the ranges.")
@click.option("--columns", default="", metavar="A,B", help="Of predicted, probability, logit, rank, decision, in_set.")
@click.option("--max-rows", type=click.IntRange(1), default=10_000, show_default=True, help="Rows of a request.")
@click.option("--max-bytes", type=click.IntRange(1), default=1 << 24, show_default=True, help="Bytes of its body.")
@click.option("--timeout", type=_Seconds(0.1, 86_400), default=10.0, show_default=True, help="Seconds of each step.")
@click.pass_context
def serve(
    ctx: click.Context,
    model: Path,
    alias: str | None,
    name: str | None,
    host: str,
    port: int,
    prepared: Path,
    columns: str,
    max_rows: int,
    max_bytes: int,
    timeout: float,
) -> None:
    """Answer over HTTP, on 127.0.0.1: MLflow's scoring protocol, the Open Inference Protocol, a page to try it."""
    if alias is not None and _is_typed(ctx, "model"):
        raise click.UsageError("expected --model or --alias, got both")
    if alias is None and name is not None:
        raise click.UsageError("expected --name with --alias: a folder has no name")
    try:
        from pipeline.commands import serve as command
        from pipeline.serving.limits import Limits
    except ModuleNotFoundError as error:
        raise UserError(f"serve: needs the package {error.name}: `python -m pip install -e '.[serve]'`") from None

    command.main(
        place=command.Place(name=name or "", alias=alias) if alias is not None else command.Place(model),
        experiment=name or (_mlflow_experiment() if alias is not None else ""),
        prepared=prepared,
        host=host,
        port=port,
        limits=Limits(max_bytes, max_rows, timeout),
        columns=[column.strip() for column in columns.split(",") if column.strip()],
    )


@cli.command(section=_LOOK, example="")
@click.option("--model", type=_File, default=MODELS_FOLDER, show_default=True, help="Folder that train wrote.")
@click.option("--reports", type=_File, default=REPORTS_FOLDER, show_default=True, help="Folder that evaluate wrote.")
@click.option("--prepared", type=_File, default=PREPARED_FOLDER, show_default=True, help="Folder that prepare wrote.")
@click.option("--inference", is_flag=True, help="Instead: coefficients with errors, tests and intervals, from infer.")
def summary(model: Path, reports: Path, prepared: Path, inference: bool) -> None:
    """Print what came out, what it is worth, and where to look next."""
    if inference:
        from pipeline.commands import inference_summary

        inference_summary.main(reports=reports)
        return
    from pipeline.commands import summary as command

    command.main(model=model, reports=reports, prepared=prepared)


@cli.command(section=_LOOK, example="--epoch 200")
@click.option("--epoch", type=click.IntRange(-1), default=None, help="Those after this epoch; -1: before epoch 0.")
@_digits
@click.option("--model", type=_File, default=MODELS_FOLDER, show_default=True, help="Folder that train wrote.")
def weights(epoch: int | None, digits: int, model: Path) -> None:
    """Print W and b: where training began, after the epochs of its snapshots, and as trained."""
    from pipeline.commands import weights as command

    command.main(model=model, epoch=epoch, digits=digits)


@cli.command(section=_LOOK, example="1 --digits 6")
@click.argument("row", metavar="ROW", type=click.IntRange(1))
@click.option(
    "--file", "source", type=_Path(), default=None, metavar="FILE.csv | -", help="Table of the row, not prepare.source."
)
@_digits
@click.option("--model", type=_File, default=MODELS_FOLDER, show_default=True, help="Folder that train wrote.")
def explain(row: int, source: str | None, digits: int, model: Path) -> None:
    """Print how the model scores row ROW of the table: x, W x + b, softmax, the row's cost and its gradient."""
    from pipeline.commands import explain as command

    command.main(row=row, source=source, model=model, digits=digits)


@cli.command(section=_PROVE, example="HEAD~1")
@click.argument("revision", metavar="[REV | MLFLOW_RUN_ID]", default="HEAD")
@click.option("--deep", is_flag=True, help="Run everything again with 1, 2 and 3 threads and workers.")
def verify(revision: str, deep: bool) -> None:
    """Run a commit, DVC experiment or MLflow run again, and compare every byte with what was recorded."""
    with interruption.advised("nothing is verified, and the project is as it was; the same command begins anew"):
        from pipeline.commands.verify import command

        command.main(name=revision, deep=deep, experiment=_mlflow_experiment())


@cli.command(section=_PROVE, example="--json")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
def doctor(as_json: bool) -> None:
    """Check the environment, the processor, git, DVC and MLflow, and say what to do about each finding."""
    from pipeline.commands.doctor import command

    command.main(as_json=as_json)


@cli.command(section=_LOOK, example="--port 5001")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(port: int) -> None:
    """Open the MLflow UI on 127.0.0.1."""
    from pipeline.commands import ui as command

    command.main(experiment=_mlflow_experiment(), port=port)


@cli.command(section=_PROVE, example="--all-experiments")
@click.argument("revision", required=False, metavar="[REV | A..B]")
@click.option("--all-experiments", is_flag=True, help="Every DVC experiment.")
@click.option("--relocate", is_flag=True, help="Mend the places of artifacts after the project's folder was moved.")
def track(revision: str | None, all_experiments: bool, relocate: bool) -> None:
    """Send kept stages to MLflow, and rebuild missing runs from DVC; without REV those of HEAD and workspace."""
    with interruption.advised("no run is lost; the same command goes on with those that MLflow lacks"):
        with screen.bar("loading MLflow"):
            from pipeline.commands import track as command

        command.main(
            setting=experiment.setting_of(PARAMS_FILE),
            revision=revision,
            all_experiments=all_experiments,
            relocated=relocate,
        )


@cli.command(section=_LOOK, example="HEAD~1 HEAD")
@click.argument("names", nargs=-1, metavar="[REV | EXP]...")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def runs(names: tuple[str, ...], as_json: bool) -> None:
    """Show the MLflow runs of commits and DVC experiments; without names those of HEAD and workspace."""
    from pipeline.commands import runs as command

    command.main(experiment=_mlflow_experiment(), names=names, as_json=as_json)


@cli.command(section=_LOOK, example="HEAD~1 workspace --markdown")
@click.argument("names", nargs=-1, metavar="[REV | EXP | RUN]...")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--markdown", "as_markdown", is_flag=True, help="For a pull request.")
def compare(names: tuple[str, ...], as_json: bool, as_markdown: bool) -> None:
    """Show what differs from the first to the others; without names from HEAD to the workspace."""
    from pipeline.commands.compare import command

    command.main(names=names, experiment=_mlflow_experiment(), as_json=as_json, as_markdown=as_markdown)


def _mlflow_experiment() -> str:
    return experiment.of_project(PARAMS_FILE)
