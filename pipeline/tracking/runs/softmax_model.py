"""A softmax regression as MLflow loads it: this file is copied into each model, and needs no installed project.

Beside it lie ``artifacts/``, the files that train and decide wrote, and ``code/``, the package that applies them. That
package has a name of its own, so whatever else the process has loaded, a model computes with the code that it was
logged with.
"""

import hashlib
import importlib
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModel, PythonModelContext


class SoftmaxModel(PythonModel):
    """Rows of a data frame in; for each of them what `python -m pipeline predict -o` writes."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model. Raises: MlflowException if a file of it is missing, damaged, or of another model."""
        archive = Path(context.artifacts["code"])
        _require_whole(archive)
        self._errors = _imported(archive, "errors")
        self._frames = _imported(archive, "predictor.frames")
        self._columns = _imported(archive, "predictor.output_columns")
        try:
            self._scorer: Any = _imported(archive, "predictor.scorer").load(Path(context.artifacts["model"]))
        except self._errors.UserError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None

    # MLflow asks what parameters there are, and gives no context to a function without one.
    def predict(  # type: ignore[override]
        self, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """A row for each row of ``model_input``, whose index it has; the columns are those of ``params["columns"]``.

        Raises: MlflowException for missing columns, a value that does not fit, or an unknown name in ``columns``.
        """
        model = self._scorer.model
        try:
            shown = self._shown(params)
            scored = self._scorer.score(self._frames.chunk_of(model_input, model.encoder))
        except self._errors.UserError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        columns = self._columns.block(scored, model.classes, shown)
        # Without a signature, as very wide tables have none, an array comes as it is.
        return pd.DataFrame(columns, index=model_input.index if isinstance(model_input, pd.DataFrame) else None)

    def _shown(self, params: dict[str, Any] | None) -> set[str]:
        known = [group for group in self._columns.GROUPS if group not in self._columns.INTERVALS]
        shown = [str(name) for name in (params or {}).get("columns", known)]
        unknown = [name for name in shown if name not in known]
        if unknown:
            listed = self._errors.listed
            raise self._errors.UserError(f"params: columns: expected some of {listed(known)}, got {listed(unknown)}")
        return set(shown)


def _require_whole(archive: Path) -> None:
    """Check that the archive holds the code whose digest its name ends with. Raises: MlflowException."""
    name, digest = archive.stem.encode(), hashlib.sha256()
    try:
        with zipfile.ZipFile(archive) as code:
            for path in sorted(code.namelist()):
                text = code.read(path).replace(name, b"pipeline")
                digest.update(f"{path.partition('/')[2]}\n{len(text)}\n".encode() + text)
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error) as error:
        came = str(error) or type(error).__name__
    else:
        if archive.stem.endswith(f"_{digest.hexdigest()[:16]}"):
            return
        came = "other code"
    raise MlflowException.invalid_parameter_value(
        f"{archive}: expected the code that its name is the digest of, got {came}: the file was cut short or edited; "
        "download the model again"
    )


def _imported(archive: Path, module: str) -> Any:
    """A module of the package in the archive, which has the archive's name."""
    sys.path.insert(0, str(archive))
    try:
        return importlib.import_module(f"{archive.stem}.{module}")
    finally:
        sys.path.remove(str(archive))


mlflow.models.set_model(SoftmaxModel())
