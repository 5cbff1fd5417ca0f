"""The content of slices.json: what evaluate.slices asks for, of one split.

``slices`` has a record a slice, ``disparities`` one a column, measure and class, ``left_out`` one a column that has no
slices, with the reason. A value None is not defined in those rows.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from pipeline.dataset.columns import Class
from pipeline.dataset.reader import Dataset
from pipeline.evaluate.metrics import Predictions
from pipeline.evaluate.slices.columns import NoSlicesError, slice_column
from pipeline.evaluate.slices.disparities import disparity_records
from pipeline.evaluate.slices.measures import Record, slice_records
from pipeline.evaluate.slices.sums import slice_sums


def slices_document(
    dataset: Dataset,
    split: str,
    predictions: Predictions,
    columns: Sequence[str],
    bins: int,
    costs: NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """Slices of the rows of ``split`` that ``predictions`` are of, all of positive weight.

    ``costs`` (n,) are those of each row's decision. p-values are adjusted for all slices of all columns (Benjamini and
    Hochberg 1995), so that of the slices below 0.05 one in twenty at most is expected to be noise.
    """
    classes: Sequence[Class] = dataset.encoder.classes
    slices: list[Record] = []
    disparities: list[Record] = []
    left_out: list[Record] = []
    for name in columns:
        try:
            column = slice_column(dataset, name, split)
        except NoSlicesError as reason:
            left_out.append({"column": name, "reason": str(reason)})
            continue
        sums = slice_sums(predictions, column, costs)
        slices += slice_records(predictions, column, sums, classes, bins)
        disparities += disparity_records(column, sums, classes)
        if sums.of_classes is None:
            many = f"{len(column.labels)} slices of {len(classes):,} classes are too many for rates of each class"
            left_out.append({"column": name, "reason": many})
    tested = [record for record in slices if record["p_value"] is not None]
    adjusted = false_discovery_control([record["p_value"] for record in tested]) if tested else []
    for record in slices:
        record["adjusted_p_value"] = None
    for record, p_value in zip(tested, adjusted, strict=True):
        record["adjusted_p_value"] = float(p_value)
    return {
        "slices": [{"split": split} | record for record in slices],
        "disparities": [{"split": split} | record for record in disparities],
        "left_out": left_out,
    }
