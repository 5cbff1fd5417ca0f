"""The page in a real browser: offline, without violations of its policy or of WCAG 2.1 AA, narrow, and on paper."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from selenium import webdriver

from tests import chromium
from tests.report import accessibility
from tests.report.runs import HOSTILE, RESULT, page_of, write_run

pytestmark = [chromium.needed, pytest.mark.slow]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One browser for all pages."""
    with chromium.started(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The addresses of pages: of a plain run, a small one, one with hostile names, and one of many classes."""
    folder = tmp_path_factory.mktemp("runs")
    hostile = {"classes": HOSTILE, "numbers": HOSTILE, "categories": [(f"{name}2", HOSTILE) for name in HOSTILE]}
    settings: dict[str, dict[str, Any]] = {
        "plain": {},
        "small": {"rows": (10, 2), "result": RESULT | {"method": "sgd"}},
        "hostile": hostile,
        "many": {"classes": [f"class {place}" for place in range(100)]},
    }
    addresses = {}
    for name, arguments in settings.items():
        run = write_run(folder / name, **arguments)
        page_of(run)
        addresses[name] = (run / "reports" / "report.html").as_uri()
    return addresses


@pytest.mark.parametrize("name", ["plain", "small", "hostile", "many"])
def test_it_shows_without_network_and_without_violations(
    browser: webdriver.Chrome, pages: dict[str, str], name: str
) -> None:
    """Nothing but the file is asked for, the browser complains of nothing, and no name has run."""
    browser.get_log("browser")
    chromium.requested(browser)
    chromium.show(browser, pages[name], "Verdict", "Provenance")
    assert chromium.requested(browser) == {pages[name]}
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.scripts.length + document.images.length") == 0


@pytest.mark.skipif(not accessibility.IS_THERE, reason="needs axe-core-python")
@pytest.mark.parametrize("scheme", accessibility.SCHEMES)
@pytest.mark.parametrize("name", ["plain", "small", "hostile", "many"])
def test_it_meets_wcag(browser: webdriver.Chrome, pages: dict[str, str], name: str, scheme: str) -> None:
    """axe-core finds no violation of WCAG 2.1 A and AA."""
    accessibility.emulate(browser, scheme)
    browser.get(pages[name])
    assert accessibility.violations(browser) == []


@pytest.mark.parametrize("name", ["plain", "small", "hostile", "many"])
def test_nothing_sticks_out_at_320_pixels(browser: webdriver.Chrome, pages: dict[str, str], name: str) -> None:
    """The page does not scroll sideways; wide tables and charts do so in their own place."""
    accessibility.emulate(browser, "light")
    metrics = {"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        browser.get(pages[name])
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 320
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("name", ["plain", "hostile", "many"])
def test_it_prints_on_a4(browser: webdriver.Chrome, pages: dict[str, str], name: str) -> None:
    """The sheet is the page's own choice, and nothing is wider than what it prints on."""
    browser.get(pages[name])
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    content = base64.b64decode(printed["data"])
    assert content.startswith(b"%PDF")
    assert b"/MediaBox [0 0 594.95996 841.91998]" in content
    accessibility.emulate(browser, "print")
    # What @page leaves of A4: 210 mm less two margins of 17 mm, in pixels.
    metrics = {"width": 665, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 665
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
