"""`init`: look at a table and write a params.yaml for it, with what it holds as comments."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from pipeline import credentials, files
from pipeline.commands.init.inspect_table import inspect
from pipeline.commands.init.other_sections import default_sections, train_section
from pipeline.commands.init.section import section, source_and_files
from pipeline.commands.yaml_text import with_section
from pipeline.errors import UserError
from pipeline.params import PARAMS_FILE, read_params
from pipeline.repository import git
from pipeline.repository.project import project_root
from pipeline.table import find_source, remote, sources

STANDARD_OUTPUT = Path("-")


def main(*, address: str, target: str, out: Path, template: Path, force: bool, way_to_root: str | None = None) -> None:
    """Write ``out``: `prepare` and `train` for the table at ``address``, and the other sections.

    These are as ``out`` has them, or ``template`` where it is not there yet; what it lacks is as by default.

    ``-`` is standard output; ``way_to_root`` is where the project's root is from where the person stands.
    Raises: UserError if ``out`` is there and not to be replaced, or is no params file, or the table cannot be read.
    """
    # Refuse what could not be read or written, before the table is read.
    credentials.refuse(address)
    files.require_file_name(out)
    if out != STANDARD_OUTPUT and out.exists() and not force:
        raise UserError(
            f"{out}: is there already; --force replaces its sections 'prepare:' and 'train:', -o FILE writes elsewhere"
        )
    if not template.exists():
        raise UserError(f"{template}: no such file; run the command from the project's root")
    source_and_files(address)
    source = find_source.find(address, encoding="auto")
    files.refuse_to_overwrite(out, sources.local_paths(source))
    base = out if out.is_file() else template
    present = read_params(base)  # of another kind of file nothing would be left
    # Look at the table, and put its sections in place of the old ones.
    table = inspect(source, target)
    written = section(table)
    try:
        text = with_section(base.read_text(encoding="utf-8"), "train", train_section(table))
        text = with_section(text, "prepare", written)
    except ValueError as error:
        raise UserError(f"{base}: {error}") from None
    text += default_sections(present)
    # Write, and say what to run next.
    if out == STANDARD_OUTPUT:
        with files.standard_output() as file:
            file.write(text.encode("utf-8"))
        return
    files.write_text(out, text)
    click.echo(written, nl=False)
    click.echo(f"written to {out}; next:")
    for step in [*([shlex.join(["cd", way_to_root])] if way_to_root else []), *_next_steps(address, out)]:
        click.echo(f"  {step}")


def _next_steps(address: str, out: Path) -> Iterator[str]:
    """The commands that lead from here to a model, and to a commit that holds what it was made from."""
    if out != PARAMS_FILE:
        yield shlex.join(["mv", str(out), str(PARAMS_FILE)])
    if (place := _unversioned(address)) is not None:
        yield shlex.join(["dvc", "add", str(place)])
    yield "dvc repro"
    yield "git add -A; git commit -m 'params for another table'"


def _unversioned(address: str) -> Path | None:
    """The table's file or folder, where neither git nor DVC has it, and DVC could."""
    place, root = Path(source_and_files(address)[0]), project_root()
    if remote.is_remote(address) or not (root / ".dvc").is_dir() or not place.resolve().is_relative_to(root):
        return None
    above = [Path(f"{folder}.dvc") for folder in (place, *place.parents)]
    is_versioned = any(file.is_file() for file in above) or git.stdout(root, "ls-files", "--", str(place.resolve()))
    return None if is_versioned else place
