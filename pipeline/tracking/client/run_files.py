"""Names of the artifacts that a run has beside the outputs of its stages."""

MD5_FILE = "dvc-md5.csv"  # role, file and md5 of what train read and wrote
COEFFICIENTS_FILE = "coefficients.csv"
INFERENCE_TABLE_FILE = "inference.csv"  # what infer says of each class and column
ALL_PARAMS_FILE = "params.json"  # of prepare and train, of which the run's own params are the telling ones
CHANGES_FILE = "changes.diff"  # of a commit with changes
RECEIPT_FILE = "receipt.json"  # of `verify`
