"""`predict --at-means`: probabilities of a row that has the mean of every column, with their intervals."""

from pathlib import Path

from pipeline import model as models
from pipeline import screen
from pipeline.commands import class_tables, inference_fit
from pipeline.dataset.columns import class_text
from pipeline.scoring import probabilities
from pipeline.scoring.logits import logits_at

_DIGITS = 4


def main(*, model: Path, reports: Path) -> None:
    """Print a line for each class.

    Raises: UserError if a file is missing or damaged, of another model, or the rows have no covariance.
    """
    trained = models.load(model)
    inferred = inference_fit.load(reports, trained, model)
    probability = probabilities.softmax(logits_at(trained, inferred.means))[0]
    bounds = inferred.fit.at(inferred.means)
    table = class_tables.plain_table(["class", "probability", "fitted", "low", "high"])
    lines = zip(trained.classes, probability, bounds.fitted[0], bounds.low[0], bounds.high[0], strict=True)
    for label, *values in lines:
        cells = [class_tables.number(value, _DIGITS) for value in values]
        table.add_row(class_tables.name(class_text(label)), *cells)
    screen.say("At the mean of every column over the training rows; of a category, at the share of each level")
    class_tables.console().print(table)
    if inferred.warning is not None:
        screen.say(inferred.warning, error=True)
    screen.say(inferred.sentence)
