"""The sections beside `prepare:` that `init` writes: training to the optimum with the penalty that predicts best, and
the rest as it is by default.
"""

from collections.abc import Container, Mapping
from typing import Any

from pipeline.commands.init.inspect_table import InspectedTable
from pipeline.commands.params_file import ParamsFile
from pipeline.commands.sweep.params import SweepParams
from pipeline.commands.yaml_text import as_dvc_writes, commented, to_yaml
from pipeline.dataset.columns import DATE_PARTS
from pipeline.decide.params import DecideParams
from pipeline.evaluate.params import EvaluateParams
from pipeline.infer.params import InferParams
from pipeline.params import descriptions
from pipeline.prepare.params import SplitParams
from pipeline.tracking.client.params import TrackingParams
from pipeline.train.cross_validation import penalties
from pipeline.train.params import CheckpointParams, TrainParams

# Steps at most, of which ten to a hundred are usual, and how often W and b are recorded on the way.
_EPOCHS = 1000
_SNAPSHOT_EVERY = 10


def train_section(table: InspectedTable) -> str:
    """The section `train` for the table, as YAML with comments."""
    split = SplitParams()
    rows = max(1, round(table.statistics.rows * (1 - split.validation - split.test)))
    classes = len(set(table.classes.values()))
    categories = len(table.statistics.levels)
    numbers = len(table.statistics.types) - categories + len(DATE_PARTS) * len(table.dated)
    is_small = penalties.work(rows, classes, numbers, categories) <= penalties.MOST_WORK
    meanings: dict[tuple[str, ...], str] = {}
    if not is_small:
        meanings["train", "l2"] = (
            "1 / training rows, as scikit-learn's C = 1; `python -m pipeline sweep` looks for a better one on all "
            "rows, auto on a sample of them"
        )
    params = TrainParams(
        solver="auto",
        seed=1,
        epochs=_EPOCHS,
        lr=None,
        l2="auto" if is_small else float(f"{1 / rows:.1g}"),
        snapshot_every=_SNAPSHOT_EVERY,
    )
    return _section("train", params.model_dump(), meanings)


def default_sections(present: Container[str]) -> str:
    """The sections that a params file lacks beside prepare and train, with their defaults."""
    sections: dict[str, Any] = {
        "sweep": SweepParams().model_dump(),
        "decide": DecideParams().model_dump(),
        "evaluate": EvaluateParams().model_dump(),
        "infer": InferParams().model_dump(),
        "workers": 1,
        "checkpoint": CheckpointParams().model_dump(),
        "tracking": TrackingParams().model_dump(),
    }
    return "".join(_section(name, values, {}) for name, values in sections.items() if name not in present)


def _section(name: str, values: Any, meanings: Mapping[tuple[str, ...], str]) -> str:
    """A section as DVC would write it, with the meaning of each param, or another one, behind it."""
    text = as_dvc_writes("".join(f"{line}\n" for line in _lines({name: values}, "")))
    return commented(text, descriptions(ParamsFile) | dict(meanings))


def _lines(values: Mapping[str, Any], indent: str) -> list[str]:
    lines = []
    for name, value in values.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}:", *_lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name}: {to_yaml(value)}")
    return lines
