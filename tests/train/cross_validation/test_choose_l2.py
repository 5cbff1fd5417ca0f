"""train.l2 auto: the choice of a sweep, the model of the l2 chosen, and tables that leave little to choose by."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import model
from pipeline.commands.sweep import command
from pipeline.commands.sweep.params import SweepParams
from pipeline.dataset import reader
from pipeline.train import initial_point
from pipeline.train.cross_validation import choose_l2, folds, penalties
from pipeline.train.fit import fit
from pipeline.train.params import TrainParams
from tests.problems import Problem, numbers_only, synthetic
from tests.terminal import unwrapped
from tests.train.cross_validation.test_folds import prepared


def _params(**changes: object) -> TrainParams:
    given = {"solver": "auto", "seed": 0, "epochs": 1000, "snapshot_every": 1, "l2": "auto", "tolerance": 1e-6}
    return TrainParams.model_validate(given | changes)


def _choice(data: reader.Dataset) -> choose_l2.L2Choice:
    begin = initial_point.of(data.encoder, _params(), None).parameters
    return choose_l2.choose(data, _params(), None, begin)


def _noise(rows: int) -> Problem:
    random = np.random.default_rng(2)
    return numbers_only(random.normal(size=(rows, 8)).astype(np.float32), random.integers(0, 2, rows))


@pytest.mark.slow
def test_the_choice_is_the_lowest_of_a_sweep(tmp_path: Path) -> None:
    """Path, choice and standard error are those of `sweep` with its values and folds."""
    data = prepared(tmp_path / "a", synthetic(400))
    swept = command.sweep(data, SweepParams(), _params())
    choice = _choice(data)
    assert [line.row for line in choice.lines] == [line.row for line in swept.lines]
    assert choice.l2 == swept.lines[swept.lowest].l2
    told = choice.to_json()
    assert told["standard_error"] == swept.lines[swept.lowest].row["standard_error"]
    assert [line["l2"] for line in told["path"]] == penalties.on_scale(1.0, 1e-6, 13)


@pytest.mark.slow
def test_the_model_is_that_of_the_l2_chosen(tmp_path: Path) -> None:
    """W and b have the bits of a training with the number; the params keep the word, the result tells the number."""
    data = prepared(tmp_path / "a", synthetic(300))
    by_word, _ = fit(data, _params(), lambda _: None)
    by_number, _ = fit(data, _params(l2=by_word.result["l2"]), lambda _: None)
    assert np.array_equal(by_word.weights, by_number.weights)
    assert np.array_equal(by_word.bias, by_number.bias)
    assert (by_word.params["l2"], by_number.params["l2"]) == ("auto", by_word.result["l2"])
    assert by_word.result["l2_search"]["rows"] == 300
    model.save(tmp_path / "models", by_word)
    assert model.load(tmp_path / "models").result == by_word.result


def test_the_search_goes_on_beyond_an_end(tmp_path: Path) -> None:
    """Where columns tell nothing, ever stronger penalties predict better, and the path shows them."""
    choice = _choice(prepared(tmp_path / "a", _noise(200)))
    tried = [line.l2 for line in choice.lines]
    assert choice.l2 > 1
    assert tried == sorted(set(tried), reverse=True)
    assert choice.l2 == min(choice.lines, key=lambda line: line.estimate.mean).l2


def test_the_search_ends_where_nothing_is_gained(tmp_path: Path) -> None:
    """Classes that a column tells apart are predicted ever better by ever weaker penalties, by less and less."""
    labels = np.arange(30) % 2
    column = (labels + np.linspace(0, 0.1, 30)).astype(np.float32)[:, None]
    choice = _choice(prepared(tmp_path / "a", numbers_only(column, labels)))
    losses = [line.estimate.mean for line in choice.lines]
    assert losses == sorted(losses, reverse=True)
    assert choice.l2 == choice.lines[-1].l2 == 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("classes", [[0, 1, 0, 1], [0, 0, 0, 0, 0, 1, 1, 2]], ids=["few rows", "a class of one"])
def test_too_few_rows_have_an_l2_all_the_same(tmp_path: Path, classes: list[int]) -> None:
    """Rows that cannot be cut into folds get 1 / rows, with the reason; a class of one row is no hindrance."""
    problem = numbers_only(np.arange(len(classes), dtype=np.float32)[:, None], np.array(classes))
    fitted, _ = fit(prepared(tmp_path / "a", problem), _params(), lambda _: None)
    search = fitted.result["l2_search"]
    if len(classes) < penalties.FOLDS:
        assert fitted.result["l2"] == 1 / len(classes)
        assert "too few to choose l2" in search["reason"]
        assert search["path"] == []
    else:
        assert fitted.result["l2"] > 0
        assert search["path"]


@pytest.mark.slow
def test_a_large_table_is_judged_by_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The work is bounded and told before it begins; l2 is told for all rows, and near that of all rows."""
    data = prepared(tmp_path / "a", synthetic(4000))
    everything = _choice(data)
    encoder = data.encoder
    a_quarter = penalties.work(1000, len(encoder.classes), encoder.number_count, len(encoder.categories))
    monkeypatch.setattr(choose_l2, "MOST_WORK", a_quarter)
    sampled = _choice(data)
    printed = capsys.readouterr().out
    assert "a sample by content of the 4,000 training rows" in unwrapped(printed)
    assert 800 < sampled.rows < 1200
    assert sampled.of_rows == 4000
    assert 0.1 <= sampled.l2 / everything.l2 <= 10
    assert {line.l2 for line in sampled.lines} >= set(penalties.on_scale(1.0, 1e-6, 13))


def test_groups_stay_together(tmp_path: Path) -> None:
    """With a class in each group the folds are those of the groups, whatever the rows hold."""
    problem = synthetic(200)
    groups = np.repeat(np.arange(40, dtype=np.uint64), 5)
    data = prepared(tmp_path / "a", problem, groups=groups)
    cut = folds.cut(data, None, 5, 0)
    owners = [set(np.unique(part)) for part in _groups_of_folds(cut, problem, groups)]
    assert all(not one & other for one in owners for other in owners if one is not other)
    assert sum(len(own) for own in owners) == 40


def _groups_of_folds(cut: folds.Folds, problem: Problem, groups: np.ndarray) -> list[np.ndarray]:
    by_row = {row.tobytes(): group for row, group in zip(problem.numbers, groups, strict=True)}
    assert len(by_row) == len(groups)
    blocks = [torch.cat([cut.blocks[position].numbers for position in cut.inside(fold)]) for fold in range(cut.count)]
    return [np.array([by_row[row.tobytes()] for row in block.numpy()]) for block in blocks]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"solver": "sgd", "lr": 0.1}, "train.l2 a number with train.solver sgd"),
        ({"l1": 0.1}, "train.l2 a number with train.l1 0.1"),
        ({"early_stopping": {"patience": 3}}, "train.early_stopping.patience 3, got auto"),
        ({"l2": "best"}, "Input should be 'auto'"),
    ],
)
def test_params_that_cannot_choose_say_so(changes: dict[str, object], message: str) -> None:
    """Auto needs optima of l2 alone, and is the only word."""
    with pytest.raises(ValueError, match=message):
        _params(**changes)
