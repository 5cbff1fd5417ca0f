"""What `infer` says of a fit, as an object that prints as a table."""

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from pipeline.dataset.columns import class_text
from pipeline.dataset.reader import Dataset
from pipeline.errors import UserError, printable
from pipeline.infer import outputs
from pipeline.infer.params import InferParams
from pipeline.infer.refusal import RefusalError
from pipeline.infer.specification import specify
from pipeline.infer.tables import tables
from pipeline.model import Model

_SHOWN = ("estimate", "standard_error", "z", "p", "low", "high")


@dataclass(frozen=True)
class Summary:
    """``document`` as inference.json has it, and the lines of coefficients.csv and effects.csv by their headers."""

    document: dict[str, Any]
    coefficients: list[dict[str, Any]]
    effects: list[dict[str, Any]]

    def __str__(self) -> str:
        first, *others = self.document["sentences"]
        lines = [first, ""]
        reference = class_text(self.document["reference"])
        against = [line for line in self.coefficients if line["reference"] == reference]
        width = max(len(printable(line["feature"])) for line in against)
        for label, of_class in groupby(against, key=itemgetter("class")):
            lines.append(f"class {printable(label)} against {printable(reference)}")
            lines.append(" " * width + "".join(f"{name.replace('_', ' '):>16}" for name in _SHOWN))
            for line in of_class:
                cells = "".join(f"{_cell(line[name]):>16}" for name in _SHOWN)
                lines.append(f"{printable(line['feature']):<{width}}{cells}")
            lines.append("")
        return "\n".join([*lines, *others])


def summarise(dataset: Dataset, model: Model, params: InferParams) -> Summary:
    """Fit what ``params`` ask for to the training rows of ``dataset``.

    Raises: UserError for a param that does not fit the data, or where the data has no such table.
    """
    try:
        result = tables(specify(dataset, model, params))
    except RefusalError as refusal:
        raise UserError(f"summary: no table of coefficients: {refusal}") from None
    return Summary(
        dict(result.document),
        [dict(zip(outputs.COEFFICIENTS, line, strict=True)) for line in result.coefficients],
        [dict(zip(outputs.EFFECTS, line, strict=True)) for line in result.effects],
    )


def _cell(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
