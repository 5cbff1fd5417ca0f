"""Train with every solver on one prepared folder: `torchrun ... -m tests.train_every_solver PREPARED OUT`.

One process for all solvers, because starting it takes longer than the trainings.
"""

import sys
from pathlib import Path

from pipeline.parallel import workers
from pipeline.train import stage as train
from pipeline.train.params import TrainParams

SOLVERS = {
    "sgd": {"solver": "sgd", "lr": 0.5, "epochs": 5, "momentum": 0.9},
    "sgd_batches": {"solver": "sgd", "lr": 0.1, "epochs": 1, "batch_size": 9000},
    "adam_balanced": {"solver": "adam", "lr": 0.05, "epochs": 5, "class_weight": "balanced"},
    "float32": {"solver": "sgd", "lr": 0.5, "epochs": 3, "precision": "float32"},
    "newton": {"solver": "newton", "l2": 1e-3, "epochs": 50},
    "lbfgs": {"solver": "lbfgs", "l2": 1e-3, "epochs": 200},
    "sparse": {"solver": "newton", "l1": 1e-3, "l2": 1e-4, "epochs": 50},
    "l2_auto": {"solver": "auto", "l2": "auto", "epochs": 100, "tolerance": 1e-6},
    "auto_without_penalty": {"solver": "auto", "epochs": 100},
}


def main(prepared: Path, out: Path) -> None:
    """Write a folder of model files for each solver."""
    with workers.process_group():
        for name, chosen in SOLVERS.items():
            params = TrainParams.model_validate({"seed": 1, "snapshot_every": 10} | chosen)
            train.main(params=params, prepared=prepared, out=out / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
