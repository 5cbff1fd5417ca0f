"""A digest of every number of inference: `torchrun ... -m tests.infer.numerics.all_numbers OUT`."""

import hashlib
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch

from pipeline.infer.numerics import effects, likelihood
from pipeline.infer.numerics.covariance import cluster_scores
from pipeline.infer.numerics.influence import most_influential
from pipeline.parallel import workers
from tests.infer.numerics.tables import TABLES, maximum_of, reference, rows_of


def main(out: Path) -> None:
    """Worker 0 writes it, of a table of two blocks."""
    with workers.process_group():
        problem = TABLES["weights"]
        rows = rows_of(problem, 2, 256)
        free = reference(rows)
        found = maximum_of(rows, free)
        sums = likelihood.pass_over(rows, found.theta, likelihood.Asked(thirds=True))
        clusters = torch.split(torch.arange(len(problem.labels)) % 30, 256)
        at = effects.at_settings(rows, free, found.theta, [effects.Setting(0, 0.5)])
        influence = most_influential(rows, free, found.theta, found.factor.inverse(), 9)
        digest = hashlib.sha256()
        results = [found.theta, found.information, sums.thirds, at.values, at.derivatives]
        results += [cluster_scores(rows, found.theta, free, clusters, 30)]
        results += [getattr(influence, field.name) for field in fields(influence)]
        for result in results:
            digest.update(np.asarray(result).tobytes())
        if workers.rank() == 0:
            out.write_text(digest.hexdigest())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
