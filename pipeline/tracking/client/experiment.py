"""The MLflow experiment that runs go into: the one that is set, or the data set's own."""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline import credentials, params
from pipeline.tracking.client.params import AUTO, TrackingParams

# Of a file's name, what says how the table is written; the rest names the table.
_ENDINGS = re.compile(r"(\.(csv|tsv|txt|parquet|pq|gz|zst|zip|bz2|xz))+$", re.IGNORECASE)

# MLflow takes 500 characters, its pages show some 30 in a line.
_LENGTH = 100


def of_project(params_file: Path) -> str:
    """The experiment of a params file.

    Raises: UserError if it is none, or its section ``tracking`` is wrong.
    """
    return named(setting_of(params_file), params.read_params(params_file))


def setting_of(params_file: Path) -> str:
    """``tracking.experiment`` of a params file. Raises: UserError as ``of_project`` does."""
    return params.load(params_file, "tracking", TrackingParams).experiment


def named(setting: str, document: Mapping[str, Any]) -> str:
    """``setting``, or with ``auto`` the name of the data set that the params document trains on."""
    if setting != AUTO:
        return setting
    section = document.get("prepare")
    return data_name(str(section.get("source", "")) if isinstance(section, Mapping) else "")


def data_name(source: str) -> str:
    """The name of a data set: its file's without endings, or its folder's; on one line, without secrets.

    Equal names in other folders are one experiment: MLflow shows each run's data with its digest.
    """
    place = credentials.masked(source)
    path = urlsplit(place).path if "://" in place else place
    names = (_ENDINGS.sub("", part) for part in reversed(path.split("/")))
    name = next((name for name in names if re.search(r"\w", name)), "")  # of `monthly/*.csv` the folder's
    printable = "".join(sign if sign.isprintable() else " " for sign in unicodedata.normalize("NFC", name))
    return " ".join(printable.split())[:_LENGTH].strip() or "data"
