"""Names of the files and folders that one stage writes, and that other stages, commands and MLflow's runs read."""

from pathlib import Path

# The folders as dvc.yaml passes them to the stages.
PREPARED_FOLDER = Path("data/prepared")
MODELS_FOLDER = Path("models")
REPORTS_FOLDER = Path("reports")

# Of prepare, beside the shards.
PREPARED_FILE = "prepared.json"
SCHEMA_FILE = "schema.json"
RANGES_FILE = "ranges.json"  # beside a model in MLflow
ENCODER_FILE = "encoder.json"

# Of train.
METADATA_FILE = "softmax.json"
WEIGHTS_FILE = "softmax.safetensors"
HISTORY_FILE = "history.csv"
SNAPSHOTS_FILE = "snapshots.safetensors"

# Of decide.
DECISION_FILE = "decision.json"

# Of evaluate.
METRICS_FILE = "metrics.json"
HEADLINE_FILE = "headline.json"
PREDICTIONS_FILE = "predictions.csv"
SLICES_FILE = "slices.json"
PLOTS_FOLDER = "plots"

# Of report.
REPORT_FILE = "report.html"

# Of infer.
INFERENCE_FILE = "inference.json"
COEFFICIENTS_FILE = "coefficients.csv"
EFFECTS_FILE = "effects.csv"
INFLUENCE_FILE = "influence.csv"
COVARIANCE_FILE = "covariance.safetensors"
ESTIMATES_FILE = "estimates.csv"

# Of sweep.
SWEEP_FILE = "sweep.json"
SWEEP_TABLE_FILE = "sweep.csv"
