"""The README.md of a new project."""

from pipeline import markdown
from pipeline.commands import version
from pipeline.commands.new.upstream import Record

_TEXT = """# {name}

A softmax regression that predicts {target} from {source}. Its code is [{distribution}](pipeline/) {record}{address}.

    make run                                  # makes .venv, then prepares, trains and evaluates
    source .venv/bin/activate; softmax        # where you are, what is out of date, what to do next
    git add -A && git commit -m "First run"   # what verify runs again
    softmax predict new.csv -o scored.csv     # probabilities for new rows
    softmax verify                            # runs the commit again and compares every byte

- `make run VENV=PATH` takes an environment that is there, in place of a new `.venv`.
- `params.yaml` has every param with its meaning, and what was found in the table.
- `dvc exp run -S train.l2=0.01` tries another value, `softmax compare` shows what that changed.
- `make ui` opens the runs in MLflow.
- `softmax new --update` brings a later version of the code in, as a commit; your own changes of it stay.
- `softmax -h` lists every word, `softmax WORD -h` has an example of it.
"""


def text(name: str, target: str, source: str, record: Record) -> str:
    """A page with the commands in the order in which they are wanted."""
    return _TEXT.format(
        name=markdown.text(name),
        target=markdown.code(target),
        source=markdown.code(source),
        distribution=version.DISTRIBUTION,
        record=record,
        address=f" from <{record.source}>" if record.source else "",
    )
