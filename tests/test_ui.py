"""The MLflow UI on a real run, in headless Chromium.

`SCREENSHOTS=docs python -m pytest tests/test_ui.py` writes the pictures that README.md shows.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.project import Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("chromedriver"), reason="needs chromium and chromedriver"),
]

PATIENCE = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow UI on the store of a project after one `dvc repro`."""
    project = Project(tmp_path_factory.mktemp("ui") / "project")
    project.dvc("repro")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    store = f"sqlite:///{project.folder}/mlflow.db"
    command = [
        "mlflow",
        "ui",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
        "--backend-store-uri",
        store,
    ]
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name(command[0])), *command[1:]],
        cwd=project.folder,
        env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _wait_for(url: str) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError(f"{url} did not answer")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A headless Chromium that asks nothing of the network."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for word in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "window-size=1500,900",
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(f"--{word}")
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


def _open(browser: webdriver.Chrome, url: str, *texts: str) -> None:
    """Open a page and wait until it shows all the texts."""
    browser.get(url)

    def shown(driver: webdriver.Chrome) -> bool:
        page = driver.find_element(By.TAG_NAME, "body").text
        return all(text in page for text in texts)

    try:
        WebDriverWait(browser, PATIENCE).until(shown)
    except TimeoutException:
        page = browser.find_element(By.TAG_NAME, "body").text
        raise AssertionError(f"{url} does not show {texts}, but\n{page}") from None


def _keep(browser: webdriver.Chrome, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        time.sleep(2)  # charts are drawn after their texts
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))


def test_the_runs_table_tells_runs_apart(server: str, browser: webdriver.Chrome) -> None:
    """The table of runs shows the run by a name that says what it is, with its data set."""
    browser.get(server)
    # What a click on the cross of MLflow's assistant leaves behind; open, it hides a quarter of every page.
    browser.execute_script("localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false')")
    browser.execute_script("localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')")
    browser.refresh()
    _open(browser, f"{server}/#/experiments/1/runs?workflowType=machine_learning", "tutorial sgd lr=0.1", "Train")
    _keep(browser, "mlflow-runs")


def test_a_runs_page_tells_its_story(server: str, browser: webdriver.Chrome) -> None:
    """A run's page has description, metrics, data set, commit and tags."""
    browser.get(f"{server}/#/experiments/1/runs?workflowType=machine_learning")
    link = WebDriverWait(browser, PATIENCE).until(
        lambda driver: driver.find_element(By.PARTIAL_LINK_TEXT, "tutorial sgd").get_attribute("href")
    )
    link = f"{link}?workflowType=machine_learning"
    _open(browser, link, "train log loss 0.1622 nats", "train/cost", "weights/0/x1", "Train", "model.md5", "git.dirty")
    _keep(browser, "mlflow-run")


def test_the_charts_show_cost_and_weights(server: str, browser: webdriver.Chrome) -> None:
    """The chart view has the sections eval, train and weights, in that order, the cost among them."""
    browser.set_window_size(1500, 3000)  # sections out of sight are not drawn
    url = f"{server}/#/experiments/1/runs?workflowType=machine_learning&compareRunsMode=CHART"
    _open(browser, url, "eval\n(", "train\n(", "weights/0\n(", "train/cost")
    page = browser.find_element(By.TAG_NAME, "body").text
    assert page.index("eval\n(") < page.index("train\n(") < page.index("weights/0\n(")
    _keep(browser, "mlflow-charts")
