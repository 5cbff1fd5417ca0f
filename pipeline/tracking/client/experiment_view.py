"""The view of an experiment in MLflow's pages: its columns and charts, and its description, as tags of the experiment.

MLflow 3 keeps a view that a person saves as such a tag, opens it where an address has ``viewStateShareKey``, and lists
it in the menu Views. What the view does not name, MLflow adds below it. Read from the pages of MLflow 3.17:
``ExperimentPageUIState``, ``RunsChartsCardConfig`` and ``savedViewEnvelope`` in its sources.
"""

import json
from typing import Any

from pipeline.tracking.client.tags import NOTE_TAG

# Another name for another content: MLflow's pages remember a view by its name. At most 5,000 characters of value.
VIEW = "softmax"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"

_NAME = "What matters"

_COLUMNS = (
    *("attributes.`Run Name`", "runDateAndNestInfo"),  # the second is the time
    *("metrics.`eval/log_loss`", "metrics.`eval/accuracy`", "metrics.`train/bound`"),
    "metrics.`train/l2`",  # a number also where `auto` chose it, by which the table can be sorted
    *("params.`train.solver`", "params.`train.lr`", "attributes.`Dataset`"),
)
_WIDTHS = {"attributes.`Run Name`": 290, "runDateAndNestInfo": 130, "attributes.`Dataset`": 230}

# Of a description that is not unfolded, MLflow shows the first line.
_NOTE = """A run for each training: **the lower `eval/log_loss`, the better**. *Views, What matters* has the columns.

`eval/log_loss` (nats) and `eval/accuracy` are of the test rows, or of the validation or training rows where there are
none. `train/bound` is how many nats the cost lies above the optimum at most. The charts of the view are the cost by
epoch, these two, and the model's weights. A sweep is a run with a run below it for each l2.
`python -m pipeline compare` says what differs between two runs.
"""


def tags() -> dict[str, str]:
    """The tags of an experiment that MLflow's pages read."""
    return {NOTE_TAG: _NOTE, VIEW_TAG: _view()}


def _view() -> str:
    sections = [
        _section("s1", "Cost and error", columns=3, height=360),
        _section("s2", "Weights", columns=1, height=340),
    ]
    charts = [
        _chart("c1", "LINE", "s1", metricKey="by epoch/cost", selectedMetricKeys=["by epoch/cost"], scaleType="log"),
        _chart("c2", "BAR", "s1", metricKey="eval/log_loss"),
        _chart("c3", "BAR", "s1", metricKey="eval/accuracy"),
        _chart("c4", "IMAGE", "s2", imageKeys=["weights/final"], step=0, showRunParams=False),
    ]
    state = {
        "selectedColumns": _COLUMNS,
        "columnOrder": _COLUMNS,
        "columnWidths": _WIDTHS,
        "compareRunCharts": charts,
        "compareRunSections": sections,
        "isAccordionReordered": True,
        "hideEmptyCharts": True,
    }
    return json.dumps({"name": _NAME, "createdAt": 0, "state": json.dumps(state)})


def _section(uuid: str, name: str, *, columns: int, height: int) -> dict[str, Any]:
    return {
        **{"uuid": uuid, "name": name, "display": True, "isReordered": True, "deleted": False, "isGenerated": False},
        **{"columns": columns, "cardHeight": height},
    }


def _chart(uuid: str, kind: str, section: str, **settings: Any) -> dict[str, Any]:
    fixed = {"uuid": uuid, "type": kind, "metricSectionId": section, "deleted": False, "isGenerated": False}
    return {**fixed, "runsCountToCompare": 10, **settings}
