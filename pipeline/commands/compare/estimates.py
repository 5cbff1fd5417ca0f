"""Whether coefficients moved by more than their standard errors, where both sides have a table of inference."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.dataset.columns import class_text
from pipeline.infer.multiple_tests import holm_adjusted
from pipeline.infer.terms import INTERCEPT
from pipeline.output_files import COEFFICIENTS_FILE, INFERENCE_FILE
from pipeline.results.inference import parse_coefficients, parse_inference

_LEVEL = 0.05
_MOST_LINES = 20


@dataclass(frozen=True)
class Estimates:
    """Estimate and standard error by class, class that it is compared with, and feature.

    ``bases`` are the base levels of categories, ``columns`` all columns of the table.
    """

    reference: str
    bases: dict[str, str]
    columns: tuple[str, ...]
    values: dict[tuple[str, str, str], tuple[float, float]]

    @classmethod
    def of(cls, document: bytes, table: bytes, place: str) -> "Estimates | None":
        """Read inference.json and coefficients.csv; None where inference was refused, or has no tests.

        ``place`` is what errors call their folder. Raises: UserError if they are not what infer writes.
        """
        described = parse_inference(document, f"{place}: {INFERENCE_FILE}")
        lines = parse_coefficients(table, f"{place}: {COEFFICIENTS_FILE}")
        if described["refused"] is not None:
            return None
        # Of a fit with a penalty, whose coefficients are shrunk, there is no z.
        values = {
            (line["class"], line["reference"], line["feature"]): (line["estimate"], line["standard_error"])
            for line in lines
            if line["feature"] != INTERCEPT and _is_tested(line)
        }
        columns = tuple(column["column"] for column in described["columns"])
        return cls(class_text(described["reference"]), described["base_levels"], columns, values) if values else None

    @property
    def classes(self) -> set[str]:
        """Those that have an estimate against another."""
        return {label for one, other, _ in self.values for label in (one, other)}

    def of_pair(self, label: str, other: str, feature: str) -> tuple[float, float] | None:
        """The estimate against ``other``, with its sign turned where the table has it the other way round."""
        if (turned := self.values.get((other, label, feature))) is not None:
            return -turned[0], turned[1]
        return self.values.get((label, other, feature))

    def column_of(self, feature: str) -> str | None:
        """The number that a feature is, or the category that it is a level of; None of a part of a date, say."""
        # Of the columns a and a=b, the feature a=b=c is the latter's; a number may be called a=b itself.
        ahead = [column for column in self.columns if feature == column or feature.startswith(f"{column}=")]
        return max(ahead, key=len, default=None)


def _is_tested(line: dict[str, Any]) -> bool:
    numbers = (line["estimate"], line["standard_error"], line["z"])
    return all(number is not None and math.isfinite(number) for number in numbers) and line["standard_error"] > 0


def moved(a: Estimates, b: Estimates) -> dict[str, Any]:
    """How many coefficients were compared, those that moved, the surest first, and how many more did.

    They are those of both sides against the reference class of ``a``, without levels of categories whose base level is
    another (``other_bases``). p is of a normal z, the difference over sqrt(se_a^2 + se_b^2), as if the two fits were
    independent. Empty if nothing can be compared.
    """
    if a.classes != b.classes:
        return {}
    shared = {*a.columns} & {*b.columns}
    other_bases = sorted(column for column in shared if a.bases.get(column) != b.bases.get(column))
    lines = []
    for (label, other, feature), estimate in a.values.items():
        again = b.of_pair(label, other, feature)
        if other == a.reference and again is not None and a.column_of(feature) not in other_bases:
            lines.append(_line(label, feature, estimate, again))
    if not lines:
        return {}
    for line, p_holm in zip(lines, holm_adjusted(np.array([line["p"] for line in lines])), strict=True):
        line["p_holm"] = float(p_holm)
    sure = sorted((line for line in lines if line["p_holm"] < _LEVEL), key=lambda line: -abs(line["z"]))
    return {
        "reference": a.reference,
        "compared": len(lines),
        "other_bases": other_bases,
        "moved": sure[:_MOST_LINES],
        "more": max(0, len(sure) - _MOST_LINES),
    }


def _line(label: str, feature: str, a: tuple[float, float], b: tuple[float, float]) -> dict[str, Any]:
    error = math.hypot(a[1], b[1])
    z = (b[0] - a[0]) / error
    return {
        "feature": feature,
        "class": label,
        "a": a[0],
        "b": b[0],
        "difference": b[0] - a[0],
        "standard_error": error,
        "z": z,
        # Of the C library: torch, which infer's own needs, takes longer to import than all else here.
        "p": math.erfc(abs(z) / math.sqrt(2)),
    }
