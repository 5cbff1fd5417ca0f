"""How many training rows each class has."""

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.reader import Dataset
from pipeline.parallel import workers


def class_totals(dataset: Dataset) -> NDArray[np.float64]:
    """Training rows (or their sample weights, summed) in each class, shape (k,); all workers ask together."""
    classes, shards = len(dataset.encoder.classes), dataset.splits["train"].shards
    mine = [shards[place] for place in workers.local_range(len(shards))]
    counted = [[np.bincount(shard.labels, shard.weights, minlength=classes).astype(np.float64)] for shard in mine]
    totals = np.zeros(classes)
    for (part,) in workers.all_gather_arrays(counted):
        totals += part
    return totals
