"""Serve a model over HTTP, from a folder or by its alias in MLflow's registry, until a signal ends it."""

import sys
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.abc import MetaPathFinder
from pathlib import Path

from pipeline import screen
from pipeline.commands.version import release
from pipeline.output_files import METADATA_FILE
from pipeline.predictor.column_types import require_column_types
from pipeline.repository import project
from pipeline.serving import hosts, models, ranges, server
from pipeline.serving.application import Application
from pipeline.serving.limits import Limits
from pipeline.serving.models import FolderSource, ModelSource, ServedModel, StoredModel
from pipeline.tracking.client import location
from pipeline.tracking.store.registered_models import RegisteredVersion, Registry

# What clients call a model that no registry has a name for.
_NAME = "softmax"


@dataclass(frozen=True)
class Place:
    """Where the model is: in a folder, or in the registry under ``name`` with an alias."""

    folder: Path | None = None
    name: str = ""
    alias: str = ""


class _NoPandas(MetaPathFinder):
    """Hides pandas, which Arrow would load to see whether a list is its column: 60 MB, a quarter of a second."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:  # noqa: ARG002
        """Raises: ModuleNotFoundError for pandas."""
        if name == "pandas":
            raise ModuleNotFoundError(name)


class _AliasSource:
    """The version that an alias of a registered model names now."""

    def __init__(self, registry: Registry, name: str, alias: str) -> None:
        self.name = name
        self._registry, self._alias = registry, alias

    def stamp(self) -> Hashable:
        return self._version()

    def read(self) -> StoredModel:
        version = self._version()
        return StoredModel(Path(version.artifacts), self._registry.files(version), version.version)

    def _version(self) -> RegisteredVersion:
        return self._registry.by_alias(self.name, self._alias)


def main(
    *,
    place: Place,
    experiment: str,
    prepared: Path,
    host: str,
    port: int,
    limits: Limits,
    columns: Sequence[str],
) -> None:
    """Load the model, print the address when it can be asked, and answer until a signal comes.

    Raises: UserError if there is no such model, or the port is taken.
    """
    sys.meta_path.insert(0, _NoPandas())
    listener = server.listening(host, port)
    with listener, _source(place, experiment) as source:
        exchange = models.Exchange(source, partial(_loaded, source.name, prepared, columns))
        application = Application(exchange, limits, hosts.allowed(host, listener.getsockname()[0]), _say, release())

        def ready() -> None:
            exchange.start(_say)
            model = exchange.current
            version = "" if model.version is None else f", version {model.version}"
            where = server.address(listener)
            screen.say(f"{source.name}{version}, model {model.key[:8]}, is served on {where} (Ctrl-C ends it)")

        server.run(application, listener, limits, ready)
        exchange.stop()
    screen.say("the server has ended; every request that it had was answered")


@contextmanager
def _source(place: Place, experiment: str) -> Iterator[ModelSource]:
    if place.folder is not None:
        yield FolderSource(_NAME, place.folder)
        return
    with Registry(project.project_root(), experiment) as registry:
        yield _AliasSource(registry, place.name or experiment, place.alias)


def _loaded(name: str, prepared: Path, columns: Sequence[str], stored: StoredModel) -> ServedModel:
    model = models.served(name, stored, partial(ranges.find, prepared=prepared), columns)
    require_column_types(model.scorer.model.encoder, stored.place / METADATA_FILE)
    return model


def _say(sentence: str) -> None:
    with suppress(OSError):  # a log that is full or closed ends no server
        screen.say(location.masked(sentence), error=True)
