"""A model of MLflow predicts what `predict -o` writes, bit for bit, wherever and however it is asked."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.entities import LoggedModel
from mlflow.exceptions import MlflowException

from pipeline.commands import predict
from pipeline.tracking.runs import signature, train_run
from pipeline.tracking.store.store import Store, open_store
from tests import services
from tests.project import SOURCE
from tests.project import Project as RealProject
from tests.tracking import hostile, isolated
from tests.tracking.outputs import Project

pytestmark = pytest.mark.slow

# JSON has every number as the shortest text that reads back as the same one.
ROWS = "answer = model.predict(frame).astype(object).where(lambda x: x.notna(), None).to_dict(orient='split')"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a model of every kind of column."""
    return hostile.write_project(tmp_path_factory.mktemp("hostile") / "project")


@pytest.fixture(scope="module")
def own_store(project: Project) -> Store:
    """The store at the project's root, with the run of its training."""
    store = open_store(project.folder, "hostile")
    train_run.Mirrored(store, project.started(1000)).finished(4500)
    return store


@pytest.fixture(scope="module")
def logged(own_store: Store) -> LoggedModel:
    """The model of the run."""
    (model,) = own_store.client.search_logged_models([own_store.experiment_id])
    return model


@pytest.fixture(scope="module")
def expected(project: Project) -> list[dict[str, str]]:
    """The lines of `predict -o`."""
    return predicted(project.folder / "new.csv", project.paths["models"], project.folder / "scored.csv")


def predicted(table: Path, model: Path, out: Path) -> list[dict[str, str]]:
    """The lines of `predict -o`, by column."""
    predict.main(source=table, out=out, model=model)
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def assert_equal(rows: list[dict[str, Any]], expected: list[dict[str, str]]) -> None:
    """The same columns in the same order; a float is the one that its text in the table reads back as."""
    assert [[*row] for row in rows] == [[*line] for line in expected]
    for row, line in zip(rows, expected, strict=True):
        for name, cell in line.items():
            value = row[name]
            if isinstance(value, float):
                assert value == float(cell), name
            else:
                assert ("" if value is None else str(value)) == cell, name


def by_row(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of pandas' orient ``split``."""
    return [dict(zip(answer["columns"], row, strict=True)) for row in answer["data"]]


def frame_of(project: Project) -> pd.DataFrame:
    """The table as pandas reads it where it takes no text for a gap but those of the model."""
    return pd.read_csv(
        project.folder / "new.csv",
        keep_default_na=False,
        na_values=[*hostile.MISSING_VALUES],
    )


@pytest.mark.slow
def test_it_needs_neither_this_project_nor_a_network_nor_pickle(
    project: Project, logged: LoggedModel, expected: list[dict[str, str]]
) -> None:
    """In a process with its own requirements alone; every kind of column, gaps, unseen levels and hostile names."""
    answer = isolated.run(ROWS, logged.artifact_location, project.folder / "new.csv", hostile.MISSING_VALUES)
    assert_equal(by_row(answer), expected)
    folder = Path(logged.artifact_location)
    assert {path.parent.name for path in folder.rglob("*.pyc")} <= {"__pycache__"}
    assert not list((folder / "code").rglob("*.pyc"))


@pytest.mark.slow
def test_the_tutorial_gives_the_bits_of_its_predictions(repro: Path, tmp_path: Path) -> None:
    """Whole numbers as pandas reads them, with the real model; a store that DVC's stages wrote."""
    shipped = RealProject.after_repro(tmp_path / "project", repro)
    shutil.copyfile(SOURCE / "requirements.lock", shipped.folder / "requirements.lock")
    shipped.pipeline("track")
    store = open_store(shipped.folder, "tutorial")
    (model,) = store.client.search_logged_models([store.experiment_id])
    assert {metric.key for metric in model.metrics} >= {"eval/log_loss", "eval/accuracy"}
    table = shipped.folder / "data/raw/tutorial.csv"
    lines = predicted(table, shipped.folder / "models", tmp_path / "scored.csv")
    assert_equal(by_row(isolated.run(ROWS, model.artifact_location, table)), lines)
    numpy = next(line for line in model_requirements(model) if line.startswith("numpy=="))
    assert f"{numpy}\n" in (SOURCE / "requirements.lock").read_text(encoding="utf-8").replace(" \\", "")


def model_requirements(model: LoggedModel) -> list[str]:
    """The lines of requirements.txt."""
    return (Path(model.artifact_location) / "requirements.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Operation with range")  # MLflow's own
def test_models_predict_gives_the_same_numbers(
    project: Project, logged: LoggedModel, expected: list[dict[str, str]], tmp_path: Path
) -> None:
    """`mlflow.models.predict` on a frame, by way of JSON."""
    out = tmp_path / "answer.json"
    frame = frame_of(project)
    mlflow.models.predict(logged.artifact_location, frame, output_path=str(out), env_manager="local")
    assert_equal(json.loads(out.read_text(encoding="utf-8"))["predictions"], expected)


@pytest.mark.slow
def test_the_example_of_the_model_can_be_predicted(logged: LoggedModel, tmp_path: Path) -> None:
    """As the page of the model shows it, and as MLflow's own check of it does."""
    request = Path(logged.artifact_location) / "serving_input_example.json"
    out = tmp_path / "answer.json"
    mlflow.models.predict(logged.artifact_location, input_path=str(request), output_path=str(out), env_manager="local")
    (row,) = json.loads(out.read_text(encoding="utf-8"))["predictions"]
    assert row["predicted"] in hostile.CLASSES
    model = mlflow.pyfunc.load_model(logged.artifact_location)
    assert model.predict(model.input_example)["predicted"].tolist() == [row["predicted"]]


@pytest.fixture(scope="module")
def server(own_store: Store, logged: LoggedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `mlflow models serve`."""
    port = services.free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{logged.model_id}"]
    options = ["--env-manager", "local", "--host", "127.0.0.1", "-p", str(port)]
    variables = {"MLFLOW_TRACKING_URI": own_store.uri, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    folder = tmp_path_factory.mktemp("server")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *options],
            stdout=log,
            stderr=log,
            cwd=folder,
            env=os.environ | variables,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            if process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{address}/ping", timeout=5)
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def post(address: str, body: bytes, kind: str = "application/json") -> tuple[int, Any]:
    """Status and answer of the server."""
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="ends a group of processes")
def test_models_serve_gives_the_same_numbers(server: str, project: Project, expected: list[dict[str, str]]) -> None:
    """In each form that MLflow takes JSON in, with gaps as null; a request that does not fit is one sentence."""
    frame = frame_of(project).astype(object)
    frame = frame.where(frame.notna(), None)
    table = frame.to_dict(orient="split", index=False)
    columns = frame.to_dict(orient="list")
    for body in (
        {"dataframe_split": table},
        {"dataframe_records": frame.to_dict(orient="records")},
        {"inputs": columns},
    ):
        status, answer = post(server, json.dumps(body).encode())
        assert status == 200, answer
        assert_equal(answer["predictions"], expected)
    chosen = {"dataframe_split": table, "params": {"columns": ["predicted", "probability"]}}
    _, answer = post(server, json.dumps(chosen).encode())
    names = ["predicted", *(f"probability_{label}" for label in hostile.CLASSES)]
    assert_equal(answer["predictions"], [{name: line[name] for name in names} for line in expected])
    buffer = io.BytesIO()
    frame_of(project).to_parquet(buffer)
    status, answer = post(server, buffer.getvalue(), "application/vnd.apache.parquet")
    assert status == 200, answer
    assert_equal(answer["predictions"], expected)
    status, _ = post(server, (project.folder / "new.csv").read_bytes(), "text/csv")
    assert status == 400  # MLflow wants a type for each column of it
    wrong = {"dataframe_records": [dict(zip(table["columns"], table["data"][0], strict=True)) | {"a,b": "much"}]}
    status, answer = post(server, json.dumps(wrong).encode())
    assert status == 400
    assert answer["message"].endswith("row 1, column a,b: expected a number, got 'much'")


def test_a_frame_of_any_types_is_its_csv(project: Project, logged: LoggedModel, expected: list[dict[str, str]]) -> None:
    """Categories, dates and nullable numbers of pandas; rows of any index, columns in any order, one row at a time."""
    model = mlflow.pyfunc.load_model(logged.artifact_location)
    frame = frame_of(project)
    frame[hostile.TEXT] = frame[hostile.TEXT].astype("category")
    frame[hostile.ISO] = pd.to_datetime(frame[hostile.ISO])
    frame[hostile.CODE] = frame[hostile.CODE].astype("Int64")
    frame[hostile.BOOLEAN] = frame[hostile.BOOLEAN].astype("boolean")
    frame.index = [f"r{number}" for number in range(len(frame))]
    answer = model.predict(frame[[*reversed(frame.columns)]])
    assert answer.index.tolist() == frame.index.tolist()
    rows = answer.astype(object).where(lambda each: each.notna(), None).to_dict(orient="records")
    assert_equal(rows, expected)
    for number, line in enumerate(expected):
        (row,) = (
            model.predict(frame.iloc[[number]])
            .astype(object)
            .where(lambda each: each.notna(), None)
            .to_dict(orient="records")
        )
        assert_equal([row | {"row": number + 1}], [line])


def test_a_column_of_several_types_is_its_csv(
    project: Project, logged: LoggedModel, expected: list[dict[str, str]]
) -> None:
    """pandas reads a long file in pieces, each with types of its own."""
    model = mlflow.pyfunc.load_model(logged.artifact_location)
    frame = frame_of(project).astype({hostile.CODE: object, hostile.BOOLEAN: object})
    frame[hostile.CODE] = [1, "10", "7", None, 2]
    frame[hostile.BOOLEAN] = [True, "FALSE", None, "true", False]
    rows = model.predict(frame).astype(object).where(lambda each: each.notna(), None).to_dict(orient="records")
    assert_equal(rows, expected)


def test_a_frame_of_no_rows_has_no_predictions(project: Project, logged: LoggedModel) -> None:
    """The columns are there all the same."""
    model = mlflow.pyfunc.load_model(logged.artifact_location)
    answer = model.predict(frame_of(project).iloc[:0])
    assert len(answer) == 0
    assert [*answer.columns] == [column.name for column in model.metadata.signature.outputs]


WRONG: list[tuple[Any, dict[str, Any], str]] = [
    (lambda frame: frame.assign(**{hostile.NUMBER: "much"}), {}, "row 1, column a,b: expected a number, got 'much'"),
    (lambda frame: frame.drop(columns=hostile.ISO), {}, "Model is missing inputs ['iso']"),
    (lambda frame: frame.assign(iso="2024-13-01"), {}, "row 1, column iso: expected a date"),
    (lambda frame: frame, {"columns": ["odds"]}, "params: columns: expected some of row, predicted, probability"),
]


@pytest.mark.parametrize(("change", "params", "message"), WRONG, ids=range(len(WRONG)))
def test_what_does_not_fit_is_a_sentence(
    project: Project, logged: LoggedModel, change: Any, params: dict[str, Any], message: str
) -> None:
    """Of ours, but for a column that is missing, which MLflow looks for itself."""
    model = mlflow.pyfunc.load_model(logged.artifact_location)
    with pytest.raises(MlflowException) as raised:
        model.predict(change(frame_of(project)), params=params)
    assert message in raised.value.message


def test_the_signature_names_every_column(logged: LoggedModel, expected: list[dict[str, str]]) -> None:
    """Inputs by name, of any type to MLflow, with what they are read as beside them; outputs with their types."""
    model = mlflow.pyfunc.load_model(logged.artifact_location).metadata
    assert [column.name for column in model.signature.inputs] == [*hostile.ENCODER.types]
    assert all(column.required for column in model.signature.inputs)
    assert model.metadata["columns"] == hostile.ENCODER.types
    types = {column.name: column.type.name for column in model.signature.outputs}
    assert [*types] == [*expected[0]]
    assert types["row"] == types["set_size"] == types["rank_row"] == "long"
    assert types["predicted"] == types["decision"] == "string"
    assert types["probability_row"] == types["logit_row"] == "double"
    (columns,) = model.signature.params
    assert columns.default == [*signature.GROUPS]


@pytest.mark.slow
def test_a_process_with_another_version_of_the_project_computes_with_the_code_of_the_model(
    project: Project, logged: LoggedModel, expected: list[dict[str, str]], tmp_path: Path
) -> None:
    """Imported before, and first on the path; after the model is loaded it is as it was."""
    other = tmp_path / "pipeline"
    other.mkdir()
    (other / "__init__.py").write_text("version = 'another'\n", encoding="utf-8")
    code = f"""
sys.meta_path.pop(0)
sys.path.insert(0, {str(tmp_path)!r})
import pipeline
before = list(sys.path)
model = mlflow.pyfunc.load_model(folder)
{ROWS}
assert (pipeline.version, sys.modules["pipeline"], sys.path) == ("another", pipeline, before)
"""
    answer = isolated.run(code, logged.artifact_location, project.folder / "new.csv", hostile.MISSING_VALUES)
    assert_equal(by_row(answer), expected)
