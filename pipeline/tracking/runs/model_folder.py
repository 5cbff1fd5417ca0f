"""A model as a folder that MLflow loads, serves and registers: all but the files that `train` wrote."""

import json
import platform
from importlib import metadata
from pathlib import Path

from mlflow.models import Model as MlflowModel

from pipeline.output_files import DECISION_FILE, RANGES_FILE
from pipeline.predictor import ranges
from pipeline.predictor.scorer import Scorer
from pipeline.repository import pins, project
from pipeline.scoring import decision as decisions
from pipeline.scoring.decision import NO_CHANGE
from pipeline.tracking.runs import carried_code, signature
from pipeline.tracking.runs.outputs import PreparedData, Training

# Where a model has the files of `train` and `decide`.
FILES_FOLDER = "artifacts"

# What the carried code imports, and what loads it.
REQUIREMENTS = ("mlflow", "narwhals", "numpy", "pandas", "pyarrow", "pydantic", "safetensors")

_SCRIPT = Path(__file__).with_name("softmax_model.py")
_CODE_FOLDER = "code"
_EXAMPLE_FILE, _REQUEST_FILE = "input_example.json", "serving_input_example.json"
_REQUIREMENTS_FILE, _PYTHON_FILE = "requirements.txt", "python_env.yaml"


def write(
    folder: Path, model_id: str, run_id: str, data: PreparedData, training: Training, decision: bytes | None
) -> None:
    """Fill ``folder`` with what a model has beside the files of `train`, whose place is ``FILES_FOLDER``.

    ``decision`` is the content of decision.json, if there is one.
    """
    name, code = carried_code.archive()
    (folder / _CODE_FOLDER).mkdir()
    (folder / _CODE_FOLDER / f"{name}.zip").write_bytes(code)
    (folder / _SCRIPT.name).write_bytes(_SCRIPT.read_bytes())
    example = signature.example(training.model.encoder)
    table = {"columns": [*example], "data": [[*example.values()]]}
    texts = {
        _REQUIREMENTS_FILE: "\n".join(requirements()) + "\n",
        _PYTHON_FILE: _python(),
        _EXAMPLE_FILE: json.dumps(table),
        _REQUEST_FILE: json.dumps({"dataframe_split": table}),
    }
    for file, text in texts.items():
        (folder / file).write_bytes(text.encode())
    (folder / FILES_FOLDER).mkdir()
    (folder / FILES_FOLDER / RANGES_FILE).write_bytes(ranges.content(data.ranges, data.digest))
    write_decided(folder, model_id, run_id, training, decision)


def write_decided(folder: Path, model_id: str, run_id: str, training: Training, decision: bytes | None) -> None:
    """Write into ``folder`` only what differs between a model with and without a decision."""
    decided = NO_CHANGE
    if decision is not None:
        decided = decisions.parse(decision, training.model, training.folder / DECISION_FILE)
        (folder / FILES_FOLDER).mkdir(exist_ok=True)
        (folder / FILES_FOLDER / DECISION_FILE).write_bytes(decision)
    mlmodel = MlflowModel(
        artifact_path=f"models:/{model_id}",
        run_id=run_id,
        model_uuid=model_id,
        model_id=model_id,
        signature=signature.signature(Scorer(training.model, decided)),
        saved_input_example_info={
            "artifact_path": _EXAMPLE_FILE,
            "serving_input_path": _REQUEST_FILE,
            "type": "dataframe",
            "pandas_orient": "split",
        },
        metadata={"columns": signature.column_types(training.model.encoder)},
    )
    # As mlflow.pyfunc.add_to_model writes it, whose import takes 30 ms and infers types that nobody asked for.
    places = {"model": FILES_FOLDER, "code": f"{_CODE_FOLDER}/{carried_code.archive()[0]}.zip"}
    mlmodel.add_flavor(
        "python_function",
        loader_module="mlflow.pyfunc.loaders.code_model",
        python_version=platform.python_version(),
        env={"virtualenv": _PYTHON_FILE},
        model_code_path=_SCRIPT.name,
        artifacts={place: {"path": path, "uri": path} for place, path in places.items()},
    )
    mlmodel.save(str(folder / "MLmodel"))


def requirements() -> list[str]:
    """``NAME==VERSION`` a package: as requirements.lock has it, else as it is installed."""
    lock = project.project_root() / pins.PINS_FILE
    pinned = pins.parse_pins(lock.read_text(encoding="utf-8")) if lock.is_file() else {}
    return [f"{name}=={pinned.get(name) or metadata.version(name)}" for name in REQUIREMENTS]


def _python() -> str:
    """The environment as MLflow's virtualenv and uv read it."""
    build = "".join(f"- {package}\n" for package in ("pip", "setuptools", "wheel"))
    return (
        f"python: {platform.python_version()}\nbuild_dependencies:\n{build}dependencies:\n- -r {_REQUIREMENTS_FILE}\n"
    )
