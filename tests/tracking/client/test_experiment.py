"""The name of the MLflow experiment: the one that is set, or the data set's."""

from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.params import read_params
from pipeline.tracking.client import experiment
from tests.project import SOURCE


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("data/raw/penguins.csv", "penguins"),
        ("data/raw/covid.CSV.gz", "covid"),
        ("data/sales.2024.parquet", "sales.2024"),
        ("/somewhere/else/parts/", "parts"),
        ("data/raw/2024-*.csv", "2024-*"),
        ("data/monthly/*.csv", "monthly"),
        ("s3://bucket/folder/loans.csv.zst", "loans"),
        ("https://host/loans.csv?sig=secret&x=a/b.csv", "loans"),
        ("https://user:password@host/loans.csv", "loans"),
        ("data/a\nb\u202e\x1b[31m\ud800  c.csv", "a b [31m c"),
        ("data/" + "long" * 100 + ".csv", "long" * 25),
        ("данные/пингвины.csv", "пингвины"),
        ("data/Cafe\u0301.csv", "Caf\u00e9"),
        ("data/.csv", "data"),
        ("../..", "data"),
        ("", "data"),
    ],
)
def test_a_data_set_is_named_by_its_source(source: str, name: str) -> None:
    """The file's or folder's name without endings, on one line, without what no page can show and without secrets."""
    assert experiment.data_name(source) == name


@pytest.mark.parametrize("document", [{}, {"prepare": None}, {"prepare": []}, {"prepare": {}}])
def test_a_document_without_a_source_has_a_name_too(document: dict[str, object]) -> None:
    """A stage that runs on other folders than the params' still has an experiment."""
    assert experiment.named("auto", document) == "data"


def test_a_name_that_is_set_stays() -> None:
    """Whoever names the experiment finds the runs of all data sets in it."""
    assert experiment.named("mine", {"prepare": {"source": "penguins.csv"}}) == "mine"


def test_the_shipped_params_have_an_experiment_for_each_data_set(tmp_path: Path) -> None:
    """As shipped that of the tutorial; with another source another one; a wrong section is told."""
    shipped = (SOURCE / "params.yaml").read_text(encoding="utf-8")
    assert read_params(SOURCE / "params.yaml")["tracking"]["experiment"] == "auto"
    assert experiment.of_project(SOURCE / "params.yaml") == "tutorial"
    path = tmp_path / "params.yaml"
    path.write_text(shipped.replace("data/raw/tutorial.csv", "other/mine.csv"), encoding="utf-8")
    assert experiment.of_project(path) == "mine"
    path.write_text(shipped.replace("experiment: auto", "experiment: 3   "), encoding="utf-8")
    with pytest.raises(UserError, match=r"tracking.experiment: expected .* got 3"):
        experiment.of_project(path)
