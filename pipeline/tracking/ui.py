"""The MLflow UI on the project's store, for a person on this machine."""

import os
import sys
from typing import NoReturn

from pipeline import provenance
from pipeline.errors import UserError
from pipeline.tracking import location

HOST = "127.0.0.1"


def main(*, experiment: str, port: int) -> NoReturn:
    """Print the address, and become MLflow's server.

    One worker and no job runner: a person alone needs neither, and without them it starts in half the time.
    """
    root = provenance.project_root()
    uri = location.tracking_uri(root)
    if uri.startswith(("http://", "https://")):
        raise UserError(f"MLFLOW_TRACKING_URI: the runs are on a server: open {location.shown(uri)} in a browser")
    database = location.sqlite_file(uri)
    if database is not None and not database.exists():
        from pipeline.tracking.store import open_store  # MLflow's own first use is not safe

        open_store(root, experiment)
    # The workflow type keeps MLflow from opening on its pages for language models.
    print(f"http://{HOST}:{port}/#/experiments?workflowType=machine_learning", "in about ten seconds; Ctrl-C ends it")
    sys.stdout.flush()
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(port), "--workers", "1"]
    os.execv(sys.executable, [*command, "--backend-store-uri", uri])
