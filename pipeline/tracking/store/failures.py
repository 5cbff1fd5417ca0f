"""The failures of a store, each in one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from requests import RequestException
from sqlalchemy.exc import SQLAlchemyError

from pipeline.errors import UserError
from pipeline.repository import project
from pipeline.tracking.client import database_lock, location
from pipeline.tracking.client.params import timeout_s

# Errors of a store that is away, broken or full, or whose driver is missing; anything else is a bug of ours.
FAILURES = (MlflowException, SQLAlchemyError, OSError, ImportError)

_MESSAGE_LENGTH = 400

# Drivers and clients that the extra `share` brings; SQLAlchemy asks for psycopg2 where psycopg is missing.
_SHARE = ("psycopg", "psycopg2", "boto3", "flask_wtf")


@contextmanager
def as_user_errors(advice: str = "") -> Iterator[None]:
    """Tell what a store raises inside the block in one sentence, with ``advice`` behind it.

    Raises: UserError in place of any of ``FAILURES``.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # not of a store, whose libraries have errors of their own: whoever reads the output has read enough
    except FAILURES as error:
        raise UserError(f"MLflow: {explained(error)}{advice}") from None


def explained(error: BaseException) -> str:
    """One line about an error, without passwords."""
    chain = list(database_lock.chain(error))
    root = project.project_root()
    uri = location.tracking_uri(root)
    database = location.sqlite_file(uri)
    if database is not None and database_lock.means_held(error):
        text = database_lock.sentence(database, timeout_s(root))
    elif isinstance(error, ImportError):
        text = f"{uri} needs {_missing_package(error)}"
    elif any(isinstance(link, RequestException) for link in chain):
        text = f"{uri} cannot be reached: {chain[-1]}"
    else:
        text = str(error.message if isinstance(error, MlflowException) else error) or type(error).__name__
    return location.masked(" ".join(text.split()))[:_MESSAGE_LENGTH].rstrip(".")


def _missing_package(error: ImportError) -> str:
    """The missing package, and the command that installs it."""
    if not error.name:
        return f"a package that cannot be imported: {error}"
    package = error.name.partition(".")[0]
    target = "-e '.[share]'" if package in _SHARE else package
    return f"the package {package}, which is not installed: `pip install {target}` brings it"
