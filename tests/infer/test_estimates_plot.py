"""The table that DVC draws estimates of, and the drawing of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dvc_render.vega import VegaRenderer

from tests.infer.problems import Inferred, drawn, infer
from tests.project import SOURCE

pytestmark = pytest.mark.slow

COLUMNS = ["feature", "class", "reference", "estimate", "low", "high"]


def lines_of(inferred: Inferred) -> list[dict[str, str]]:
    """The lines of the table, whose header is always the same."""
    text = (inferred.folder / "estimates.csv").read_text(encoding="utf-8")
    assert text.splitlines()[0] == ",".join(COLUMNS)
    return inferred.lines("estimates.csv")


def test_it_has_the_estimates_per_deviation(tmp_path: Path) -> None:
    """Of each class against the reference, without the intercept, with the ends of the interval; largest |z| first."""
    inferred = infer(tmp_path, drawn(30, 400), reference="k1", confidence=0.9)
    table = {
        (line["feature"], line["class"]): line
        for line in inferred.lines("coefficients.csv")
        if line["reference"] == "k1" and line["feature"] != "(intercept)"
    }
    lines = lines_of(inferred)
    assert {(line["feature"], line["class"]) for line in lines} == table.keys()
    for line in lines:
        whole = table[line["feature"], line["class"]]
        estimate, error = (float(whole[f"{name}_per_deviation"]) for name in ("estimate", "standard_error"))
        ends = [estimate, estimate - 1.6448536269514722 * error, estimate + 1.6448536269514722 * error]
        np.testing.assert_allclose([float(line[name]) for name in ("estimate", "low", "high")], ends, rtol=1e-12)
        assert line["reference"] == "k1"
    largest = [
        max(abs(float(table[feature, label]["z"])) for label in ("k0", "k2"))
        for feature in dict.fromkeys(line["feature"] for line in lines)
    ]
    assert largest == sorted(largest, reverse=True)


def test_it_stays_small(tmp_path: Path) -> None:
    """12 classes and 20 features at most, the features of largest |z|."""
    inferred = infer(tmp_path, drawn(31, 3000, classes=14, levels=(), numbers=22), passes=0, reference="k0")
    lines = lines_of(inferred)
    assert len(lines) == 12 * 20
    drawn_features = {line["feature"] for line in lines}
    classes = {f"k{label}" for label in range(1, 13)}
    assert {line["class"] for line in lines} == classes
    largest: dict[str, float] = {}
    for line in inferred.lines("coefficients.csv"):
        if line["reference"] == "k0" and line["class"] in classes and line["feature"] != "(intercept)":
            largest[line["feature"]] = max(largest.get(line["feature"], 0.0), abs(float(line["z"])))
    assert drawn_features == set(sorted(largest, key=largest.__getitem__)[2:])


@pytest.mark.parametrize("params", [{"enabled": False}, {"columns": []}])
def test_without_estimates_one_line_says_so(tmp_path: Path, params: dict[str, Any]) -> None:
    """DVC's page has nothing of a table without lines, and breaks on it."""
    expected = dict.fromkeys(COLUMNS, "") | {"class": "no table of coefficients"}
    assert lines_of(infer(tmp_path, drawn(32, 100), **params)) == [expected]


def drawing(points: list[dict[str, str]]) -> str:
    """The SVG of points as DVC reads them, with DVC's own renderer and our template."""
    vl_convert = pytest.importorskip("vl_convert", reason="needs vl-convert-python, which brings Vega")
    marks = {"x": "estimate", "y": "feature", "title": "Estimates", "template": "estimates"}
    rendered = VegaRenderer(points, "estimates.csv", template_dir=str(SOURCE / ".dvc" / "plots"), **marks)
    svg: str = vl_convert.vegalite_to_svg(json.loads(rendered.partial_html()), vl_version="5.21")
    return svg


def marks_of(svg: str, kind: str) -> int:
    """How many marks of a kind are drawn, without those of axes and legends."""
    return svg.count(f'aria-roledescription="{kind}"')


def test_the_template_draws_points_and_intervals(tmp_path: Path) -> None:
    """Of two revisions, one of each for every line, in a chart for each class; the zero has a line in each chart."""
    lines = lines_of(infer(tmp_path, drawn(33, 300), reference="k0"))
    svg = drawing([line | {"rev": rev} for rev in ("HEAD", "workspace") for line in lines])
    assert marks_of(svg, "point") == 2 * len(lines)
    assert marks_of(svg, "rule mark") == 2 * len(lines) + 2
    assert marks_of(svg, "text mark") == 0
    assert "k1 against k0" in svg
    assert "k2 against k0" in svg


def test_the_template_names_revisions_without_estimates(tmp_path: Path) -> None:
    """They have a chart with their name and no point, beside the charts of those that have estimates."""
    there = lines_of(infer(tmp_path / "there", drawn(34, 300), reference="k0"))
    refused = lines_of(infer(tmp_path / "refused", drawn(34, 300), enabled=False))
    svg = drawing([line | {"rev": "here"} for line in there] + [line | {"rev": "nothing"} for line in refused])
    assert marks_of(svg, "point") == len(there)
    assert marks_of(svg, "text mark") == 1
    assert "no table of coefficients" in svg
    assert marks_of(drawing([line | {"rev": "nothing"} for line in refused]), "point") == 0
