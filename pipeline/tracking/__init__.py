"""MLflow's side of the story: mirrors finished files into runs. Nothing outside this package imports mlflow.

It runs as a process of its own, ``python -m pipeline.tracking``, which ``client/mirror.py`` starts and feeds, and in
the commands that ask about runs.
"""

import os

# Before MLflow loads. Without a second try a server that is down is known to be in seconds, not minutes.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # our lines are the ones that a program reads
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
