"""Stage 3: scaling, prediction sets and costs, as decision.json, which predict and evaluate apply."""

import json
from pathlib import Path

from pipeline import model as models
from pipeline import screen
from pipeline.dataset import reader
from pipeline.dataset.columns import Class
from pipeline.decide.calibrate import calibrate
from pipeline.decide.given_costs import cost_matrix, threshold_of_each
from pipeline.decide.params import DecideParams
from pipeline.decide.quantiles import prediction_sets
from pipeline.decide.rows import SplitBlocks
from pipeline.errors import UserError
from pipeline.output_files import DECISION_FILE
from pipeline.scoring import decision
from pipeline.scoring.costs import missing, zero_one
from pipeline.scoring.decision import FORMAT, CostsForm, DecisionForm


def main(*, params: DecideParams, prepared: Path, model: Path, out: Path) -> None:
    """Read ``prepared`` and ``model``, and write decision.json into ``out``, the model's folder.

    What the rows cannot give has a sentence in its place. Raises: UserError if a file is missing or damaged, or costs
    or thresholds do not fit the classes.
    """
    # Open: the dataset, and the model that was trained on it.
    with screen.bar("reading rows"):
        dataset = reader.open_dataset(prepared)
    trained = models.load(model)
    if trained.data_digest != dataset.digest:
        raise UserError(f"{model}: the model was trained on other data than {prepared} holds; run `dvc repro`")
    # Decide: by costs or thresholds, which are wrong whatever the rows are.
    costs = costs_of(params, trained.classes)
    # Fit: scaling and quantiles on the validation rows; judge: the scaling on the test rows.
    validation, test = (SplitBlocks(trained, dataset, split) for split in ("validation", "test"))
    with screen.bar("scaling probabilities"):
        calibration = calibrate(params, trained, validation, test)
    with screen.bar("computing prediction sets"):
        sets = prediction_sets(params, trained, validation)
    # Write: what was decided on, and print it.
    form = DecisionForm(
        format=FORMAT,
        model=trained.key,
        settings=json.loads(json.dumps(params.model_dump())),  # of classes that are no text JSON has the text
        calibration=calibration,
        sets=sets,
        costs=costs,
    )
    decision.save(out / DECISION_FILE, form)
    screen.say(f"decide: calibration {params.calibration}: {calibration.reason}")
    screen.say(f"decide: {sets.reason}")
    for note in dict.fromkeys([*calibration.notes, *sets.notes]):
        screen.say(f"decide: {note}")


def costs_of(params: DecideParams, classes: list[Class]) -> CostsForm | None:
    """Costs in the order of the classes, if any are asked for. Raises: UserError if they do not fit the classes."""
    thresholds = None
    if params.thresholds is not None:
        thresholds = threshold_of_each(params.thresholds, classes)
        matrix = missing(1 / thresholds)
    elif params.costs is not None:
        matrix = cost_matrix(params.costs, classes)
    elif params.abstain is not None:
        matrix = zero_one(len(classes))
    else:
        return None
    return CostsForm(
        classes=classes,
        matrix=matrix.tolist(),
        thresholds=None if thresholds is None else thresholds.tolist(),
        abstain=params.abstain,
    )
