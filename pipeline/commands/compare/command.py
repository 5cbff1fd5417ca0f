"""The command: the first side against each of the others."""

import json
from pathlib import Path

from pipeline.commands.compare import differences, pages
from pipeline.commands.compare.side import ComparisonSide, of_revision
from pipeline.errors import UserError
from pipeline.repository import project, revisions
from pipeline.tracking.client import query

_USUAL = ("HEAD", revisions.WORKSPACE)


def main(*, names: tuple[str, ...], experiment: str, as_json: bool, as_markdown: bool) -> None:
    """Print what differs; without names between HEAD and the workspace, with one between it and the workspace.

    Raises: UserError if a name is neither a revision nor a run.
    """
    if as_json and as_markdown:
        raise UserError("--json, --markdown: expected one of them, got both; leave one out")
    # Find the sides, and compare the first with each of the others.
    chosen = names if len(names) > 1 else (*names, _USUAL[1]) if names else _USUAL
    first, *others = (find_side(project.project_root(), name, experiment) for name in chosen)
    records = [differences.between(first, other) for other in others]
    # Print what differs.
    if as_json:
        print(json.dumps(records, ensure_ascii=False, indent=2))
    elif as_markdown:
        print("\n\n".join(map(pages.markdown, records)))
    else:
        for record in records:
            pages.print_text(record)


def find_side(root: Path, text: str, experiment: str) -> ComparisonSide:
    """The side that a person means; an MLflow run is looked for if there is no such revision.

    Raises: UserError if there is neither.
    """
    revision = revisions.find(root, text)
    if revision is None and query.RUN_ID.fullmatch(text):
        from pipeline.commands.compare import run_side

        return run_side.of_run(root, text, experiment)
    return of_revision(revision or revisions.resolved(root, text))
