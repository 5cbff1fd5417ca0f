"""Stage 5: a model becomes metrics, one line a row with its probabilities, and plot tables."""

from pathlib import Path

from pipeline import files, screen
from pipeline import model as models
from pipeline.dataset import reader
from pipeline.errors import UserError, quoted
from pipeline.evaluate import metrics, plots
from pipeline.evaluate.decisions import decision_records, realised_costs
from pipeline.evaluate.metrics_json import metrics_document
from pipeline.evaluate.params import EvaluateParams
from pipeline.evaluate.predict_splits import compute_logits_only, predict_splits
from pipeline.evaluate.prediction_sets import SetCounts, prediction_set_records
from pipeline.evaluate.slices.document import slices_document
from pipeline.output_files import HEADLINE_FILE, METRICS_FILE, PLOTS_FOLDER, PREDICTIONS_FILE, SLICES_FILE
from pipeline.parallel import workers
from pipeline.results import verdict
from pipeline.scoring import decision, predictions


def main(*, params: EvaluateParams, prepared: Path, model: Path, out: Path) -> None:
    """Read ``prepared`` and ``model``, score every split, and write the reports into ``out``.

    Raises: UserError if a file is missing or damaged, or if the model was trained on other data than ``prepared``.
    """
    # Open: the dataset, and the model that was trained on it.
    with screen.bar("reading rows"):
        dataset = reader.open_dataset(prepared)
    trained = models.load(model)
    if trained.data_digest != dataset.digest:
        raise UserError(f"{model}: the model was trained on other data than {prepared} holds; run `dvc repro`")
    decided = decision.load(model, trained)
    if workers.rank():
        compute_logits_only(trained, dataset)
        return
    # Predict: every row of every split.
    rows = sum(split.rows for split in dataset.splits.values())
    with (
        screen.bar("predicting", rows, "rows") as bar,
        predictions.open_csv(out / PREDICTIONS_FILE, trained.classes) as write,
    ):
        sets = SetCounts(len(trained.classes))
        splits = predict_splits(trained, dataset, write, bar.advance, decided, sets.add)
    # Print: what makes a metric or a file doubtful.
    for split, predicted in splits.items():
        for sentence in metrics.doubts(predicted, trained.classes):
            screen.say(f"evaluate: {split}: {sentence}")
    if formula := predictions.formula_warning(out / PREDICTIONS_FILE, trained.classes):
        screen.say(formula)
    # Write: metrics of every split, plots of the last, which is the most held out.
    with screen.bar("computing metrics and plots"):
        document = metrics_document(splits, trained, params.calibration_bins)
        if records := prediction_set_records(sets, decided, trained.classes):
            document["prediction_sets"] = records
        if records := decision_records(splits, decided):
            document["decisions"] = records
        files.write_json(out / METRICS_FILE, document)
        files.write_json(out / HEADLINE_FILE, verdict.headline(document, trained.params, trained.result))
        drawn = list(splits)[-1]
        costs = realised_costs(splits[drawn], decided)
        sliced = slices_document(dataset, drawn, splits[drawn], params.slices, params.calibration_bins, costs)
        files.write_json(out / SLICES_FILE, sliced)
        plots.write(out / PLOTS_FOLDER, drawn, splits[drawn], trained, params.calibration_bins)
    for left_out in sliced["left_out"]:
        screen.say(f"warning: evaluate.slices: {quoted(left_out['column'])}: {left_out['reason']}")
    # Print: what came out, and where to read on.
    screen.say(f"evaluate: {verdict.sentence(document)}")
    screen.say("evaluate: `python -m pipeline summary` shows more, and what to do next")
