"""The name and the description of a run."""

from typing import Any

import pytest

from pipeline.numerics.solvers.status import Status
from pipeline.params import read_params
from pipeline.repository.git import Commit
from pipeline.repository.project import Experiment
from pipeline.tracking.runs import description, outputs
from pipeline.train.outcome import MEANING
from tests.project import SOURCE
from tests.tracking.outputs import PARAMS, Project

DATA = outputs.PreparedData("data/raw/toy.csv", "0123456789", {"train": 1200, "test": 3}, {})

STEPS = {"solver": "sgd", "epochs": 7}


def named(train: dict[str, Any], prepare: dict[str, Any] | None = None, experiment: Experiment | None = None) -> str:
    """The name of a run with these params."""
    return description.run_name({"train": train, "prepare": prepare or {}}, experiment)


@pytest.mark.parametrize(
    ("train", "prepare", "expected"),
    [
        ({"solver": "sgd", "lr": 0.1, "seed": 1, "snapshot_every": 9}, {}, "sgd lr=0.1"),
        ({"solver": "adam", "lr": 1e-3, "l2": 0.0, "seed": 2}, {}, "adam lr=0.001 seed=2"),
        ({"solver": "sgd", "lr": 0.1, "momentum": 0.9, "epochs": 50}, {}, "sgd lr=0.1 momentum=0.9 epochs=50"),
        (STEPS | {"schedule": {"method": "cosine", "every": 9, "factor": 0.5}}, {}, "sgd schedule=cosine epochs=7"),
        (STEPS | {"schedule": {"method": "step", "every": 9}}, {}, "sgd schedule=step schedule.every=9 epochs=7"),
        (STEPS | {"schedule": {"method": "constant", "every": 9}}, {}, "sgd epochs=7"),
        (STEPS, {"standardise": True, "split": {"method": "none", "seed": 3}}, "sgd standardise epochs=7"),
        (STEPS, {"split": {"method": "seed", "seed": 3, "test": 0.2}}, "sgd split.seed=3 epochs=7"),
        (STEPS, {"split": {"method": "hash", "seed": 0, "column": "fold"}}, "sgd split=hash epochs=7"),
        ({"solver": "newton", "lr": None, "l2": 0.003, "seed": 4, "epochs": 99}, {}, "newton l2=0.003"),
        ({"solver": "auto", "l2": "auto", "class_weight": "balanced"}, {}, "auto l2=auto class_weight=balanced"),
        ({"solver": "lbfgs", "l2": 0.1}, {"features": ["a", "b"], "categories": []}, "lbfgs l2=0.1 2 columns"),
        ({}, {}, "run"),
    ],
)
def test_run_name_says_what_is_special(train: dict[str, Any], prepare: dict[str, Any], expected: str) -> None:
    """Solver, learning rate and penalty first, then every setting that is not usual and that the solver reads."""
    assert named(train, prepare) == expected


def test_run_name_tells_the_l2_that_was_chosen() -> None:
    """Where the training chose l2 itself, the name has the value."""
    params = {"train": {"solver": "newton", "l2": "auto"}}
    assert description.run_name(params, None, l2=0.0123456789) == "newton l2=0.0123457"


def test_the_shipped_params_have_a_short_name() -> None:
    """None of the knobs that stand in params.yaml with their usual value is said."""
    assert description.run_name(read_params(SOURCE / "params.yaml"), None) == "sgd lr=0.1 epochs=1001"


def test_run_name_begins_with_the_dvc_experiment() -> None:
    """A DVC experiment is found by its name."""
    assert named({"solver": "sgd"}, experiment=Experiment("ruddy-kaka", None)) == "ruddy-kaka: sgd"


def test_run_name_is_never_longer_than_a_line() -> None:
    """A name is cut with an ellipsis."""
    name = named({"solver": "sgd", "class_weight": {f"class {number}": 1.5 for number in range(50)}})
    assert (len(name), name[-1]) == (60, "…")


def test_description_has_the_verdict_first_and_the_way_back_last(project: Project) -> None:
    """Metrics of the main split, how it was fitted, data, and the command that brings the commit back: a line each."""
    training = outputs.read_training(project.paths["models"])
    metrics = outputs.read_metrics(project.paths["reports"])
    text = description.description(DATA, training, description.way_back(Commit("a" * 40, "main", False), None), metrics)
    assert text.split("  \n") == [
        "**train log loss 0.2500 nats, accuracy 0.7500**; class frequencies alone 1.1000, 0.4000",
        "sgd; 5 epochs (epochs done); 3 classes, 3 features",
        "toy `01234567`: 1,200 train, 3 test rows from `data/raw/toy.csv`",
        f"`git checkout {'a' * 12} && dvc checkout`",
    ]


def test_description_has_the_training_rows_beside_the_main_split(project: Project) -> None:
    """How far test and training rows are apart stands in the first line."""
    training = outputs.read_training(project.paths["models"])
    metrics = outputs.read_metrics(project.paths["reports"])
    metrics |= {"validation": {"log_loss": 0.3, "accuracy": 0.7}, "test": {"log_loss": 0.4, "accuracy": None}}
    verdict = description.description(DATA, training, None, metrics).split("  \n")[0]
    assert verdict == "**test log loss 0.4000 nats, accuracy not defined**; train 0.2500, 0.7500"


def test_description_tells_the_l2_in_force_and_the_bound(project: Project) -> None:
    """The l2 that was chosen goes before that of the params, which may be a word; a proven bound is said."""
    training = outputs.read_training(project.paths["models"])
    training.model.params["l2"] = "auto"
    assert ", l2" not in description.description(DATA, training, None, None)
    training.model.result.update(l2=0.003, status="converged", bound=2.34e-12)
    text = description.description(DATA, training, None, None)
    training.model.params["solver"], training.model.result["method"] = "auto", "newton"
    assert "auto (newton), l2 0.003; 5" in description.description(DATA, training, None, None)
    assert "sgd, l2 0.003; 5 epochs (converged, at most 2e-12 nats above the optimum); 3 classes" in text


@pytest.mark.parametrize("status", [Status.WORSE_THAN_BASELINE, Status.SEPARABLE])
def test_description_says_second_what_went_wrong(project: Project, status: Status) -> None:
    """A training that did not end well is told with what to do, among the lines that MLflow does not fold away."""
    training = outputs.read_training(project.paths["models"])
    training.model.result.update(status=status.value, meaning=MEANING[status])
    verdict, trouble, fitted, *_ = description.description(DATA, training, None, None).split("  \n")
    assert verdict.startswith("**final cost")
    assert trouble.endswith(MEANING[status])
    assert f"({status.value.replace('_', ' ')}" in fitted


def test_description_before_the_evaluation_tells_the_final_cost(project: Project) -> None:
    """Without metrics the cost stands in their place; without a commit nothing is said of one."""
    text = description.description(DATA, outputs.read_training(project.paths["models"]), None, None)
    assert text.startswith("**final cost 0.125000 nats**")
    assert "git" not in text
    assert PARAMS["train"]["solver"] in text
