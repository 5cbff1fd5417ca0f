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
    return description.run_name({"train": train, "prepare": prepare or {}}, DATA, experiment)


@pytest.mark.parametrize(
    ("train", "prepare", "expected"),
    [
        ({"solver": "sgd", "lr": 0.1, "seed": 1, "snapshot_every": 9}, {}, "toy sgd lr=0.1 seed=1"),
        ({"solver": "adam", "lr": 1e-3, "l2": 0.0, "momentum": 0.9}, {}, "toy adam lr=0.001 momentum=0.9"),
        (STEPS | {"schedule": {"method": "cosine", "every": 9, "factor": 0.5}}, {}, "toy sgd schedule=cosine epochs=7"),
        (STEPS | {"schedule": {"method": "step", "every": 9}}, {}, "toy sgd schedule=step schedule.every=9 epochs=7"),
        (STEPS | {"schedule": {"method": "constant", "every": 9}}, {}, "toy sgd epochs=7"),
        (STEPS, {"standardise": True, "split": {"method": "none", "seed": 3}}, "toy sgd standardise=true epochs=7"),
        (STEPS, {"split": {"method": "seed", "seed": 3, "test": 0.2}}, "toy sgd split=seed split.seed=3 epochs=7"),
        ({"solver": "sgd"}, {"features": ["a", "b"], "categories": []}, "toy sgd features=2 columns"),
    ],
)
def test_run_name_says_what_is_special(train: dict[str, Any], prepare: dict[str, Any], expected: str) -> None:
    """Data, solver and learning rate first, then every setting that is not neutral."""
    assert named(train, prepare) == expected


def test_the_shipped_params_have_a_short_name() -> None:
    """None of the knobs that stand in params.yaml with their usual value is said."""
    shipped = read_params(SOURCE / "params.yaml")
    assert description.run_name(shipped, DATA, None) == "toy sgd lr=0.1 seed=1 epochs=1001"


def test_run_name_begins_with_the_dvc_experiment() -> None:
    """A DVC experiment is found by its name."""
    assert named({"solver": "sgd"}, experiment=Experiment("ruddy-kaka", None)) == "ruddy-kaka: toy sgd"


def test_run_name_is_never_longer_than_a_line() -> None:
    """A name is cut with an ellipsis."""
    name = named({"solver": "sgd", "class_weight": {f"class {number}": 1.5 for number in range(50)}})
    assert (len(name), name[-1]) == (100, "…")


def test_description_has_the_verdict_first_and_the_way_back_last(project: Project) -> None:
    """Metrics of the main split, data, a table of splits, and the command that brings the commit back."""
    training = outputs.read_training(project.paths["models"])
    metrics = outputs.read_metrics(project.paths["reports"])
    lines = description.description(
        DATA, training, description.way_back(Commit("a" * 40, "main", False), None), metrics
    ).split("\n\n")
    assert lines[0].startswith("**train log loss 0.2500 nats, accuracy 0.7500**; 3 classes, 3 features, sgd, 5 epochs")
    assert lines[1] == "toy `01234567`: 1,200 train, 3 test rows from `data/raw/toy.csv`"
    assert "| class frequencies, train | 1.1000 | 0.4000 |" in lines[2]
    assert lines[3] == f"`git checkout {'a' * 12} && dvc checkout`"


@pytest.mark.parametrize("status", [Status.WORSE_THAN_BASELINE, Status.SEPARABLE])
def test_description_says_second_what_went_wrong(project: Project, status: Status) -> None:
    """A training that did not end well is told with what to do, among the lines that MLflow does not fold away."""
    training = outputs.read_training(project.paths["models"])
    training.model.result.update(status=status.value, meaning=MEANING[status])
    verdict, trouble, *_ = description.description(DATA, training, None, None).split("\n\n")
    assert verdict.endswith(f"({status.value.replace('_', ' ')})")
    assert trouble.endswith(MEANING[status])


def test_description_before_the_evaluation_tells_the_final_cost(project: Project) -> None:
    """Without metrics the cost stands in their place; without a commit nothing is said of one."""
    text = description.description(DATA, outputs.read_training(project.paths["models"]), None, None)
    assert text.startswith("**final cost 0.125000 nats**")
    assert "git" not in text
    assert PARAMS["train"]["solver"] in text
