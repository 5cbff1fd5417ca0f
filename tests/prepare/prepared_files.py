"""Every file that prepare makes, whatever it reads at once and with how many threads."""

import tempfile
from pathlib import Path

from pipeline.prepare import column_roles, survey_source, write_dataset
from pipeline.prepare.params import PrepareParams
from pipeline.table import find_source, stream


def files_of(params: PrepareParams, source: Path, options: stream.ReadOptions) -> dict[str, bytes]:
    """By name, of the table at ``source``."""
    table = find_source.find(str(source))
    with tempfile.TemporaryDirectory() as folder:
        roles = column_roles.roles_of(params, table)
        learned = survey_source.learn(params, table, roles, options)
        write_dataset.write(params, table, roles, learned, Path(folder), options)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}
