"""DVC's page of plots, opened from the disk in headless Chromium that reaches no network.

`SCREENSHOTS=docs python -m pytest tests/test_plots_page.py` writes the picture that docs/experiments.md shows.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from dvc_render.html import render_html
from dvc_render.image import ImageRenderer
from dvc_render.vega import VegaRenderer
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from tests import chromium
from tests.project import SOURCE, UNTRACKED, Project

# Penguins are of three classes, so this one says that it is of two.
COSTS = "Cost of mistakes, two classes"
TITLES = (
    "Training cost",
    "Confusion matrix: rows, shaded by their share of the actual class",
    "ROC, each class against the rest",
    "Calibration of the predicted class",
    COSTS,
    "Largest coefficients of each class, by a unit of the encoded feature",
    "Estimates with their intervals",
)

PENGUINS = {
    "prepare.source": "data/raw/penguins.csv",
    "prepare.target": "species",
    "prepare.standardise": "true",
    "prepare.split.method": "seed",
    "infer.firth": "true",  # species are told apart without error
}

# Of each plot: how many drawn marks of each kind a drawing has, and how many of them are not empty.
DRAWINGS = """
const MARKS = "svg .mark-line path, svg .mark-rect path, svg .mark-symbol.role-mark path";
return [...document.querySelectorAll("main > div")].map(plot => ({
    text: plot.textContent,
    marks: plot.querySelectorAll(MARKS).length,
    drawn: [...plot.querySelectorAll(MARKS)]
        .filter(path => path.getBBox().width > 0 || path.getBBox().height > 0).length,
}))
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Chromium without a network."""
    with chromium.started(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of `dvc plots diff` on two experiments with the penguins."""
    project = Project(tmp_path_factory.mktemp("plots") / "project")
    settings = [word for key, value in PENGUINS.items() for word in ("-S", f"{key}={value}")]
    project.dvc("exp", "run", "-n", "brisk", *settings, **UNTRACKED)
    project.dvc("exp", "run", "-n", "slow", "-S", "train.lr=0.02", **UNTRACKED)
    project.dvc("plots", "diff", "brisk", "slow")
    return project.folder / "dvc_plots" / "index.html"


@pytest.mark.slow
@chromium.needed
def test_every_plot_is_drawn_without_a_network(page: Path, browser: webdriver.Chrome) -> None:
    """All plots are drawings of two experiments with marks in them, and nothing else is asked for."""
    chromium.requested(browser)
    browser.get(page.as_uri())
    WebDriverWait(browser, chromium.PATIENCE).until(
        lambda driver: all(plot["drawn"] for plot in driver.execute_script(DRAWINGS) if COSTS not in plot["text"])
    )
    plots = browser.execute_script(DRAWINGS)
    for title in TITLES:
        [plot] = [plot for plot in plots if title in plot["text"]]
        assert ("brisk" in plot["text"] and "slow" in plot["text"]) or "a curve takes rows of" in plot["text"]
    assert len(plots) == len(TITLES)
    assert chromium.requested(browser) == {page.as_uri()}
    if folder := os.environ.get("SCREENSHOTS"):
        browser.set_window_size(1400, 2700)
        browser.save_screenshot(str(Path(folder) / "dvc-plots.png"))


@pytest.mark.slow
@chromium.needed
def test_the_page_has_no_errors(page: Path, browser: webdriver.Chrome) -> None:
    """The browser's console is free of errors."""
    browser.get_log("browser")
    browser.get(page.as_uri())
    WebDriverWait(browser, chromium.PATIENCE).until(lambda driver: len(driver.execute_script(DRAWINGS)) == len(TITLES))
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.slow
def test_the_committed_page_is_what_its_script_writes() -> None:
    """The same release of Vega's bundler gives the committed bytes."""
    pytest.importorskip("vl_convert", reason="needs vl-convert-python, which brings Vega")
    from scripts import plots_page

    assert (SOURCE / ".dvc" / "plots.html").read_text(encoding="utf-8") == plots_page.page()


# Each ends a script, an attribute, a comment or a text, and would leave a mark in the window where it ran.
HOSTILE = (
    "</script><script>window.ran = 1</script>",
    "<img src=x onerror='window.ran = 1'>",
    "--></plaintext></noscript><svg onload=window.ran=1>",
    "; vegaEmbed('#x', window.ran = 1);\n            vegaEmbed('#x')",
    "' + (window.ran = 1) + '",
    "\u2028&lt;b&gt; {plot_divs} \\u003c/script>",
)


@pytest.mark.slow
@chromium.needed
def test_names_are_texts_whatever_they_hold(tmp_path: Path, browser: webdriver.Chrome) -> None:
    """DVC's own renderer, in our page: classes that are markup or code are drawn as they read, and nothing runs."""
    counts = {"rows": "1", "share": "0.5", "rev": HOSTILE[1]}
    points = [{"actual": a, "predicted": b, **counts} for a in HOSTILE for b in HOSTILE]
    marks = {"x": "predicted", "y": "actual", "title": HOSTILE[0], "template": "confusion_matrix"}
    marks["template_dir"] = str(SOURCE / ".dvc" / "plots")
    drawing = quote("<svg xmlns='http://www.w3.org/2000/svg'/>")
    image = {"src": f"data:image/svg+xml,{drawing}", "rev": HOSTILE[1]}
    renderers = [VegaRenderer(points, "confusion.csv", **marks), ImageRenderer([image], "weights.png")]
    page = render_html(renderers, tmp_path / "index.html", SOURCE / ".dvc" / "plots.html")
    browser.get_log("browser")
    browser.get(Path(page).as_uri())
    WebDriverWait(browser, chromium.PATIENCE).until(lambda driver: driver.execute_script(DRAWINGS)[0]["drawn"])
    plot, picture = browser.execute_script(DRAWINGS)
    assert HOSTILE[0] in plot["text"]
    assert HOSTILE[1] in picture["text"]
    assert browser.execute_script("return document.querySelectorAll('main img').length") == 1
    assert browser.execute_script("return window.ran") is None
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
