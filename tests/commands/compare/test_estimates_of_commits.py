"""Coefficients that moved between real commits, against the coefficients.csv that `dvc repro` left in each of them."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from pipeline.commands.compare import command
from pipeline.documents import yaml_documents
from pipeline.errors import UserError
from tests.project import UNTRACKED, Project

pytestmark = pytest.mark.slow

ROWS, CLASSES, COLOURS = 300, ("a", "b", "c"), ("blue", "green", "red")
TABLE = "data/raw/drawn.csv"
DOCUMENT, COEFFICIENTS = "reports/inference.json", "reports/coefficients.csv"
BOTH_MOVED = [("width", "b"), ("colour=red", "c")]  # the surer first; what differs between the tables' models

Record = dict[str, Any]
Compare = Callable[..., Record]


def drawn(seed: int, width: float, red: float) -> str:
    """Rows of a softmax model in which ``width`` is the coefficient of width for b, ``red`` that of red for c."""
    random = np.random.default_rng(seed)
    numbers, codes = random.normal(size=(ROWS, 2)).round(3), random.integers(0, 3, ROWS)
    of_numbers = np.array([[0.0, width, 0.5], [0.0, 0.4, -0.6]])
    of_levels = np.array([[0.0, 0.3, -0.3], [0.0, -0.5, 0.6], [0.0, 0.2, red]])
    logits = numbers @ of_numbers + of_levels[codes]
    labels = (logits + random.gumbel(size=logits.shape)).argmax(1)
    lines = [
        f"{x},{y},{COLOURS[code]},{CLASSES[label]}"
        for (x, y), code, label in zip(numbers.tolist(), codes, labels, strict=True)
    ]
    return "\n".join(["width,height,colour,kind", *lines, ""])


@dataclass(frozen=True)
class History:
    """The project; inference.json and the lines of coefficients.csv by tag, each the name of a commit."""

    project: Project
    documents: dict[str, Record]
    tables: dict[str, list[dict[str, str]]]

    def repro(self, tag: str, *target: str, table: str | None = None, **params: dict[str, Any]) -> None:
        """Change table and params, run, and commit under the tag."""
        folder = self.project.folder
        if table is not None:
            (folder / TABLE).write_text(table, encoding="utf-8")
        document = yaml_documents.parse(self.project.read("params.yaml"))
        for section, values in params.items():
            document[section] |= values
        (folder / "params.yaml").write_text(json.dumps(document), encoding="utf-8")
        self.project.dvc("repro", *target, **UNTRACKED)
        self.documents[tag] = json.loads(self.project.read(DOCUMENT))
        self.tables[tag] = list(csv.DictReader(io.StringIO(self.project.read(COEFFICIENTS))))
        self.save(tag)

    def save(self, tag: str) -> None:
        """Commit what lies there."""
        self.project.run("git", "add", "-A")
        self.project.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", tag)
        self.project.run("git", "tag", tag)

    def forget_inference(self) -> None:
        """Leave dvc.yaml, dvc.lock and params.yaml as they were before there was the stage."""
        for name in ("dvc.yaml", "dvc.lock"):
            document = yaml_documents.parse(self.project.read(name))
            del document["stages"]["infer"]
            (self.project.folder / name).write_text(json.dumps(document), encoding="utf-8")
        document = yaml_documents.parse(self.project.read("params.yaml"))
        del document["infer"]
        (self.project.folder / "params.yaml").write_text(json.dumps(document), encoding="utf-8")

    def expected(self, one: str, other: str, without: str = "(intercept)") -> tuple[list[Record], int]:
        """Those that moved, by numpy, scipy and statsmodels from two tables against a, the surest first; of how many.

        Features that begin with ``without`` are left out, as is the intercept.
        """
        sides = [
            {
                (line["feature"], line["class"]): (float(line["estimate"]), float(line["standard_error"]))
                for line in self.tables[tag]
                if line["reference"] == "a" and not line["feature"].startswith(("(intercept)", without))
            }
            for tag in (one, other)
        ]
        names = list(sides[0])
        assert names == list(sides[1])
        (a, error_a), (b, error_b) = (np.array([side[name] for name in names]).T for side in sides)
        errors = np.sqrt(error_a**2 + error_b**2)
        z = (b - a) / errors
        p = 2 * norm.sf(np.abs(z))
        holm = multipletests(p, method="holm")[1]
        columns = {"a": a, "b": b, "difference": b - a, "standard_error": errors, "z": z, "p": p, "p_holm": holm}
        lines = [
            {"feature": names[place][0], "class": names[place][1]}
            | {name: values[place] for name, values in columns.items()}
            for place in np.argsort(-np.abs(z))
            if holm[place] < 0.05
        ]
        return lines, len(names)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Commits by tag; checked out is `first`, and the workspace, uncommitted, is `second`."""
    history = History(Project(tmp_path_factory.mktemp("commits") / "project"), {}, {})
    solver = {"solver": "newton", "lr": None, "epochs": 50, "l2": 0.001}
    moved = drawn(2, width=2.0, red=3.0)
    history.repro(
        "first",
        table=drawn(1, width=0.0, red=0.0),
        prepare={"source": TABLE, "target": "kind"},
        train=solver,
        infer={"reference": "a"},
    )
    history.repro("second", table=moved)
    history.repro("other-reference", "-s", "infer", infer={"reference": "b"})
    history.repro("other-base", "-s", "infer", infer={"reference": "a", "base_levels": {"colour": "red"}})
    history.repro("told-apart", "infer", table=moved.replace("green,b", "green,c"), infer={"base_levels": None})
    history.project.run("git", "checkout", "-q", "second")
    history.forget_inference()
    history.save("older")
    history.project.run("git", "checkout", "-q", "first")
    history.project.run("git", "checkout", "-q", "second", "--", ".")
    history.project.dvc("checkout", "-q")
    return history


@pytest.fixture
def compare(history: History, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Compare:
    """What `python -m pipeline compare --json` says of two sides."""

    def compared(*names: str, folder: Path = history.project.folder) -> Record:
        monkeypatch.chdir(folder)
        command.main(names=names, experiment="softmax", as_json=True, as_markdown=False)
        (record,) = json.loads(capsys.readouterr().out)
        return dict(record)

    return compared


def assert_lists(found: Record, lines: list[Record], count: int) -> None:
    """The same coefficients in the same order; numbers to 1e-12, which a few roundings of float64 stay below."""
    assert (found["compared"], found["more"]) == (count, 0)
    assert [(line["feature"], line["class"]) for line in found["moved"]] == [
        (line["feature"], line["class"]) for line in lines
    ]
    for line, expected in zip(found["moved"], lines, strict=True):
        numbers = [name for name in expected if name not in ("feature", "class")]
        np.testing.assert_allclose([line[name] for name in numbers], [expected[name] for name in numbers], rtol=1e-12)
        assert line.keys() == expected.keys()


def test_the_coefficients_of_the_models_that_differ_are_listed(history: History, compare: Compare) -> None:
    """z is (b - a) / sqrt(se_a^2 + se_b^2) of the two tables; of eight coefficients the other six do not stand here."""
    lines, count = history.expected("first", "second")
    assert [(line["feature"], line["class"]) for line in lines] == BOTH_MOVED
    assert count == 8
    assert_lists(compare("second~1", "second")["estimates"], lines, count)


def test_the_other_way_round_signs_change(compare: Compare) -> None:
    """And nothing else."""
    forth, back = (compare(*sides)["estimates"]["moved"] for sides in (("first", "second"), ("second", "first")))
    swapped = [
        line | {"a": line["b"], "b": line["a"], "difference": -line["difference"], "z": -line["z"]} for line in forth
    ]
    assert back == swapped != []


@pytest.mark.parametrize("form", [[], ["--markdown"]], ids=["text", "markdown"])
def test_a_person_reads_it(history: History, form: list[str]) -> None:
    """From the command line; features and classes stand in their cells, and how many were compared below."""
    printed = history.project.pipeline("compare", "first", "second", *form).stdout
    part = printed.partition("Coefficients that moved\n")[2]
    cells = [[cell.strip() for cell in line.replace("│", "|").split("|")[1:-1]] for line in part.splitlines()]
    lines = [cell for cell in cells if len(cell) == 9 and cell[1] in CLASSES]
    assert [(line[0], line[1]) for line in lines] == BOTH_MOVED
    expected = history.expected("first", "second")[0]
    assert [line[6] for line in lines] == [f"{line['z']:.3g}" for line in expected]
    assert "8 compared" in part


def test_without_an_argument_the_commit_and_the_workspace_are_compared(history: History, compare: Compare) -> None:
    """Uncommitted files as they lie there; a table that is gone is none."""
    record = compare()
    assert (record["a"][:4], record["b"]) == ("HEAD", "workspace")
    assert_lists(record["estimates"], *history.expected("first", "second"))
    assert compare("first", "workspace")["estimates"] == record["estimates"]
    assert compare("second", "workspace")["estimates"] == {}
    for name in (DOCUMENT, COEFFICIENTS):
        with replaced(history.project.folder / name, None):
            assert compare()["estimates"] == {}


def test_a_table_that_was_cut_short_is_one_sentence(history: History, compare: Compare) -> None:
    """It names the side, the file and what to do."""
    for name, content in ((DOCUMENT, "{"), (COEFFICIENTS, "class,reference\n")):
        with (
            replaced(history.project.folder / name, content),
            pytest.raises(UserError, match=rf"^workspace: {Path(name).name}: .*run `dvc repro`$"),
        ):
            compare()


@contextmanager
def replaced(path: Path, content: str | None) -> Iterator[None]:
    """The file with another content, or without the file, for the block."""
    before = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_text(content, encoding="utf-8")
    try:
        yield
    finally:
        path.write_bytes(before)


def test_levels_against_another_base_are_not_compared(history: History, compare: Compare) -> None:
    """Of the same rows as `second`; Holm's p is over the numbers alone, of which one moved."""
    assert history.documents["second"]["base_levels"] != history.documents["other-base"]["base_levels"]
    lines, count = history.expected("first", "other-base", without="colour=")
    assert [(line["feature"], line["class"]) for line in lines] == [("width", "b")]
    assert count == 4
    assert_lists(compare("first", "other-base")["estimates"], lines, count)
    estimates = compare("second", "other-base")["estimates"]
    assert (estimates["compared"], estimates["moved"], estimates["other_bases"]) == (4, [], ["colour"])


@pytest.mark.parametrize("other", ["told-apart", "older"])
def test_without_two_tables_nothing_is_said(history: History, compare: Compare, other: str) -> None:
    """Separable rows, a commit from before the stage; what else differs is told, both ways."""
    described = history.documents
    assert described["told-apart"]["refused"].startswith("told apart without error: class b by colour=green")
    for sides in (("first", other), (other, "first")):
        record = compare(*sides)
        assert record["estimates"] == {}
        assert record["data"]


def test_another_reference_class_is_no_other_table(history: History, compare: Compare) -> None:
    """The same pairs of classes are compared, against the reference class of the first side."""
    assert history.documents["other-reference"]["reference"] == "b"
    expected = compare("first", "second")["estimates"]
    turned = compare("first", "other-reference")["estimates"]
    assert (turned["reference"], turned["compared"]) == ("a", expected["compared"])
    assert [(line["class"], line["feature"]) for line in turned["moved"]] == [
        (line["class"], line["feature"]) for line in expected["moved"]
    ]
    for line, other in zip(turned["moved"], expected["moved"], strict=True):
        assert line["z"] == pytest.approx(other["z"], rel=1e-7)


def test_nor_is_anything_printed(history: History) -> None:
    """Of rows that are told apart there is no section, and no traceback; the command ends well."""
    printed = history.project.pipeline("compare", "first", "told-apart").stdout.splitlines()
    assert "Coefficients that moved most" in printed
    assert "Coefficients that moved" not in printed


def test_a_clone_without_the_cache_has_nothing_to_compare(history: History, compare: Compare, tmp_path: Path) -> None:
    """Nor has it a traceback: tables lie in DVC's cache, not in git."""
    history.project.run("git", "clone", "-q", ".", str(tmp_path / "clone"))
    record = compare("first", "second", folder=tmp_path / "clone")
    assert record["estimates"] == {}
    assert record["data"]
