"""The tags of an MLflow run that join it to DVC and git; who looks for a run without loading MLflow needs them too."""

# The digest in softmax.json, the same for the same model wherever and whenever it was trained.
KEY = "model.key"

# The md5 of the weights file, as it stands in dvc.lock.
WEIGHTS = "model.md5"

# The digest of the prepared data.
DATA = "data.digest"

EXPERIMENT = "dvc.exp"
DIRTY = "git.dirty"
COMMIT = "mlflow.source.git.commit"  # MLflow's own name, which its UI shows
