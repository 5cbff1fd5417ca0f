"""Writes the comments of params.yaml anew, from the descriptions of the params: `python -m scripts.params_comments`."""

from pathlib import Path

from pipeline import files
from pipeline.commands.params_file import ParamsFile
from pipeline.commands.yaml_text import commented
from pipeline.params import descriptions

PARAMS = Path(__file__).parent.parent / "params.yaml"


def main() -> None:
    """Replace params.yaml by itself with today's comments."""
    files.write_text(PARAMS, commented(PARAMS.read_text(encoding="utf-8"), descriptions(ParamsFile)))


if __name__ == "__main__":
    main()
