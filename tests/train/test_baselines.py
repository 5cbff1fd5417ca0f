"""A training that ends worse than it began, or than the class shares alone, says so; no other does."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import entropy

from pipeline.evaluate import stage as evaluate
from pipeline.evaluate.params import EvaluateParams
from pipeline.numerics.data.block import Parameters
from pipeline.numerics.objective.evaluation import Evaluation
from pipeline.numerics.objective.plain import PlainObjective
from pipeline.numerics.solvers import loop
from pipeline.numerics.solvers.status import Status
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.train import baselines, solvers
from pipeline.train import stage as train
from pipeline.train.outcome import MEANING
from pipeline.train.params import TrainParams
from tests.problems import Problem, solve, synthetic
from tests.terminal import unwrapped

PROBLEM = synthetic(300, 3, (4,), 3)
TOTALS = np.bincount(PROBLEM.labels).astype(np.float64)


def _judged(
    problem: Problem,
    early_stopping: loop.EarlyStopping | None = None,
    start: Parameters | None = None,
    **settings: object,
) -> baselines.Judgement:
    params = TrainParams(**{"solver": "sgd", "seed": 0, "epochs": 30, "snapshot_every": 1} | settings)
    objective = partial(
        PlainObjective,
        columns=problem.columns,
        l2=params.l2,
        threads=1,
        precision=torch.float64,
        intercept=params.intercept,
    )
    begin = start or Parameters(torch.zeros(3, problem.columns).double(), torch.zeros(3).double())
    method = solvers.make(params, problem.data(), begin, objective)
    held_out = objective(problem.blocks()).loss if early_stopping else None
    result = loop.run(method, params.epochs, lambda *_: None, held_out, early_stopping)
    outcome = method.outcome(result.parameters, result.epochs)
    totals = np.bincount(problem.labels, problem.weights, minlength=3).astype(np.float64)
    return baselines.judge(result.status, outcome.final, outcome.start, totals, params.intercept)


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("batch_size", ["full", 32, 1000])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("l2", [0.0, 1e-3])
def test_a_rate_too_high_is_told(solver: str, batch_size: str | int, intercept: bool, l2: float) -> None:
    """Whatever steps with it, with and without a penalty; a lower rate is not told."""
    settings = {"solver": solver, "batch_size": batch_size, "intercept": intercept, "l2": l2}
    bad = _judged(PROBLEM, lr=1.9e3 if solver == "sgd" else 50.0, **settings)
    assert bad.status is Status.WORSE_THAN_BASELINE
    assert any("where training began" in sentence for sentence in bad.sentences)
    good = _judged(PROBLEM, lr=0.05, **settings)
    assert (good.status, good.sentences) == (Status.EPOCHS_DONE, ())


def test_early_stopping_at_the_start_is_no_better_than_the_shares() -> None:
    """Every step is worse than the zeros that it began with, and these are worse than the shares."""
    unequal = PROBLEM.take(np.flatnonzero((PROBLEM.labels > 0) | (np.arange(300) < 20)))
    judged = _judged(unequal, loop.EarlyStopping(3, 0.0), lr=1e4)
    assert judged.status is Status.WORSE_THAN_BASELINE
    assert len(judged.sentences) == 1
    assert "of the class shares alone" in judged.sentences[0]
    assert _judged(unequal, loop.EarlyStopping(3, 0.0), lr=0.5).status is Status.EPOCHS_DONE


def test_a_stronger_penalty_than_at_the_start_is_not_told() -> None:
    """From the optimum of a weak penalty the cost rises and the objective falls: that is what was asked for."""
    start = solve(PROBLEM, l2=1e-4).parameters
    stronger = _judged(PROBLEM, start=start, lr=0.2, l2=0.3, epochs=200)
    assert (stronger.status, stronger.sentences) == (Status.EPOCHS_DONE, ())


@pytest.mark.parametrize("settings", [{"l2": 1e6}, {"l2": 10.0}, {"l1": 10.0}, {"l1": 10.0, "l2": 1.0}, {"l2": 1e-8}])
def test_an_optimum_is_never_told(settings: dict[str, float]) -> None:
    """However strong the penalty: at worst W is 0 and the cost is that of the shares, to rounding."""
    solved = solve(PROBLEM, tolerance=1e-8, **settings)
    judged = baselines.judge(Status.EPOCHS_DONE, solved.outcome.final, None, TOTALS, intercept=True)
    assert (judged.status, judged.sentences) == (Status.EPOCHS_DONE, ())


@pytest.mark.parametrize("intercept", [True, False])
def test_the_baseline_is_the_entropy_of_the_shares(intercept: bool) -> None:
    """scipy's entropy of the weighted shares, of a class without weight too; without b it is that of equal ones."""
    totals = np.array([0.5, 12.0, 0.0, 3.25])
    expected = entropy(totals / totals.sum() if intercept else np.full(4, 0.25))
    none = torch.zeros(0)
    for factor, status in ((1 - 1e-9, Status.EPOCHS_DONE), (1 + 1e-4, Status.WORSE_THAN_BASELINE)):
        final = Evaluation(expected * factor, 1.0, none, none)
        assert baselines.judge(Status.EPOCHS_DONE, final, None, totals, intercept).status is status


def test_other_endings_keep_their_status() -> None:
    """Those say by themselves that they did not arrive."""
    final = Evaluation(99.0, 0.0, torch.zeros(0), torch.zeros(0))
    for status in set(Status) - {Status.EPOCHS_DONE, Status.STOPPED_EARLY}:
        assert baselines.judge(status, final, final, TOTALS, intercept=True) == baselines.Judgement(status, ())


@pytest.mark.parametrize(("standardise", "status"), [(False, "worse_than_baseline"), (True, "epochs_done")])
def test_weighted_columns_as_they_come_are_told_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], standardise: bool, status: str
) -> None:
    """Masses in the thousands at a rate of 0.1: in the output, the model and the metrics; not so if standardised."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"mass": random.normal(4000, 800, 200), "w": random.integers(1, 4, 200)})
    frame["y"] = np.where(frame["mass"] + random.normal(0, 400, 200) > 4200, "big", "small")
    frame.to_csv(tmp_path / "t.csv", index=False)
    prepare.main(
        params=PrepareParams(source="", target="y", weights="w", standardise=standardise),
        source=tmp_path / "t.csv",
        out=tmp_path / "prepared",
    )
    params = TrainParams(
        solver="sgd", seed=1, epochs=50, lr=0.1, snapshot_every=50, class_weight={"big": 2.0, "small": 1.0}
    )
    train.main(params=params, prepared=tmp_path / "prepared", out=tmp_path / "models")
    evaluate.main(
        params=EvaluateParams(calibration_bins=10),
        prepared=tmp_path / "prepared",
        model=tmp_path / "models",
        out=tmp_path / "reports",
    )
    result = json.loads((tmp_path / "models/softmax.json").read_text(encoding="utf-8"))["result"]
    metrics = json.loads((tmp_path / "reports/metrics.json").read_text(encoding="utf-8"))
    assert result["status"] == metrics["solver"]["status"] == status
    assert result["meaning"] == MEANING[Status(status)]
    printed = unwrapped(capsys.readouterr().out)
    assert result["meaning"] in printed
    assert ("above the" in printed) is (status == "worse_than_baseline")
