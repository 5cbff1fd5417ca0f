"""The command: the first side against each of the others."""

import json

from pipeline import provenance
from pipeline.compare import differences, pages, sides
from pipeline.errors import UserError

_USUAL = ("HEAD", "workspace")


def main(*, names: tuple[str, ...], experiment: str, as_json: bool, as_markdown: bool) -> None:
    """Print what differs; without names between HEAD and the workspace, with one between it and the workspace.

    Raises: UserError if a name is neither a revision nor a run.
    """
    if as_json and as_markdown:
        raise UserError("--json, --markdown: expected one of them, got both; leave one out")
    chosen = names if len(names) > 1 else (*names, _USUAL[1]) if names else _USUAL
    first, *others = (sides.find(provenance.project_root(), name, experiment) for name in chosen)
    records = [differences.between(first, other) for other in others]
    if as_json:
        print(json.dumps(records, ensure_ascii=False, indent=2))
    elif as_markdown:
        print("\n\n".join(map(pages.markdown, records)))
    else:
        for record in records:
            pages.print_text(record)
