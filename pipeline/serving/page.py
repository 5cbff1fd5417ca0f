"""The page to try the model by hand: one document without anything that a browser would fetch elsewhere.

Its script is the same for every model; what it knows of one stands in the form. Names of columns and levels are text,
which the template escapes.
"""

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.dataset.columns import class_text, is_number
from pipeline.errors import printable
from pipeline.serving import openapi
from pipeline.serving.models import ServedModel

# A page with more fields than these helps nobody.
_MOST_COLUMNS, _MOST_LEVELS = 200, 200


def html(model: ServedModel) -> str:
    """The page."""
    encoder = model.scorer.model.encoder
    levels = openapi.levels_of(encoder)
    shown = [*encoder.types.items()][:_MOST_COLUMNS]
    fields = [_field(model, name, kind, levels.get(name, [])) for name, kind in shown]
    text: str = _template().render(
        model=model,
        classes=[*map(class_text, model.scorer.model.classes)],
        target=encoder.target,
        fields=fields,
        left_out=max(0, len(encoder.types) - _MOST_COLUMNS),
        style=Markup(_file("style.css")),
        script=Markup(_file("script.js")),
    )
    return text


def _field(model: ServedModel, name: str, kind: str, levels: list[str]) -> dict[str, Any]:
    encoder = model.scorer.model.encoder
    low, high = (model.ranges or {}).get(name, (None, None))
    mean = next((column.mean for column in encoder.numbers if column.name == name), None)
    return {
        "name": name,
        "shown": printable(name),
        "kind": "boolean" if kind == "boolean" else "number" if kind == "number" else "text",
        "levels": levels[:_MOST_LEVELS],
        "range": None if low is None or not is_number(kind) else f"{low:g} to {high:g}",
        "value": "" if mean is None or kind != "number" else f"{mean:.6g}",
    }


@cache
def _template() -> Any:
    loader = PackageLoader("pipeline.serving", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("page.html")


@cache
def _file(name: str) -> str:
    return resources.files("pipeline.serving").joinpath("templates", name).read_text(encoding="utf-8")


def _source(name: str) -> str:
    digest = hashlib.sha256(_file(name).encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


# Only this style and this script, and requests to this server.
HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src {_source('style.css')}; script-src {_source('script.js')}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
