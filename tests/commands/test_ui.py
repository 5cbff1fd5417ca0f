"""The MLflow UI on real runs, in headless Chromium.

`SCREENSHOTS=docs python -m pytest tests/commands/test_ui.py` writes the pictures that docs show.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from mlflow import MlflowClient
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from pipeline.tracking.client.tags import COLOUR_TAG
from pipeline.tracking.runs.train_run import Mirrored
from pipeline.tracking.store.store import open_store
from tests import chromium, services
from tests.project import Project
from tests.tracking.outputs import Project as Outputs

pytestmark = [
    pytest.mark.slow,
    chromium.needed,
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning"),  # MLflow's own
]

MODE = "workflowType=machine_learning"
VIEW = "viewStateShareKey=softmax"
# Clicks the innermost element whose text is a file's name; tells whether there is one.
CLICK_FILE = """
const named = [...document.querySelectorAll("*")].filter(element => element.textContent.trim() === arguments[0]);
named.slice(-1).forEach(element => element.click());
return named.length > 0;
"""

# What each run changes in params.yaml, and its name.
RUNS = {
    "sgd lr=0.1 epochs=1001": {},
    "sgd lr=0.5 epochs=1001": {"lr: 0.1 ": "lr: 0.5 "},
    "newton l2=0.01": {"solver: sgd": "solver: newton", "lr: 0.1 ": "lr: null ", "l2: 0.0 ": "l2: 0.01 "},
}


@pytest.fixture(scope="module")
def project(repro: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with three runs: two learning rates, and the optimum with a penalty."""
    project = Project.after_repro(tmp_path_factory.mktemp("ui"), repro)
    params = project.read("params.yaml")
    for changes in RUNS.values():
        changed = params
        for before, after in changes.items():
            assert before in changed
            changed = changed.replace(before, after, 1)
        (project.folder / "params.yaml").write_text(changed, encoding="utf-8")
        project.pipeline("train", "--prepared", "data/prepared", "--out", "models")
        project.pipeline("decide", "--prepared", "data/prepared", "--model", "models", "--out", "models")
        project.pipeline("evaluate", "--prepared", "data/prepared", "--model", "models", "--out", "reports")
    return project


@pytest.fixture(scope="module")
def server(project: Project) -> Iterator[str]:
    """The link that `python -m pipeline ui` prints when its server answers."""
    command = [sys.executable, "-m", "pipeline", "ui", "--port", str(services.free_port())]
    with subprocess.Popen(command, cwd=project.folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield next(line.split()[0] for line in process.stdout if line.startswith("http"))
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.fixture(scope="module")
def root(server: str) -> str:
    """The address of the server alone."""
    return server.partition("/#/")[0]


@pytest.fixture(scope="module")
def browser(root: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Chromium at the UI, with MLflow's assistant closed: open, it hides a quarter of every page."""
    with chromium.started(tmp_path_factory.mktemp("chromium")) as driver:
        chromium.show(driver, root, "Model training")  # the page opens the assistant when it has loaded
        driver.execute_script("localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false')")
        driver.execute_script("localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')")
        driver.refresh()
        yield driver


def _keep(browser: webdriver.Chrome, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        time.sleep(2)  # charts are drawn after their texts
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))


def _search_charts(browser: webdriver.Chrome, expression: str) -> None:
    browser.find_element(By.CSS_SELECTOR, "input[placeholder='Search metric charts']").send_keys(expression)


def _runs(project: Project) -> list[str]:
    """The ids of the project's runs, newest first."""
    client = MlflowClient(f"sqlite:///{project.folder}/mlflow.db")
    return [run.info.run_id for run in client.search_runs(["1"], order_by=["attributes.start_time DESC"])]


def test_the_link_leads_to_the_table_of_runs(server: str, browser: webdriver.Chrome) -> None:
    """The printed link shows the runs by names that say what differs, with the columns that matter, in their order."""
    browser.set_window_size(1500, 640)
    columns = ["eval/log_loss", "eval/accuracy", "train/bound", "train/l2", "train.solver", "train.lr", "Dataset"]
    about = "the lower eval/log_loss, the better"
    chromium.show(browser, server, *RUNS, *columns, "What matters", about, "tutorial (", "Train")
    cells = browser.find_elements(By.CSS_SELECTOR, ".ag-header-cell[col-id]")
    header = [cell.text for cell in sorted(cells, key=lambda cell: cell.location["x"])]
    assert [name for name in header if name in columns] == columns
    _keep(browser, "mlflow-runs")


def test_the_server_listens_to_this_machine_only(server: str) -> None:
    """The address is of 127.0.0.1, and no other address of this machine answers."""
    port = int(
        re.fullmatch(rf"http://127\.0\.0\.1:(\d+)/#/experiments/1/runs\?{MODE}&viewStateShareKey=softmax", server)[1]
    )
    with socket.socket() as probe:
        probe.settimeout(2)
        assert probe.connect_ex(("127.0.0.2", port)) != 0


def test_a_port_that_is_taken_is_said(server: str, project: Project) -> None:
    """A second UI on the same port ends with one sentence."""
    port = server.split(":")[2].partition("/")[0]
    result = project.pipeline("ui", "--port", port, check=False)
    assert result.returncode == 1
    assert (
        result.stderr == f"--port {port}: expected a free port of 127.0.0.1: address already in use; choose another\n"
    )


def test_a_runs_page_tells_its_story(root: str, project: Project, browser: webdriver.Chrome) -> None:
    """A run's page has metrics, data set, commit and tags, and a description that nobody has to unfold."""
    browser.set_window_size(1500, 900)
    first = _runs(project)[-1]
    page = f"{root}/#/experiments/1/runs/{first}?{MODE}"
    texts = ("train log loss 0.1622 nats", "by epoch/cost", "weights/0/x1", "Train", "model.md5", "git.dirty")
    chromium.show(browser, page, *texts)
    assert "Show more" not in chromium.page_text(browser)
    _keep(browser, "mlflow-run")


def test_a_table_among_the_artifacts_is_shown_as_one(root: str, project: Project, browser: webdriver.Chrome) -> None:
    """The preview of coefficients.csv is a table with the features and the classes."""
    browser.set_window_size(1500, 900)
    first = _runs(project)[-1]
    page = f"{root}/#/experiments/1/runs/{first}/artifacts/coefficients.csv?{MODE}"
    chromium.show(browser, page, "coefficients.csv", "confusion_matrix.csv", "metrics.json", "feature", "x1", "bias")
    _keep(browser, "mlflow-artifacts")


def test_the_charts_show_cost_and_weights(root: str, browser: webdriver.Chrome) -> None:
    """The chart view has the sections eval, train and weights, in that order, the cost and its lines among them."""
    browser.set_window_size(1500, 3000)  # sections out of sight are not drawn
    page = f"{root}/#/experiments/1/runs?{MODE}&compareRunsMode=CHART"
    chromium.show(browser, page, "by epoch\n(", "eval\n(", "train\n(", "weights/0\n(", "by epoch/cost")
    text = chromium.page_text(browser)
    assert text.index("by epoch\n(") < text.index("eval\n(") < text.index("train\n(") < text.index("weights/0\n(")
    WebDriverWait(browser, chromium.PATIENCE).until(
        lambda driver: len(driver.find_elements(By.CSS_SELECTOR, ".js-plotly-plot .scatterlayer path.js-line")) >= 3
    )


def test_the_view_shows_cost_numbers_and_weights(server: str, browser: webdriver.Chrome) -> None:
    """Behind the printed link the charts are the cost, log loss and accuracy, then a picture of each run's weights."""
    browser.set_window_size(1500, 1330)
    names = ("Cost and error", "by epoch/cost", "eval/log_loss", "eval/accuracy", "Weights", "weights/final", *RUNS)
    chromium.show(browser, f"{server}&compareRunsMode=CHART", *names)
    WebDriverWait(browser, chromium.PATIENCE).until(
        lambda driver: (
            driver.execute_script("return [...document.images].filter(i => i.naturalWidth > 100).length") == len(RUNS)
        )
    )
    assert "train.epochs=" not in chromium.page_text(browser)  # above its picture a run has its name alone
    _keep(browser, "mlflow-charts")


def test_runs_have_colours_of_their_own(project: Project) -> None:
    """The three runs are drawn in three colours."""
    client = MlflowClient(f"sqlite:///{project.folder}/mlflow.db")
    assert len({client.get_run(run).data.tags[COLOUR_TAG] for run in _runs(project)}) == len(RUNS)


def test_the_compare_page_shows_what_differs(root: str, project: Project, browser: webdriver.Chrome) -> None:
    """Three runs side by side: names, rates, metrics, and a file that they have in common, as three tables."""
    browser.set_window_size(1500, 3000)
    runs = quote(str(_runs(project)).replace("'", '"').replace(" ", ""))
    page = f"{root}/#/compare-runs?runs={runs}&experiments=%5B%221%22%5D&{MODE}"
    chromium.show(browser, page, "Comparing 3 Runs", *RUNS, "train.lr", "eval/accuracy", "Select a file to preview")
    # What is drawn unasked: the params that differ, against what the training is about.
    drawn = chromium.page_text(browser).partition("Run details")[0]
    assert all(name in drawn for name in ("train.l2", "train.lr", "train.solver", "train/final_cost"))
    # MLflow lists the files in a panel that a person draws open; among the texts that are shown they are not.
    WebDriverWait(browser, chromium.PATIENCE).until(
        lambda driver: driver.execute_script(CLICK_FILE, "coefficients.csv")
    )
    WebDriverWait(browser, chromium.PATIENCE).until(
        lambda driver: chromium.page_text(driver).count("bias") >= len(RUNS)
    )
    if "SCREENSHOTS" in os.environ:
        browser.execute_script("document.querySelectorAll('button[role=switch]').forEach(button => button.click())")
        browser.set_window_size(1500, 2250)  # with the params and metrics that differ the page is shorter
    _keep(browser, "mlflow-compare")


def test_weights_of_a_larger_model_are_pictures_with_a_slider(
    root: str, project: Project, browser: webdriver.Chrome, tmp_path: Path
) -> None:
    """A model with too many weights for curves shows them as a heat map, with a slider over its four snapshots."""
    store = open_store(project.folder, "larger")
    larger = Outputs(tmp_path / "larger", features=[f"feature {number}" for number in range(60)])
    run_id = Mirrored(store, larger.started(1000)).finished(2000)
    browser.set_window_size(1500, 900)
    page = f"{root}/#/experiments/{store.experiment_id}/runs/{run_id}/model-metrics?{MODE}"
    chromium.show(browser, page, "train\n(", "weights\n(")
    _search_charts(browser, "heat map")
    chromium.wait_for(browser, "weights/heat map", "train.solver=sgd, train.lr=0.1, train.epochs=5")
    slider = (By.CSS_SELECTOR, "[role=slider]:not([data-disabled])")
    WebDriverWait(browser, chromium.PATIENCE).until(lambda driver: driver.find_elements(*slider))
    assert browser.find_element(*slider).get_attribute("aria-valuemax") == str(larger.epochs)
    WebDriverWait(browser, chromium.PATIENCE).until(
        lambda driver: driver.execute_script("return [...document.images].some(image => image.naturalWidth > 100)")
    )


def test_nothing_is_asked_of_the_network(root: str, browser: webdriver.Chrome) -> None:
    """All that the pages above asked for came from the server itself."""
    addresses = chromium.requested(browser)
    assert addresses
    assert {address for address in addresses if not address.startswith(f"{root}/")} == set()
