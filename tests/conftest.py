"""What every test may use."""

import os

import pipeline  # noqa: F401  (pins the vector width before torch loads)

# A test that runs DVC inside a DVC stage would otherwise work on the outer project.
for name in ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "MLFLOW_TRACKING_URI"):
    os.environ.pop(name, None)
