"""Answers are the text of predictions.csv: every row, in batches of 1, 7 and 1,000, from ten connections at once."""

import csv
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import predict
from tests.serving import models
from tests.serving.server import JSON, Server, ask, serving

pytestmark = pytest.mark.slow

ROWS = 2_003


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, a table, and what `predict` says of the table."""
    folder = tmp_path_factory.mktemp("project")
    models.write(folder)
    models.write_csv(folder / "rows.csv", models.drawn_rows(ROWS))
    predict.main(source=folder / "rows.csv", out=folder / "scored.csv", model=folder / "models")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """One server for all tests."""
    with serving(folder) as running:
        yield running


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[dict[str, str]]:
    """The cells of predictions.csv, but its row numbers."""
    with (folder / "scored.csv").open(encoding="utf-8", newline="") as file:
        lines = [*csv.DictReader(file)]
    return [{name: cell for name, cell in line.items() if name != "row"} for line in lines]


def cells(prediction: dict[str, str | None]) -> dict[str, str]:
    """A prediction as cells of a CSV: no value is an empty one."""
    return {name: "" if value is None else value for name, value in prediction.items()}


def bodies(size: int) -> list[tuple[dict[str, str], bytes]]:
    """Headers and bodies of all rows in batches, in each form that MLflow takes in turn."""
    rows, requests = models.drawn_rows(ROWS), []
    for number, start in enumerate(range(0, ROWS, size)):
        batch = [models.values(row) for row in rows[start : start + size]]
        records = [dict(zip(models.COLUMNS, row, strict=True)) for row in batch]
        documents: list[dict[str, Any]] = [
            {"dataframe_split": {"columns": models.COLUMNS, "data": batch}},
            {"dataframe_records": records, "params": {}},
            {"instances": records},
            {"inputs": {name: [row[name] for row in records] for name in models.COLUMNS}},
        ]
        if number % 5 == 4:
            text = io.StringIO()
            csv.writer(text).writerows([models.COLUMNS, *rows[start : start + size]])
            requests.append(({"content-type": "text/csv; charset=utf-8"}, text.getvalue().encode()))
        else:
            requests.append((JSON, json.dumps(documents[number % 5]).encode()))
    return requests


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_answers_are_the_text_of_predictions(server: Server, expected: list[dict[str, str]], size: int) -> None:
    """Whatever the form of the request, the size of the batch, and who else asks."""
    requests = bodies(size)

    def post(share: int) -> dict[int, list[dict[str, str]]]:
        answers = {}
        with server.connection() as connection:
            for place in range(share, len(requests), 10):
                headers, body = requests[place]
                answer = ask(connection, "POST", "/invocations", body, headers)
                assert answer.status == 200, answer.body
                answers[place] = [cells(row) for row in answer.json["predictions"]]
        return answers

    with ThreadPoolExecutor(10) as threads:
        parts = [*threads.map(post, range(10))]
    by_place = {place: rows for part in parts for place, rows in part.items()}
    assert [row for place in sorted(by_place) for row in by_place[place]] == expected


def test_what_training_did_not_see_is_in_the_answer(server: Server) -> None:
    """Unknown levels and numbers beyond the range, by column with the rows that have them."""
    row = models.values(["4.5", "1", "1.000,0", "true", "2026-01-01", "Mars"])
    gap = models.values(["NA", "1", "1.000,0", "true", "2026-01-01", "red"])
    answer = server.post("/invocations", {"dataframe_split": {"columns": models.COLUMNS, "data": [gap, row, row]}})
    document = json.loads(answer.body)
    assert document["unseen"] == [{"column": 'colour"<b>', "value": "Mars", "rows": [2, 3]}]
    assert document["beyond_range"] == [{"column": "x 1", "minimum": -3.0, "maximum": 3.0, "rows": [2, 3]}]


def test_an_unknown_range_is_null(folder: Path, tmp_path: Path) -> None:
    """A folder of a model alone does not know what range its table had; columns can be chosen."""
    models.write(tmp_path, decided=False)
    options = ("--prepared", str(folder / "nowhere"), "--columns", "predicted,rank")
    with serving(tmp_path, *options) as running:
        row = models.values(models.drawn_rows(1)[0])
        document = running.post("/invocations", {"dataframe_split": {"columns": models.COLUMNS, "data": [row]}}).json
    assert document["beyond_range"] is None
    assert [*document["predictions"][0]] == ["predicted", *(f"rank_{name}" for name in models.CLASSES)]


def test_no_rows_are_no_predictions(server: Server) -> None:
    """An empty batch is a request as any other."""
    for body in ({"dataframe_split": {"columns": models.COLUMNS, "data": []}}, {"instances": []}):
        assert server.post("/invocations", body).json["predictions"] == []
