"""The page to try the model by hand, in a real browser without a network."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests import chromium
from tests.report import accessibility
from tests.serving import models
from tests.serving.server import Server

pytestmark = [chromium.needed, pytest.mark.slow]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One browser for all tests."""
    with chromium.started(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


def fill(browser: webdriver.Chrome, *cells: str) -> None:
    """Type the cells of a row and ask."""
    fields = browser.find_elements(By.CSS_SELECTOR, "[data-column]")
    for field, cell in zip(fields, cells, strict=True):
        if field.tag_name == "input":
            field.clear()
        field.send_keys(cell)
    browser.find_element(By.TAG_NAME, "button").click()


def test_a_row_is_predicted(server: Server, browser: webdriver.Chrome) -> None:
    """Class, probabilities, sets and what training did not see; nothing is asked of any other machine."""
    chromium.requested(browser)
    browser.get_log("browser")
    chromium.show(browser, server.url, "Predict animal", "-3 to 3")
    fill(browser, "4.5", "2", "1.000,5", "true", "2026-01-01", "Mars")
    text_of_all = (*models.CLASSES, "Decision:", 'did not see "Mars"', "beyond the range of the prepared table")
    chromium.wait_for(browser, *text_of_all)
    assert chromium.requested(browser) == {f"{server.url}/", f"{server.url}/invocations"}
    assert browser.get_log("browser") == []


def test_a_mistake_is_told(server: Server, browser: webdriver.Chrome) -> None:
    """In the server's words."""
    chromium.show(browser, server.url, "Predict animal")
    fill(browser, "abc", "2", "1.000,5", "true", "2026-01-01", "red")
    chromium.wait_for(browser, "row 1, column x 1: expected a number, got 'abc'")


@pytest.mark.skipif(not accessibility.IS_THERE, reason="needs axe-core-python")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_meets_wcag(server: Server, browser: webdriver.Chrome, scheme: str) -> None:
    """axe-core finds no violation of WCAG 2.1 A and AA, before and after an answer."""
    accessibility.emulate(browser, scheme)
    # Its script comes from outside the page, which the page's policy would not let in.
    browser.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
    chromium.show(browser, server.url, "Predict animal")
    assert accessibility.violations(browser) == []
    fill(browser, "1", "2", "1.000,5", "true", "2026-01-01", "red")
    chromium.wait_for(browser, "Decision:")
    assert accessibility.violations(browser) == []


def test_it_fits_a_narrow_screen(server: Server, browser: webdriver.Chrome, tmp_path: Path) -> None:
    """Nothing is wider than 320 pixels."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 320, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    )
    chromium.show(browser, server.url, "Predict animal")
    fill(browser, "1", "2", "1.000,5", "true", "2026-01-01", "red")
    chromium.wait_for(browser, "Decision:")
    browser.save_screenshot(str(tmp_path / "narrow.png"))
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 320
