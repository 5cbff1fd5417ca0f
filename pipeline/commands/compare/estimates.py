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
    """Estimate and standard error by class and feature, against one class, each category against its base level."""

    reference: str
    classes: frozenset[str]
    bases: dict[str, str]
    values: dict[tuple[str, str], tuple[float, float]]

    @classmethod
    def of(cls, document: bytes, table: bytes, place: str) -> "Estimates | None":
        """Read inference.json and coefficients.csv; None where inference was refused, or has no tests.

        ``place`` is what errors call their folder. Raises: UserError if they are not what infer writes.
        """
        described = parse_inference(document, f"{place}: {INFERENCE_FILE}")
        lines = parse_coefficients(table, f"{place}: {COEFFICIENTS_FILE}")
        if described["refused"] is not None:
            return None
        reference = class_text(described["reference"])
        # Of a fit with a penalty, whose coefficients are shrunk, there is no z.
        values = {
            (line["class"], line["feature"]): (line["estimate"], line["standard_error"])
            for line in lines
            if line["reference"] == reference and line["feature"] != INTERCEPT and _is_tested(line)
        }
        classes = frozenset({reference, *(label for label, _ in values)})
        return cls(reference, classes, described["base_levels"], values) if values else None


def _is_tested(line: dict[str, Any]) -> bool:
    numbers = (line["estimate"], line["standard_error"], line["z"])
    return all(number is not None and math.isfinite(number) for number in numbers) and line["standard_error"] > 0


def moved(a: Estimates, b: Estimates) -> dict[str, Any]:
    """How many coefficients were compared, those that moved, the surest first, and how many more did.

    They are those of both sides, without levels that are compared with another base level. p is of a normal z, the
    difference over sqrt(se_a^2 + se_b^2), as if the two fits were independent. Empty if nothing can be compared.
    """
    if (a.reference, a.classes) != (b.reference, b.classes):
        return {}
    columns = {*a.bases, *b.bases}
    other_bases = tuple(f"{column}=" for column in columns if a.bases.get(column) != b.bases.get(column))
    both = [name for name in a.values if name in b.values and not name[1].startswith(other_bases)]
    if not both:
        return {}
    lines = [_line(name, a.values[name], b.values[name]) for name in both]
    for line, p_holm in zip(lines, holm_adjusted(np.array([line["p"] for line in lines])), strict=True):
        line["p_holm"] = float(p_holm)
    sure = sorted((line for line in lines if line["p_holm"] < _LEVEL), key=lambda line: -abs(line["z"]))
    return {"compared": len(lines), "moved": sure[:_MOST_LINES], "more": max(0, len(sure) - _MOST_LINES)}


def _line(name: tuple[str, str], a: tuple[float, float], b: tuple[float, float]) -> dict[str, Any]:
    error = math.hypot(a[1], b[1])
    z = (b[0] - a[0]) / error
    return {
        "feature": name[1],
        "class": name[0],
        "a": a[0],
        "b": b[0],
        "difference": b[0] - a[0],
        "standard_error": error,
        "z": z,
        # Of the C library: torch, which infer's own needs, takes longer to import than all else here.
        "p": math.erfc(abs(z) / math.sqrt(2)),
    }
