"""A real browser for tests: Debian's headless Chromium, driven by selenium."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

needed = pytest.mark.skipif(not shutil.which("chromedriver"), reason="needs chromium and chromedriver")

PATIENCE = 60

_WORDS = (
    "headless",
    "no-sandbox",
    "disable-gpu",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
    "window-size=1500,900",
    # No name resolves but that of this machine: a page that needs the network shows it.
    "host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


@contextmanager
def started(profile: Path) -> Iterator[webdriver.Chrome]:
    """A browser with an empty profile in ``profile``, cut off from every machine but this one."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for word in (*_WORDS, f"user-data-dir={profile}"):
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def show(browser: webdriver.Chrome, url: str, *texts: str) -> None:
    """Open a page and wait until it shows all the texts."""
    browser.get(url)
    wait_for(browser, *texts)


def wait_for(browser: webdriver.Chrome, *texts: str) -> None:
    """Wait until the page shows all the texts."""
    try:
        WebDriverWait(browser, PATIENCE).until(lambda _: all(text in page_text(browser) for text in texts))
    except TimeoutException:
        raise AssertionError(f"{browser.current_url} does not show {texts}, but\n{page_text(browser)}") from None


def page_text(browser: webdriver.Chrome) -> str:
    """What a person could read on the page."""
    return browser.find_element(By.TAG_NAME, "body").text


def requested(browser: webdriver.Chrome) -> set[str]:
    """The addresses asked for since the last call, without what stands in the page or in the browser itself."""
    messages = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    sent = (message["params"] for message in messages if message["method"] == "Network.requestWillBeSent")
    urls = {event["request"]["url"] for event in sent}
    return {url for url in urls if not url.startswith(("data:", "blob:", "chrome:", "chrome-"))}
