"""Runs made by hand: the files of all stages for any numbers of classes, columns and rows, with any names."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from pipeline import files
from pipeline import model as models
from pipeline.dataset.encoder import CategoryColumn, Encoder, NumberColumn
from pipeline.dataset.shard import FORMAT
from pipeline.report import stage

PARAMS: dict[str, Any] = {"prepare": {"source": "data/raw/mine.csv", "split": {"method": "seed"}}, "train": {"l2": 0.1}}

# What a table may hold: markup, quotes, what turns the direction of text, what no screen shows, much of anything.
HOSTILE = (
    "</script><script>alert(1)</script>",
    "</title></style><img src=x onerror=alert(1)>",
    "\"'`{{ 7*7 }}{% raw %}&amp;&#x41;",
    "abc\u202egpj.exe\u2066\u2069",
    "nul\x00 bell\x07 escape\x1b[31m line\nfeed\ttab\u2028",
    "long" * 2500,
    "👩‍👩‍👧‍👦🏳️‍🌈",
    "שלום עולם مرحبا",
    "javascript:alert(1)",
    "]]><!-- -->",
)
RESULT: dict[str, Any] = {
    "status": "converged", "meaning": "the optimum, proven", "method": "newton", "reason": "", "epochs": 3, "passes": 9,
    "cost": 0.5, "objective": 0.6, "gradient_norm": 1e-9, "bound": 1e-12, "relative_bound": 1e-11,
    "probability_bound": 1e-6, "findings": ["x1 is constant"],
}  # fmt: skip


def write_run(
    folder: Path,
    *,
    classes: Sequence[str] = ("a", "b", "c"),
    numbers: Sequence[str] = ("x1", "x2"),
    categories: Sequence[tuple[str, Sequence[str]]] = (("colour", ("blue", "red")),),
    result: dict[str, Any] = RESULT,
    rows: tuple[int, int] = (80, 20),
) -> Path:
    """Fill ``folder`` with prepared/, models/ and reports/; everything new and optional is there."""
    encoder = Encoder(
        tuple(NumberColumn(name, "number", 1.0, 0.0, 1.0, False) for name in numbers),
        tuple(CategoryColumn(name, (*levels, "<unseen>")) for name, levels in categories),
        "target",
        tuple(classes),
        ("",),
    )
    digest = _write_prepared(folder / "prepared", encoder, classes, rows)
    d, k = len(encoder.features), len(classes)
    weights = (np.arange(k * d, dtype=np.float64).reshape(k, d) % 7 - 3) / 4
    model = models.Model(weights, np.zeros(k), encoder, {"solver": "auto", "l2": 0.1}, digest, result)
    models.save(folder / "models", model)
    _write_training(folder / "models", k, d)
    _write_reports(folder / "reports", model)
    return folder


def _write_prepared(folder: Path, encoder: Encoder, classes: Sequence[str], rows: tuple[int, int]) -> str:
    moments = {"minimum": 0.0, "maximum": 2.0, "mean": 1.0, "standard_deviation": 0.5, "whole_numbers": False}
    columns: list[dict[str, Any]] = [
        {"name": number.name, "role": "feature", "kind": "number", "count": 90, "missing": 10} | moments
        for number in encoder.numbers
    ]
    described = [*((column.name, "feature", column.levels[:-1]) for column in encoder.categories)]
    for name, role, levels in [*described, (encoder.target, "target", tuple(classes))]:
        of_levels = [{"level": level, "rows": 1 + place % 5} for place, level in enumerate(levels)]
        columns.append({"name": name, "role": role, "kind": "text", "count": 100, "missing": 0, "levels": of_levels})
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / "schema.json", {"rows": 100, "columns": columns, "ignored": []})
    schema = hashlib.sha256((folder / "schema.json").read_bytes()).hexdigest()
    splits = {split: {"rows": count, "shards": []} for split, count in zip(("train", "test"), rows, strict=True)}
    content = {"format": FORMAT, "block_rows": 16384, "schema": schema, "encoder": "0" * 64, "splits": splits}
    files.write_json(folder / "prepared.json", sealed(content))
    return str(sealed(content)["digest"])


def sealed(content: dict[str, Any]) -> dict[str, Any]:
    """A document with the digest of its content."""
    return content | {"digest": files.sha256_text(files.canonical_json(content))}


def _write_training(folder: Path, k: int, d: int) -> None:
    lines = [("epoch", "cost", "validation_cost"), *((epoch, 1 / (epoch + 1), 1.0) for epoch in range(2_000))]
    files.write_text(folder / "history.csv", files.csv_text(lines))
    if k * d < 1_000:
        tensors = {"epoch": np.array([-1, 0]), "W": np.zeros((2, k, d)), "b": np.zeros((2, k))}
        files.write_bytes(folder / "snapshots.safetensors", safetensors.numpy.save(tensors))


def _write_reports(folder: Path, model: models.Model) -> None:
    classes = [str(label) for label in model.classes]
    files.write_json(folder / "metrics.json", _metrics(classes))
    matrix = [(a, b, 1 + (i == j) * 9, 0.1, "test") for i, a in enumerate(classes) for j, b in enumerate(classes)
              if abs(i - j) < 3]  # fmt: skip
    plots = folder / "plots"
    files.write_text(
        plots / "confusion_matrix.csv", files.csv_text([("actual", "predicted", "rows", "share", "split"), *matrix])
    )
    bins = [(0.05 + place / 10, 0.1 + place / 12, 0.0 + place / 20, 1.0, 10, "test") for place in range(10)]
    files.write_text(
        plots / "calibration.csv", files.csv_text([("predicted", "observed", "low", "high", "rows", "split"), *bins])
    )
    _write_inference(folder, model, classes)
    files.write_json(folder / "slices.json", _slices(model, classes))
    decision = {
        "format": "softmax-decision/1", "model": model.key,
        "calibration": {
            "method": "temperature", "applied": True, "reason": "it lowers the log loss", "numbers": [1.1],
            "bound": 1e-9, "judged": {"split": "validation", "before": 0.5, "after": 0.4, "difference": -0.1,
                                      "low": -0.2, "high": -0.01, "rows": 20},
        },
        "sets": {"method": "adaptive", "coverage": 0.9, "by_class": True, "quantiles": [0.9], "rows": 20, "reason": ""},
        "costs": {"classes": classes, "matrix": [[float(a != b) for a in classes] for b in classes], "abstain": 0.3}
        if len(classes) <= 20 else None,
    }  # fmt: skip
    files.write_json(folder.parent / "models" / "decision.json", sealed(decision))


def _metrics(classes: Sequence[str]) -> dict[str, Any]:
    numbers = {"rows": 20, "log_loss": 0.5, "accuracy": 0.9, "brier": 0.1, "expected_calibration_error": 0.08}
    sets = {
        "split": "test", "coverage": 0.9, "rows": 20, "covered": 0.9, "low": 0.7, "high": 0.98, "expected_low": 0.8,
        "expected_high": 1.0, "mean_size": 1.4, "sizes": [{"size": 1, "rows": 12}, {"size": 2, "rows": 8}],
        "per_class": [{"class": label, "rows": 5, "covered": 0.8, "mean_size": 1.2} for label in classes],
    }  # fmt: skip
    decision = {
        "split": "test", "policy": "least expected cost", "expected_cost": 0.2, "realised_cost": 0.25,
        "difference": 0.05, "low": -0.01, "high": 0.1, "no_decision": 0.1,
    }  # fmt: skip
    return {
        "solver": {"status": "converged"}, "train": numbers | {"rows": 80}, "test": numbers,
        "baseline": [{"split": split, "log_loss": 1.1, "accuracy": 0.4} for split in ("train", "test")],
        "per_class": [
            {"split": split, "class": label, "precision": 0.9, "recall": 0.8, "f1": 0.85, "support": 7}
            for split in ("train", "test") for label in classes
        ],
        "intervals": [
            {"split": "test", "metric": "accuracy", "low": 0.7, "high": 0.98},
            *({"split": "test", "class": label, "metric": "recall", "low": 0.5, "high": 0.9} for label in classes),
        ],
        "undefined": [{"split": "test", "of": "model", "metric": "roc_auc_ovr", "reason": "one class only"}],
        "prediction_sets": [sets], "decisions": [decision],
    }  # fmt: skip


def _write_inference(folder: Path, model: models.Model, classes: Sequence[str]) -> None:
    features = [name for name in model.features if not name.endswith("=<unseen>")][:2_000]
    fit = dict.fromkeys(("log_likelihood", "null_log_likelihood", "aic", "bic"), 1.0)
    fit |= {"degrees_of_freedom": 1, "p": 0.01, "mcfadden": 0.5, "distance_bound": 1e-9}
    document = {
        "title": "Softmax regression", "model_key": model.key, "reference": classes[0], "rows": 80, "weight": 80.0,
        "coefficients": 10, "confidence": 0.95, "covariance": {"kind": "model", "factor": 1.0}, "fit": fit,
        "columns": [], "sentences": ["errors: model"],
    }  # fmt: skip
    files.write_json(folder / "inference.json", document)
    header = ("class", "reference", "feature", "estimate", "standard_error", "z", "p", "low", "high",
              "relative_risk_ratio", "estimate_per_deviation", "standard_error_per_deviation")  # fmt: skip
    lines = [
        (label, classes[0], feature, place % 5 - 2.0, 0.5, 1.0, 0.02, place % 5 - 3.0, place % 5 - 1.0, "inf",
         (place % 5 - 2.0) / 2, 0.25)
        for label in classes[1:21] for place, feature in enumerate(features)
    ]  # fmt: skip
    files.write_text(folder / "coefficients.csv", files.csv_text([header, *lines]))
    effects = ("class", "column", "change", "by", "effect", "standard_error", "z", "p", "low", "high")
    rows = [(label, feature, "per unit", "", 0.1, 0.01, 1.0, 0.03, 0.08, 0.12)
            for label in classes[:20] for feature in features[:100]]  # fmt: skip
    files.write_text(folder / "effects.csv", files.csv_text([effects, *rows]))


def _slices(model: models.Model, classes: Sequence[str]) -> dict[str, Any]:
    names = [*model.encoder.types][:200]
    return {
        "slices": [
            {"split": "test", "column": name, "value": name, "rows": 9, "log_loss": 0.6, "log_loss_low": 0.4,
             "log_loss_high": 0.9, "accuracy": 0.8, "accuracy_low": 0.5, "accuracy_high": 0.95, "cost": 0.2,
             "expected_calibration_error": 0.1, "p_value": 0.01, "adjusted_p_value": 0.04, "per_class": []}
            for name in names
        ],
        "disparities": [
            {"split": "test", "column": name, "class": classes[0], "measure": "true_positive_rate", "ratio": 0.7,
             "low": 0.5, "high": 0.95, "lowest": name, "highest": name}
            for name in names
        ],
        "left_out": [{"column": name, "reason": "too many levels"} for name in names[:3]],
    }  # fmt: skip


def page_of(folder: Path) -> str:
    """The page that the stage writes for the folder."""
    stage.main(params=PARAMS, prepared=folder / "prepared", model=folder / "models", out=folder / "reports")
    return (folder / "reports" / "report.html").read_text(encoding="utf-8")
