"""The page: whatever a table holds, it is well-formed, bounded, without script, and the same bytes."""

import itertools
import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from pipeline import files
from pipeline import model as models
from pipeline.errors import UserError
from tests.report.runs import HOSTILE, page_of, write_run

_VOID = {"meta", "br", "link", "img"}
_DRAWN_EMPTY = {"polyline", "circle", "rect"}


class _Elements(HTMLParser):
    """Every element with its attributes, and the tags that are open: a page closes each that it opens."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Every attribute stands once."""
        assert len(dict(attrs)) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Only shapes are empty."""
        assert tag in _DRAWN_EMPTY
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """What is closed is what was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Text between tags, references resolved."""
        self.texts.append(data)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Pages of a plain run, of one whose every name is hostile, and of one that is large in every way."""
    folder = tmp_path_factory.mktemp("runs")
    levels = [f"level {place}" for place in range(3_000)]
    hostile = write_run(
        folder / "hostile",
        classes=HOSTILE,
        numbers=[f"{name}1" for name in HOSTILE],
        categories=[(f"{name}2", HOSTILE) for name in HOSTILE],
    )
    large = write_run(
        folder / "large",
        classes=[f"class {place} {'x' * 300}" for place in range(1_000)],
        numbers=[f"column {place} {'y' * 300}" for place in range(2_000)],
        categories=[("category", levels)],
    )
    plain = write_run(folder / "plain")
    return {name: page_of(run) for name, run in (("plain", plain), ("hostile", hostile), ("large", large))}


@pytest.fixture(params=["plain", "hostile", "large"])
def page(request: pytest.FixtureRequest, pages: dict[str, str]) -> str:
    """One of the pages."""
    return pages[request.param]


def test_every_tag_is_closed(page: str) -> None:
    """The page parses with balanced tags, in UTF-8."""
    assert _Elements(page).open == []
    assert page.encode().decode() == page


def test_nothing_runs_and_nothing_is_loaded(page: str) -> None:
    """There is no script, handler, image, form, frame or address but places in the page, and a strict policy."""
    elements = _Elements(page).elements
    assert not {"script", "img", "link", "iframe", "object", "embed", "form", "base", "use"} & {
        tag for tag, _ in elements
    }
    for _, attributes in elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "style", "xlink:href")]
        assert (attributes.get("href") or "#").startswith("#")
    policy = next(a["content"] for _, a in elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert not re.search(r"url\(|@import|@font-face|https?:", page)


def test_ids_are_unique_and_referred_to(page: str) -> None:
    """No id stands twice, and every link and label finds its id."""
    elements = _Elements(page).elements
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    referred = {(attributes.get("href") or "")[1:] for _, attributes in elements if "href" in attributes}
    for _, attributes in elements:
        referred |= {*(attributes.get("aria-labelledby") or "").split()}
    assert referred <= {*ids}


def test_headings_are_in_order(page: str) -> None:
    """One h1, then each heading at most one level below the one before."""
    levels = [int(tag[1]) for tag, _ in _Elements(page).elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_tables_have_captions_and_scopes(page: str) -> None:
    """Every table has a caption, and every header cell says what it heads."""
    elements = _Elements(page).elements
    tags = [tag for tag, _ in elements]
    assert tags.count("table") == tags.count("caption") > 5
    assert all(attributes.get("scope") for tag, attributes in elements if tag == "th")


def test_charts_are_named_and_described(page: str) -> None:
    """Every drawing is an image with a title and a description."""
    drawings = [attributes for tag, attributes in _Elements(page).elements if tag == "svg"]
    assert len(drawings) == 4
    assert all(attributes["role"] == "img" and attributes["aria-labelledby"] for attributes in drawings)
    assert page.count("<desc id=") == 4


def test_positions_are_to_a_hundredth(page: str) -> None:
    """Numbers of drawings have at most two digits after the point, and no exponent."""
    for value in re.findall(r' (?:x|y|cx|cy|width|height|points|viewBox)="([^"]*)"', page):
        assert re.fullmatch(r"(-?\d+(\.\d{1,2})?[ ,]?)+", value), value


def test_a_page_is_small(pages: dict[str, str]) -> None:
    """A million bytes at most, whatever the classes, columns, levels and names."""
    assert all(len(page.encode()) < 1_000_000 for page in pages.values())


def test_hostile_names_are_text(pages: dict[str, str]) -> None:
    """Markup in a name is text, and no character that is not seen or turns the direction is left in the page."""
    page = pages["hostile"]
    text = "".join(_Elements(page).texts)
    assert "</script><script>alert(1)</script>" in text
    assert "{{ 7*7 }}" in text
    assert "\\u202e" in text
    assert "\\x00" in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", page)
    assert "long" * 100 not in page
    assert "&lt;/script&gt;" in page


def test_equal_files_give_equal_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second page, one from another folder, and one under a relative name are the same bytes."""
    run = write_run(tmp_path / "one")
    first = page_of(run)
    assert page_of(run) == first
    shutil.copytree(run, tmp_path / "elsewhere" / "two")
    assert page_of(tmp_path / "elsewhere" / "two") == first
    monkeypatch.chdir(run)
    assert page_of(Path()) == first
    assert str(tmp_path) not in first


def _files(folder: Path) -> Iterator[Path]:
    optional = ("models/decision.json", "models/history.csv", "models/snapshots.safetensors")
    yield from (folder / name for name in optional)
    yield from sorted(path for path in (folder / "reports").rglob("*") if path.is_file() and path.suffix != ".html")


@pytest.mark.parametrize("name", [
    "decision.json", "history.csv", "snapshots.safetensors", "coefficients.csv", "effects.csv", "inference.json",
    "metrics.json", "slices.json", "calibration.csv", "confusion_matrix.csv",
])  # fmt: skip
def test_a_file_that_is_lacking_is_a_sentence(tmp_path: Path, name: str) -> None:
    """Without one of the files the page stands, with the sections that it had."""
    run = write_run(tmp_path)
    next(path for path in _files(run) if path.name == name).unlink()
    page = page_of(run)
    assert page.count("<h2") == 11
    assert _Elements(page).open == []


@pytest.mark.parametrize("name", [
    "decision.json", "history.csv", "coefficients.csv", "effects.csv", "inference.json", "metrics.json",
    "slices.json", "calibration.csv", "confusion_matrix.csv",
])  # fmt: skip
@pytest.mark.parametrize("damage", ["cut", "forged"])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, name: str, damage: str) -> None:
    """The stage fails with a sentence that names the file."""
    run = write_run(tmp_path)
    path = next(path for path in _files(run) if path.name == name)
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2] + b'"')
    else:
        path.write_bytes(content.replace(b"0.", b'"x"') if path.suffix == ".json" else content.replace(b"1", b"x"))
    with pytest.raises(UserError, match=re.escape(name)) as raised:
        page_of(run)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("huge", ["1.7976931348623157e308", "-1e308"])
def test_coefficients_that_no_chart_can_hold_are_left_out(tmp_path: Path, huge: str) -> None:
    """They are finite, and their differences are not."""
    run = write_run(tmp_path)
    path = run / "reports" / "coefficients.csv"
    header, first, *lines = path.read_text(encoding="utf-8").splitlines()
    cells = first.split(",")
    cells[3] = cells[7] = cells[8] = huge
    path.write_text("\n".join([header, ",".join(cells), *lines]) + "\n", encoding="utf-8")
    page = page_of(run)
    assert _Elements(page).open == []
    assert "Estimates with their 95 % intervals" in page
    assert "e+308" not in page


def test_weights_that_no_chart_can_hold_are_a_sentence(tmp_path: Path) -> None:
    """A training that diverged, or a forger, may leave any finite number."""
    run = write_run(tmp_path, numbers=("x",), categories=())
    (run / "reports" / "inference.json").unlink()
    trained = models.load(run / "models")
    weights = np.array([[1.5e308], [0.0], [-1.5e308]])
    models.save(run / "models", replace(trained, weights=weights))
    (run / "models" / "decision.json").unlink()
    assert "The weights of the model are too large to be drawn." in page_of(run)


@pytest.mark.parametrize("params", [{"l2": 10**400}, {"l2": 0.5, "l1": "x"}, {"l2": "x", "l1": 10**400}])
def test_a_penalty_that_is_no_number_is_left_out(tmp_path: Path, params: dict[str, object]) -> None:
    """The params in softmax.json may be of any version, or of a forger."""
    run = write_run(tmp_path)
    models.save(run / "models", replace(models.load(run / "models"), params=params))
    for name in ("models/decision.json", "reports/inference.json"):
        (run / name).unlink()
    page = page_of(run)
    assert ("<dt>Penalty</dt><dd>l2 0.5</dd>" in page) == (params["l2"] == 0.5)
    assert ("<dt>Penalty" in page) == (params["l2"] == 0.5)


@pytest.mark.skipif(sys.platform == "win32", reason="a link takes a privilege there")
def test_a_link_that_leads_nowhere_is_a_lost_file(tmp_path: Path) -> None:
    """The page would say that the run has no slices."""
    run = write_run(tmp_path)
    (run / "reports" / "slices.json").unlink()
    (run / "reports" / "slices.json").symlink_to(tmp_path / "gone")
    with pytest.raises(UserError, match=r"slices\.json: no such file; run `dvc repro`"):
        page_of(run)


def test_metrics_without_an_interval_name_their_class(tmp_path: Path) -> None:
    """Once a reason, of which there are few, apart from metrics without a value."""
    run = write_run(tmp_path)
    path = run / "reports" / "metrics.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    alike = {"split": "test", "of": "interval", "metric": "recall", "reason": "every replicate has the same value"}
    document["undefined"] = [*(alike | {"class": label} for label in ("a", "<b>")), *document["undefined"]]
    path.write_text(json.dumps(document), encoding="utf-8")
    texts = " ".join("".join(_Elements(page_of(run)).texts).split())
    assert "Not defined: test, ROC AUC, one against the rest: one class only." in texts
    assert "every replicate has the same value: recall of class a (test), recall of class <b> (test)." in texts


def test_two_classes_have_their_cost_curve(tmp_path: Path) -> None:
    """A line a rule, and numbers beside it; more classes have none, and a table of other numbers is refused."""
    rules = {"by costs": 0.5, "without a model": 1.0}
    lines = [(x / 10, factor * min(x, 10 - x) / 10, rule) for rule, factor in rules.items() for x in range(11)]
    header = ("probability_cost", "normalised_expected_cost", "rule")
    for classes in (("p", "q"), ("p", "q", "r")):
        run = write_run(tmp_path / str(len(classes)), classes=classes)
        path = run / "reports" / "plots" / "cost_curve.csv"
        files.write_text(path, files.csv_text([header, *lines]))
        texts = " ".join(" ".join(_Elements(page_of(run)).texts).split())
        assert ("by costs 0.050 0.150 0.250 0.150 0.050" in texts) == (len(classes) == 2)
    files.write_text(path, files.csv_text([header, (0.5, 1.5, "by costs")]))
    page_of(run)  # of three classes it is not read
    two = tmp_path / "2" / run.relative_to(tmp_path / "3")
    shutil.copyfile(path, two / "reports" / "plots" / "cost_curve.csv")
    with pytest.raises(UserError, match=r"cost_curve\.csv: expected shares from 0 to 1"):
        page_of(two)


def test_a_model_of_other_data_is_refused(tmp_path: Path) -> None:
    """Files of two runs make no page."""
    run, other = write_run(tmp_path / "a"), write_run(tmp_path / "b", classes=("p", "q"))
    shutil.copytree(other / "prepared", run / "prepared", dirs_exist_ok=True)
    with pytest.raises(UserError, match="other data"):
        page_of(run)
