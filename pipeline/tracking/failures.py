"""What can go wrong with a store that is not ours, in one sentence."""

from collections.abc import Iterator

from mlflow.exceptions import MlflowException
from requests import RequestException
from sqlalchemy.exc import SQLAlchemyError

from pipeline import provenance
from pipeline.tracking import location

# What a store raises that is away, broken or full; anything else is a bug of ours.
FAILURES = (MlflowException, SQLAlchemyError, OSError, ImportError)

_MESSAGE_LENGTH = 400


def explained(error: BaseException) -> str:
    """One line about an error, without passwords."""
    chain = list(_chain(error))
    if any(isinstance(link, RequestException) for link in chain):
        uri = location.tracking_uri(provenance.project_root())
        text = f"{uri} cannot be reached: {chain[-1]}"
    else:
        text = str(error.message if isinstance(error, MlflowException) else error) or type(error).__name__
    return location.shown(" ".join(text.split()))[:_MESSAGE_LENGTH].rstrip(".")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from, the root last."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
