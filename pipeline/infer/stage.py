"""Stage 4: standard errors, tests and effects of a softmax regression, each with its own numerical error."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from pipeline import model as models
from pipeline import screen
from pipeline.dataset import reader
from pipeline.dataset.encoder import Encoder
from pipeline.errors import UserError
from pipeline.infer import outputs
from pipeline.infer.params import InferParams
from pipeline.infer.refusal import RefusalError
from pipeline.infer.specification import specify
from pipeline.parallel import workers

# What surrounds the writing of the files: of tables, or of the reason why there are none.
Around = Callable[[bool], AbstractContextManager[object]]


def main(
    *, params: InferParams, prepared: Path, model: Path, out: Path, around: Around = lambda _tables: nullcontext()
) -> None:
    """Read ``prepared`` and ``model``, fit, and write tables and covariance into ``out``.

    Where the data has no such table, the reason stands in its place. Raises: UserError if a file is missing or damaged,
    or a param does not fit the data.
    """
    # Open: the dataset, and the model that was trained on it.
    with screen.bar("reading rows"):
        dataset = reader.open_dataset(prepared)
    trained = models.load(model)
    if trained.data_digest != dataset.digest:
        raise UserError(f"{model}: the model was trained on other data than {prepared} holds; run `dvc repro`")
    # Look: what is to be fitted, if anything, before torch is loaded for it.
    try:
        specification = specify(dataset, trained, params)
    except RefusalError as refusal:
        with around(False):
            _refuse(refusal, dataset.encoder, out)
        return
    with around(True):
        with screen.bar("loading PyTorch"):
            from pipeline.infer.tables import tables
        # Fit: to the maximum of the likelihood, and make its tables.
        try:
            result = tables(specification)
        except RefusalError as refusal:
            _refuse(refusal, dataset.encoder, out)
            return
        if workers.rank():
            return
        # Write: tables, document and covariance.
        outputs.write(out, result, dataset.encoder)
        # Print: what the table is of, and how far it is from exact.
        for sentence in result.document["sentences"]:
            screen.say(f"infer: {sentence}")
        screen.say("infer: `python -m pipeline summary --inference` prints the table")


def _refuse(refusal: RefusalError, encoder: Encoder, out: Path) -> None:
    """Write the reason in the place of tables, and print it."""
    if not workers.rank():
        outputs.write(out, outputs.of_refusal(refusal), encoder)
        screen.say(f"infer: no table of coefficients: {refusal}")
