"""The tags of an MLflow run that this project writes and reads; it needs no MLflow to name them."""

# What joins a run to DVC and git.
KEY_TAG = "model.key"  # the digest in softmax.json: the same for the same model wherever and whenever it was trained
WEIGHTS_TAG = "model.md5"  # the md5 of the weights file, as it stands in dvc.lock
DATA_TAG = "data.digest"  # the digest of the prepared data
DECISION_TAG = "decision.md5"  # of a model in MLflow: the md5 of its decision.json, as it stands in dvc.lock
EXPERIMENT_TAG = "dvc.exp"
BASELINE_TAG = "dvc.rev"
DIRTY_TAG = "git.dirty"

# What a run started from.
VERSION_PREFIX = "version."
CPU_TAG = "cpu"

# How a run came about.
OWNER_TAG = "owner"  # the process that writes it
IDENTITY_TAG = "training"  # the stage that began it
CHECKPOINT_TAG = "checkpoint"
RESUMED_TAG = "resumed"  # how often
REBUILT_TAG = "rebuilt"
REBUILT_TIME_TAG = "rebuilt.time"

# What became of it.
STATUS_TAG = "train.status"
SPLIT_TAG = "eval.split"
COPIED_TAG = "eval.from"
CHOSEN_TAG = "sweep.l2"
VERIFIED_TAG = "verified"

# MLflow's own, which its UI shows.
COMMIT_TAG = "mlflow.source.git.commit"
BRANCH_TAG = "mlflow.source.git.branch"
SOURCE_NAME_TAG = "mlflow.source.name"
SOURCE_TYPE_TAG = "mlflow.source.type"
USER_TAG = "mlflow.user"
NAME_TAG = "mlflow.runName"
NOTE_TAG = "mlflow.note.content"
COLOUR_TAG = "mlflow.runColor"
PARENT_TAG = "mlflow.parentRunId"
VERSIONS_TAG = "mlflow.modelVersions"  # of a model that is registered

# Of a run, but decided by no output: who made it when and where, and what people call it.
CIRCUMSTANCES = (
    *(OWNER_TAG, IDENTITY_TAG, CHECKPOINT_TAG, RESUMED_TAG, COPIED_TAG, REBUILT_TAG, REBUILT_TIME_TAG, VERIFIED_TAG),
    *(COMMIT_TAG, BRANCH_TAG, DIRTY_TAG, EXPERIMENT_TAG, BASELINE_TAG, CPU_TAG),
    *(USER_TAG, NAME_TAG, COLOUR_TAG),
)


def recorded_versions(run_tags: dict[str, str]) -> dict[str, str]:
    """Versions by package, as the tags of a run have them."""
    return {
        name.removeprefix(VERSION_PREFIX): version
        for name, version in run_tags.items()
        if name.startswith(VERSION_PREFIX)
    }
