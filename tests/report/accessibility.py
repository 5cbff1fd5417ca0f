"""What axe-core says of a page that a browser shows, in each of its looks."""

import importlib.util
from pathlib import Path
from typing import Any

from selenium import webdriver

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
SCHEMES = {"light": ("screen", "light"), "dark": ("screen", "dark"), "print": ("print", "light")}

_PACKAGE = importlib.util.find_spec("axe_core_python")
IS_THERE = _PACKAGE is not None


def emulate(browser: webdriver.Chrome, scheme: str) -> None:
    """Show pages on a light or dark screen, or as they are printed."""
    media, colours = SCHEMES[scheme]
    features = [{"name": "prefers-color-scheme", "value": colours}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def violations(browser: webdriver.Chrome) -> list[tuple[str, str, list[str]]]:
    """Rule, what it asks for, and up to three elements that break it, of the page that is shown."""
    assert _PACKAGE is not None
    assert _PACKAGE.origin is not None
    browser.execute_script((Path(_PACKAGE.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    result: dict[str, Any] = browser.execute_async_script(
        "const done = arguments[1]; axe.run(document, {runOnly: arguments[0], resultTypes: ['violations']}).then(done)",
        RULES,
    )
    return [(each["id"], each["help"], [node["html"] for node in each["nodes"]][:3]) for each in result["violations"]]
