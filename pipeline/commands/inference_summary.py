"""`summary --inference`: the table of coefficients as statistics packages print it, and tests of the columns."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from rich.table import Table

from pipeline import screen
from pipeline.commands import class_tables
from pipeline.dataset.columns import class_text
from pipeline.documents import json_documents
from pipeline.output_files import COEFFICIENTS_FILE, INFERENCE_FILE
from pipeline.results.inference import parse_coefficients, parse_inference

_MISSING = "run `dvc repro` first"
_DIGITS, _SMALL = 4, 0.01


def main(*, reports: Path) -> None:
    """Print to standard output. Raises: UserError if a file is missing or not what infer writes."""
    path = reports / INFERENCE_FILE
    document = parse_inference(json_documents.read_bytes(path, _MISSING), path)
    if document["refused"] is not None:
        screen.say(f"No table of coefficients: {document['refused']}")
        return
    table = reports / COEFFICIENTS_FILE
    lines = parse_coefficients(json_documents.read_bytes(table, _MISSING), table)
    console = class_tables.console()
    screen.say(document["title"])
    console.print(_facts(document))
    reference = class_text(document["reference"])
    against = [line for line in lines if line["reference"] == reference]
    for label, of_class in groupby(against, key=itemgetter("class")):
        screen.say(f"Class {class_tables.name(label)} against {class_tables.name(reference)}")
        console.print(_coefficients(list(of_class), document["confidence"]))
    screen.say("Columns over all classes")
    console.print(_columns(document["columns"]))
    for sentence in document["sentences"]:
        screen.say(sentence)
    if len(against) < len(lines):
        screen.say(f"{table} has the other pairs of classes, relative risk ratios and adjusted p-values")


def _facts(document: dict[str, Any]) -> Table:
    fit = document["fit"]
    facts = [
        ("rows", f"{document['rows']:,}", "log-likelihood", _number(fit["log_likelihood"])),
        ("coefficients", f"{document['coefficients']:,}", "of the class shares", _number(fit["null_log_likelihood"])),
        ("weight", f"{document['weight']:,.10g}", "likelihood ratio p", _p(fit["p"])),
        ("AIC", _number(fit["aic"]), "McFadden's R squared", _number(fit["mcfadden"])),
        ("BIC", _number(fit["bic"]), "degrees of freedom", str(fit["degrees_of_freedom"])),
    ]
    table = Table(box=None, show_header=False, pad_edge=False)
    for _ in range(2):
        table.add_column(justify="left")
        table.add_column(justify="right")
    for fact in facts:
        table.add_row(*fact)
    return table


def _coefficients(lines: Sequence[dict[str, Any]], confidence: float) -> Table:
    tail = (1 - confidence) / 2
    bounds = f"[{tail:.3g}", f"{1 - tail:.3g}]"
    table = class_tables.plain_table(["", "coef", "std err", "z", "P>|z|", *bounds, "ratio"])
    for line in lines:
        table.add_row(
            class_tables.name(line["feature"]),
            _number(line["estimate"]),
            _number(line["standard_error"]),
            "" if line["z"] is None else class_tables.number(line["z"], 3),
            _p(line["p"]),
            _number(line["low"]),
            _number(line["high"]),
            _number(line["relative_risk_ratio"]),
        )
    return table


def _columns(columns: Sequence[dict[str, Any]]) -> Table:
    table = class_tables.plain_table(["column", "df", "likelihood ratio", "p", "Wald", "p"])
    for column in columns:
        table.add_row(class_tables.name(column["column"]), str(column["degrees_of_freedom"]), *_tests(column))
    return table


def _tests(column: dict[str, Any]) -> Iterator[str]:
    for name in ("likelihood_ratio", "wald"):
        yield "" if column[name] is None else class_tables.number(column[name], 3)
        yield _p(column[f"{name}_p"])


def _number(value: float | None) -> str:
    """Four digits after the point; a small number has three that tell something instead."""
    if value is None:
        return ""
    return f"{value:.3g}" if 0 < abs(value) < _SMALL else class_tables.number(value, _DIGITS)


def _p(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
