"""Writes the comments of params.yaml anew, from the descriptions of the params: `python -m scripts.params_comments`.

The rest is laid out as DVC writes it, so that `dvc exp run -S` changes one line.
"""

from pathlib import Path

from pipeline import files
from pipeline.commands.params_file import ParamsFile
from pipeline.commands.yaml_text import as_dvc_writes, commented
from pipeline.params import descriptions

PARAMS = Path(__file__).parent.parent / "params.yaml"


def main() -> None:
    """Replace params.yaml by itself with today's comments."""
    files.write_text(PARAMS, commented(as_dvc_writes(PARAMS.read_text(encoding="utf-8")), descriptions(ParamsFile)))


if __name__ == "__main__":
    main()
