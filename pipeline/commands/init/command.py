"""`init`: look at a table and write a params.yaml for it, with what it holds as comments."""

from pathlib import Path

import click

from pipeline import credentials, files
from pipeline.commands.init.inspect_table import inspect
from pipeline.commands.init.section import section, source_and_files
from pipeline.commands.yaml_text import with_section
from pipeline.errors import UserError
from pipeline.params import read_params
from pipeline.table import find_source, sources

STANDARD_OUTPUT = Path("-")


def main(*, address: str, target: str, out: Path, template: Path, force: bool) -> None:
    """Write ``out``: the section for the table at ``address``, and the other sections that it has, or ``template``.

    ``-`` is standard output.
    Raises: UserError if ``out`` is there and not to be replaced, or is no params file, or the table cannot be read.
    """
    # Refuse what could not be read or written, before the table is read.
    credentials.refuse(address)
    files.require_file_name(out)
    if out != STANDARD_OUTPUT and out.exists() and not force:
        raise UserError(f"{out}: is there already; --force replaces its section 'prepare:', -o FILE writes elsewhere")
    if not template.exists():
        raise UserError(f"{template}: no such file; run the command from the project's root")
    source_and_files(address)
    source = find_source.find(address, encoding="auto")
    files.refuse_to_overwrite(out, sources.local_paths(source))
    base = out if out.is_file() else template
    read_params(base)  # of another kind of file nothing would be left
    # Look at the table, and put its section in place of the old one.
    table = inspect(source, target)
    written = section(table)
    try:
        text = with_section(base.read_text(encoding="utf-8"), "prepare", written)
    except ValueError as error:
        raise UserError(f"{base}: {error}") from None
    # Write, and say what to run next.
    if out == STANDARD_OUTPUT:
        click.echo(text, nl=False)
        return
    files.write_text(out, text)
    click.echo(written, nl=False)
    click.echo(f"written to {out}; next: dvc repro")
    settings = f"-S train.solver=auto -S train.lr=null -S train.l2={1 / table.statistics.rows:.1g}"
    click.echo(f"or, with a solver that looks for the optimum: dvc exp run {settings}")
