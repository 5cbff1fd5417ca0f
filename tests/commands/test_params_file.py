"""params.yaml as it is shipped: each param with its meaning, which its class says."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from pipeline import params
from pipeline.commands.params_file import ParamsFile
from pipeline.commands.yaml_text import commented
from pipeline.params import descriptions

PARAMS = Path("params.yaml")


def test_comments_are_the_descriptions_of_the_params() -> None:
    """`python -m scripts.params_comments` would change nothing."""
    text = PARAMS.read_text(encoding="utf-8")
    assert commented(text, descriptions(ParamsFile)) == text


def test_the_shipped_values_are_params() -> None:
    """Every section can be read, and none is missing or unknown."""
    ParamsFile.model_validate(params.read_params(PARAMS))


def _places(section: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _places(field.annotation, (*above, name))
        else:
            yield (*above, name)


def test_every_param_has_a_meaning() -> None:
    """No param of any section is without a description."""
    assert [place for place in _places(ParamsFile) if not descriptions(ParamsFile).get(place)] == []
