"""Intervals of predictions: against statsmodels by numeric delta method, on tables with a model and an inference."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import scipy.special
import scipy.stats
import statsmodels.api as sm

from pipeline import model
from pipeline.commands import predict
from pipeline.errors import UserError
from pipeline.scoring import intervals
from tests.infer.problems import Table, drawn, infer
from tests.terminal import unwrapped

PREFIXES = ("fitted", "low", "high")


def text_of(table: Table, rows: int = 60) -> str:
    """The first rows as CSV."""
    names = [f"x{place}" for place in range(table.numbers.shape[1])] + [
        f"c{place}" for place in range(len(table.levels))
    ]
    lines = [
        [*map(repr, numbers), *(f"l{code}" for code in codes)]
        for numbers, codes in zip(table.numbers[:rows].tolist(), table.codes[:rows].tolist(), strict=True)
    ]
    return "\n".join(map(",".join, [names, *lines])) + "\n"


def predict_into(folder: Path, text: str, out: str = "scored.csv") -> Path:
    """Predict with intervals from the folder of an inference."""
    (folder / "in.csv").write_text(text, encoding="utf-8")
    predict.main(
        source=folder / "in.csv", out=folder / out, model=folder / "models", reports=folder / "reports", typed=str
    )
    return folder / out


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def bounds(folder: Path, table: Table, rows: int = 60) -> dict[str, np.ndarray]:
    """fitted, low and high, (rows, k) each."""
    scored = rows_of(predict_into(folder, text_of(table, rows)))
    return {
        name: np.array([[float(row[f"{name}_k{label}"]) for label in range(table.classes)] for row in scored])
        for name in PREFIXES
    }


def by_numeric_delta_method(
    table: Table, confidence: float, x: np.ndarray | None = None, **options: Any
) -> dict[str, np.ndarray]:
    """statsmodels' fit, and central differences of the logit of its probabilities by its params.

    At the lines of ``x``, else at the first 60 rows.
    """
    fit = sm.MNLogit(table.labels, table.frame).fit(method="newton", tol=1e-14, maxiter=100, disp=0, **options)
    x, params = table.frame.to_numpy()[:60] if x is None else x, np.asarray(fit.params).T.ravel()

    def log_odds(vector: np.ndarray) -> np.ndarray:
        logits = np.hstack([np.zeros((len(x), 1)), x @ vector.reshape(table.classes - 1, -1).T])
        return scipy.special.logit(scipy.special.softmax(logits, axis=1))

    step = 1e-5
    slopes = np.stack(
        [(log_odds(params + step * unit) - log_odds(params - step * unit)) / (2 * step) for unit in np.eye(len(params))]
    )
    errors = np.sqrt(np.einsum("anj,ab,bnj->nj", slopes, np.asarray(fit.cov_params()), slopes))
    reach = scipy.stats.norm.ppf((1 + confidence) / 2) * errors
    z = log_odds(params)
    return {
        "fitted": scipy.special.expit(z),
        "low": scipy.special.expit(z - reach),
        "high": scipy.special.expit(z + reach),
    }


@pytest.mark.parametrize(
    ("classes", "levels", "covariance", "confidence"),
    [(2, (), "model", 0.95), (3, (3,), "model", 0.95), (4, (3, 2), "robust", 0.9), (3, (2, 4, 3), "model", 0.5)],
)
def test_intervals_are_those_of_statsmodels(
    tmp_path: Path, classes: int, levels: tuple[int, ...], covariance: str, confidence: float
) -> None:
    """Fitted probability and both bounds, with categories, a standardised column, and a sandwich."""
    table = drawn(5, 700, classes=classes, levels=levels)
    table.numbers[:, 0] = table.numbers[:, 0].astype(np.float16)  # few digits: exact when shifted
    table = replace(table, shift=1.0, scale=2.0)
    infer(tmp_path, table, covariance=covariance, confidence=confidence)
    options = {"cov_type": "HC0"} if covariance == "robust" else {}
    expected = by_numeric_delta_method(table, confidence, **options)
    ours = bounds(tmp_path, table)
    for name in PREFIXES:
        # Central differences of step 1e-5 are off by 1e-10 or so; fits by 1e-8.
        np.testing.assert_allclose(ours[name], expected[name], rtol=1e-6, atol=0, err_msg=name)


def test_intervals_do_not_depend_on_the_reference(tmp_path: Path) -> None:
    """Nor on base levels: the fit is the same in other unknowns."""
    table = drawn(6, 500, classes=3, levels=(3, 2))
    infer(tmp_path / "a", table, reference="k0")
    infer(tmp_path / "b", table, reference="k2", base_levels={"c0": "l2", "c1": "l1"})
    first, second = bounds(tmp_path / "a", table), bounds(tmp_path / "b", table)
    for name in PREFIXES:
        # Two fits that end below 1e-6 of a standard error, mostly below 1e-9.
        np.testing.assert_allclose(first[name], second[name], rtol=1e-7)


def test_twice_the_rows_shrink_intervals_by_the_root_of_two(tmp_path: Path) -> None:
    """Weights are frequencies: on the scale of the logit, about the same probability."""
    table = drawn(7, 400)
    infer(tmp_path / "once", table)
    infer(tmp_path / "twice", replace(table, weights=np.full(400, 2.0)))
    infer(tmp_path / "both", table.take(np.concatenate([np.arange(400)] * 2)))
    once, twice, both = (bounds(tmp_path / name, table) for name in ("once", "twice", "both"))
    for other in (twice, both):
        np.testing.assert_allclose(other["fitted"], once["fitted"], rtol=1e-7)
        for name in ("low", "high"):
            away, before = (scipy.special.logit(b[name]) - scipy.special.logit(b["fitted"]) for b in (other, once))
            np.testing.assert_allclose(away * np.sqrt(2), before, rtol=1e-6)


def test_bounds_hold_the_fit_within_0_and_1(tmp_path: Path) -> None:
    """Far from the training rows, too, where probabilities round to 0 and 1."""
    table = drawn(8, 300)
    infer(tmp_path, table)
    text = "x0,x1,c0\n" + "".join(f"{x},{-x},l1\n" for x in (0, 10, 1e3, 1e6, 1e30, -1e30))
    for row in rows_of(predict_into(tmp_path, text)):
        for label in ("k0", "k1", "k2"):
            low, fitted, high = (float(row[f"{name}_{label}"]) for name in ("low", "fitted", "high"))
            assert 0 <= low <= fitted <= high <= 1


def test_intervals_of_a_shrunk_fit_are_about_the_models_probabilities(tmp_path: Path) -> None:
    """infer.refit false: every class is free, and the spread is of shrunk coefficients, narrower than a refit's."""
    table = drawn(9, 200)
    penalised = {"l2": 0.2}
    infer(tmp_path / "refit", table, train_params=penalised)
    inferred = infer(tmp_path / "shrunk", table, train_params=penalised, refit=False)
    tensors = safetensors.numpy.load((inferred.folder / "covariance.safetensors").read_bytes())
    assert tensors["labels"].tolist() == [0, 1, 2]
    wide, narrow = bounds(tmp_path / "refit", table), bounds(tmp_path / "shrunk", table)
    assert np.mean(narrow["high"] - narrow["low"]) < np.mean(wide["high"] - wide["low"])
    encoder = model.load(tmp_path / "shrunk" / "models").encoder
    x = np.zeros((60, len(encoder.features) + 1))
    x[:, :2], x[:, -1] = table.numbers[:60], 1
    x[np.arange(60), 2 + table.codes[:60, 0]] = 1
    expected = scipy.special.softmax(x @ tensors["theta"], axis=1)
    np.testing.assert_allclose(narrow["fitted"], expected, rtol=1e-12)


@pytest.mark.parametrize("rest", [{}, {"columns": ["c0"]}])
def test_a_fit_without_intercept_has_intervals(tmp_path: Path, rest: dict[str, Any]) -> None:
    """All levels of the first category are free there, and there may be no number at all."""
    table = drawn(10, 400)
    infer(tmp_path, table, train_params={"intercept": False}, **rest)
    ours = bounds(tmp_path, table)
    assert ((ours["low"] < ours["fitted"]) & (ours["fitted"] < ours["high"])).all()


def test_a_row_has_the_same_bytes_whatever_stands_around_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone, in a table, in tiles of one row or of all."""
    table = drawn(11, 300, levels=(3, 2))
    infer(tmp_path, table)
    lines = predict_into(tmp_path, text_of(table)).read_text(encoding="utf-8").splitlines()
    header, *rows = text_of(table).splitlines(keepends=True)
    for place in (0, 17, 59):
        alone = predict_into(tmp_path, header + rows[place]).read_text(encoding="utf-8").splitlines()[1]
        assert alone.partition(",")[2] == lines[1 + place].partition(",")[2]
    monkeypatch.setattr(intervals, "_NUMBERS_AT_ONCE", 1)
    assert predict_into(tmp_path, text_of(table)).read_text(encoding="utf-8").splitlines() == lines


def test_other_columns_are_as_without_intervals(tmp_path: Path) -> None:
    """The intervals stand behind them."""
    table = drawn(12, 300)
    infer(tmp_path, table)
    with_intervals = rows_of(predict_into(tmp_path, text_of(table)))
    predict.main(source=tmp_path / "in.csv", out=tmp_path / "plain.csv", model=tmp_path / "models")
    plain = rows_of(tmp_path / "plain.csv")
    added = [f"{name}_k{label}" for name in PREFIXES for label in range(3)]
    assert list(with_intervals[0]) == [*plain[0], *added]
    assert [{name: row[name] for name in plain[0]} for row in with_intervals] == plain


def test_rows_of_unseen_values_have_no_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A new level, no level, no number where training had all of them: empty cells, and one sentence that counts."""
    table = drawn(13, 300)
    infer(tmp_path, table)
    capsys.readouterr()
    rows = rows_of(predict_into(tmp_path, "x0,x1,c0\n1,2,l0\n1,2,new\n1,2,\n,2,l1\n1,2,l2\n"))
    assert [{row[f"{name}_k{label}"] == "" for name in PREFIXES for label in range(3)} for row in rows] == [
        {False}, {True}, {True}, {True}, {False}
    ]  # fmt: skip
    assert all(row["probability_k0"] for row in rows)
    assert "warning: 3 of 5 rows have no interval" in capsys.readouterr().err


def test_gaps_that_training_had_have_intervals(tmp_path: Path) -> None:
    """The indicator has a coefficient; a gap in another column has none."""

    class Gaps(Table):
        @property
        def encoder(self) -> Any:
            encoder = super().encoder
            first, second = encoder.numbers[:2]
            return replace(encoder, numbers=(replace(first, indicator=True), second))

    table = drawn(22, 300, numbers=3)
    table.numbers[:, 2] = np.arange(300) % 3 == 0  # stands where the indicator does
    infer(tmp_path, Gaps(**vars(table)))
    rows = rows_of(predict_into(tmp_path, "x0,x1,c0\n1,2,l0\n,2,l0\n1,,l0\n"))
    assert [row["low_k0"] == "" for row in rows] == [False, False, True]
    assert rows[0]["fitted_k0"] != rows[1]["fitted_k0"]


def test_bounds_hold_the_fit_at_any_confidence(tmp_path: Path) -> None:
    """Where they are nearer to it than rounding, they are not on its other side."""
    table = drawn(23, 300, classes=4)
    infer(tmp_path, table, confidence=1e-15)
    ours = bounds(tmp_path, table)
    assert ((ours["low"] <= ours["fitted"]) & (ours["fitted"] <= ours["high"])).all()
    np.testing.assert_allclose(ours["low"], ours["high"], rtol=1e-13)


def test_columns_that_the_fit_lacks_may_hold_anything(tmp_path: Path) -> None:
    """infer.columns takes some: values of others, seen or not, change nothing."""
    table = drawn(14, 300)
    infer(tmp_path, table, columns=["x0"])
    first, second = rows_of(predict_into(tmp_path, "x0,x1,c0\n1,2,l0\n1,,new\n"))
    added = [f"{name}_k{label}" for name in PREFIXES for label in range(3)]
    assert all(first[name] == second[name] != "" for name in added)


def test_columns_that_follow_from_others_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows in which they do not so have intervals of little worth, and nothing in the fit tells which these are."""
    table = drawn(15, 300, numbers=3)
    table.numbers[:, 2] = table.numbers[:, 0]
    infer(tmp_path, table)
    capsys.readouterr()
    predict_into(tmp_path, text_of(table))
    assert "warning: x2: left out of the inference fit" in capsys.readouterr().err


def test_a_table_on_the_screen_has_the_bounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four digits, nothing where there is none, and what fit they are of."""
    infer(tmp_path, drawn(16, 300))
    (tmp_path / "in.csv").write_text("x0,x1,c0\n1,2,l0\n1,2,new\n", encoding="utf-8")
    capsys.readouterr()
    predict.main(source=tmp_path / "in.csv", out=None, model=tmp_path / "models", reports=tmp_path / "reports")
    printed = capsys.readouterr()
    lines = [line.split() for line in printed.out.splitlines()]
    assert lines[0] == ["row", "predicted", "class", "logit", "probability", "rank", *PREFIXES]
    assert [len(line) for line in lines if "0.0000" in line] == [9, 7, 7, 6, 4, 4]
    assert (
        unwrapped(printed.out).count("of the inference fit: Softmax regression, maximum likelihood: a fit of its") == 1
    )
    assert "warning: 1 of 2 rows have no interval" in printed.err


@pytest.mark.parametrize(
    "label", ["[red]x[/red]", "\x1b[31mred", "=cmd|' /C calc'!A0", "a,b", 'say "no"', "two\nlines"]
)
def test_a_class_may_be_called_anything(tmp_path: Path, label: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Columns read back under its name, and empty cells stay empty where texts are quoted."""
    table = drawn(17, 200, classes=2)

    class Named(Table):
        @property
        def encoder(self) -> Any:
            return replace(super().encoder, classes=(label, "other"))

    named = Named(**vars(table))
    infer(tmp_path, named)
    known, unknown = rows_of(predict_into(tmp_path, "x0,x1,c0\n1,2,l0\n1,2,new\n"))
    assert all(0 < float(known[f"{name}_{label}"]) < 1 and unknown[f"{name}_{label}"] == "" for name in PREFIXES)
    assert capsys.readouterr().err.count("is a formula to spreadsheet programs") == label.startswith("=")


def test_standard_input_and_output_work(tmp_path: Path) -> None:
    """What is printed is the table alone; what the intervals are of goes to standard error."""
    table = drawn(18, 300)
    infer(tmp_path, table)
    written = predict_into(tmp_path, text_of(table)).read_bytes()
    folders = ["--model", str(tmp_path / "models"), "--reports", str(tmp_path / "reports")]
    ran = subprocess.run(
        [sys.executable, "-m", "pipeline", "predict", "-", "-o", "-", "--interval", *folders],
        input=text_of(table).encode(), capture_output=True, check=True,
    )  # fmt: skip
    assert ran.stdout == written
    assert b"of the inference fit" in ran.stderr
    assert list(csv.DictReader(io.StringIO(ran.stdout.decode())))


def test_plain_predictions_need_no_torch(tmp_path: Path) -> None:
    """The quantile of the confidence alone is its work."""
    infer(tmp_path, drawn(19, 200))
    (tmp_path / "in.csv").write_text("x0,x1,c0\n1,2,l0\n", encoding="utf-8")
    script = (
        "import sys\nfrom pathlib import Path\nfrom pipeline.commands import predict\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "predict.main(source=folder / 'in.csv', out=folder / 'out.csv', model=folder / 'models')\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


@pytest.fixture
def inferred(tmp_path: Path) -> Path:
    """A folder with model, inference and earlier predictions of a table of x0, x1, c0 in classes k0, k1 and k2."""
    table = drawn(20, 200)
    infer(tmp_path, table)
    predict_into(tmp_path, text_of(table))
    return tmp_path


def assert_refused(folder: Path, match: str, text: str = "x0,x1,c0\n1,2,l0\n") -> None:
    earlier = (folder / "scored.csv").read_bytes()
    with pytest.raises(UserError, match=match) as error:
        predict_into(folder, text)
    assert len(str(error.value)) < 700
    assert (folder / "scored.csv").read_bytes() == earlier


@pytest.mark.parametrize("name", ["inference.json", "covariance.safetensors"])
def test_a_missing_file_is_named(inferred: Path, name: str) -> None:
    """With the command that writes it."""
    (inferred / "reports" / name).unlink()
    assert_refused(inferred, rf"{name}: no such file; run `dvc repro`")


def test_a_refused_inference_says_why(tmp_path: Path) -> None:
    """The sentence that stands in the place of the table."""
    table = drawn(21, 200)
    infer(tmp_path, table, enabled=False)
    (tmp_path / "scored.csv").write_bytes(b"earlier")
    assert_refused(
        tmp_path, r"inference\.json: no covariance, so no intervals: infer\.enabled is false in params\.yaml"
    )


def test_an_inference_of_another_model_is_refused(inferred: Path) -> None:
    """Its key is not the model's."""
    trained = model.load(inferred / "models")
    model.save(inferred / "models", replace(trained, bias=trained.bias + 1))
    assert_refused(inferred, r"inference\.json: expected the inference of the model in .*; run `dvc repro`")


@pytest.mark.parametrize(
    "change",
    [{"confidence": 1.5}, {"confidence": 0}, {"model_key": None}, {"base_levels": 3}, {"left_out": "x"}],
)
def test_a_damaged_document_is_refused(inferred: Path, change: dict[str, Any]) -> None:
    """Fields that intervals need, of another type or out of range."""
    path = inferred / "reports" / "inference.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    assert_refused(inferred, r"inference\.json: .*dvc repro")


@pytest.mark.parametrize("change", [{"coefficients": 9}, {"reference": "k9"}])
def test_a_covariance_of_another_inference_is_refused(inferred: Path, change: dict[str, Any]) -> None:
    """The document counts its coefficients, and names the class that has none."""
    path = inferred / "reports" / "inference.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    assert_refused(inferred, r"covariance\.safetensors: expected the coefficients that .*; run `dvc repro`")


@pytest.mark.parametrize("out", ["reports/inference.json", "reports/covariance.safetensors"])
def test_what_is_read_is_never_written(inferred: Path, out: str) -> None:
    """The inference neither."""
    before = (inferred / out).read_bytes()
    with pytest.raises(UserError, match="one of the files that are read"):
        predict_into(inferred, "x0,x1,c0\n1,2,l0\n", out)
    assert (inferred / out).read_bytes() == before


Tensors = dict[str, np.ndarray]


def changed(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Tensors], Tensors]:
    return lambda tensors: tensors | {name: change(tensors[name])}


def put(place: Any, value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(tensor: np.ndarray) -> np.ndarray:
        result = tensor.copy()
        result[place] = value
        return result

    return change


# theta is (7, 3), its rows x0, x1, l0, l1, l2, <unseen> and b; free are rows 0, 1, 3, 4 and 6 of two classes.
FORGERIES: dict[str, Callable[[Tensors], Tensors]] = {
    "nothing": lambda tensors: {},
    "no labels": lambda tensors: {name: tensors[name] for name in ("theta", "covariance", "columns")},
    "one tensor more": lambda tensors: tensors | {"more": np.zeros(1)},
    "float32": changed("covariance", lambda tensor: tensor.astype(np.float32)),
    "another model's theta": changed("theta", lambda tensor: tensor[1:].copy()),
    "a covariance of fewer": changed("covariance", lambda tensor: tensor[1:, 1:].copy()),
    "a NaN in theta": changed("theta", put((0, 0), np.nan)),
    "an infinite variance": changed("covariance", put((0, 0), np.inf)),
    "columns of int32": changed("columns", lambda tensor: tensor.astype(np.int32)),
    "columns in two rows": changed("columns", lambda tensor: tensor[None]),
    "no column": changed("columns", lambda tensor: tensor[:0]),
    "a column below 0": changed("columns", put(0, -1)),
    "a column past b": changed("columns", put(4, 7)),
    "columns that fall": changed("columns", lambda tensor: tensor[::-1].copy()),
    "a column twice": changed("columns", put(1, 0)),
    "a label below 0": changed("labels", put(0, -1)),
    "a label past k": changed("labels", put(1, 3)),
    "a label too few": changed("labels", lambda tensor: tensor[:1]),
    "a base level with a coefficient": changed("theta", put((2, slice(None)), 1.0)),
    "a coefficient past every table": changed("theta", put((0, slice(None)), 1e300)),
    "means of fewer columns": changed("means", lambda tensor: tensor[1:]),
    "a mean of nothing": changed("means", put(0, np.nan)),
    "a mean past any column's": changed("means", put(0, 1e200)),
    "a negative variance": changed("covariance", put((3, 3), -1e-9)),
    "a covariance without its mirror": changed("covariance", put((1, 2), 0.1)),
    "a variance of a sum below 0": changed("covariance", lambda tensor: np.diag(np.diag(tensor)) * 3 - tensor),
    "covariances of nothing": changed("covariance", lambda tensor: np.ones_like(tensor) - np.eye(len(tensor))),
    "covariances past float64 beside their variances": changed(
        "covariance", lambda tensor: 1e200 + np.eye(len(tensor)) * (1e-300 - 1e200)
    ),
    "variances past float64": changed("covariance", lambda tensor: tensor * 1e300),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_damaged_covariance_is_refused(inferred: Path, forgery: str) -> None:
    """Of other tensors, types, shapes or values than infer's."""
    path = inferred / "reports" / "covariance.safetensors"
    path.write_bytes(safetensors.numpy.save(FORGERIES[forgery](safetensors.numpy.load(path.read_bytes()))))
    assert_refused(inferred, r"covariance\.safetensors: .*run `dvc repro`")


def test_a_covariance_that_was_cut_short_is_refused(inferred: Path) -> None:
    """Anywhere, and so are other files in its place."""
    path = inferred / "reports" / "covariance.safetensors"
    whole = path.read_bytes()
    for content in (b"", whole[:7], whole[:-1], whole + b"\0", b"{}", b"\xff" * 100):
        path.write_bytes(content)
        assert_refused(
            inferred, r"covariance\.safetensors: expected safetensors, got something else: .*run `dvc repro`"
        )
