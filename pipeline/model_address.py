"""A trained model by the name that a person gives: its folder, a revision of git or DVC, a run or alias of MLflow."""

from pathlib import Path

from pipeline.predictor import scorer
from pipeline.predictor.predictor import Predictor


def load(address: str | Path = "models") -> Predictor:
    """The model at ``address``: the folder that `train` wrote, without torch, MLflow or DVC.

    Raises: UserError if there is none, or if it is damaged or forged.
    """
    return Predictor(scorer.load(Path(address)))
