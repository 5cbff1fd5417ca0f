"""What Prometheus reads at /metrics.

prometheus_client takes half a microsecond a count and one an observation where the labels are looked up once, so
nothing of its is written here again.
"""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import InfoMetricFamily
from prometheus_client.registry import Collector

from pipeline.serving.models import Exchange

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """Counts of one server."""

    def __init__(self, models: Exchange) -> None:
        """The model that is in service is asked for when somebody reads."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self._registry = CollectorRegistry()
        labels = ["protocol", "status"]
        self._requests = Counter("serve_requests", "Answers by protocol and status", labels, registry=registry)
        took = "From the headers of a request to its answer"
        self._seconds = Histogram("serve_request_seconds", took, labels[:1], buckets=_SECONDS, registry=registry)
        self._rows = Counter("serve_rows", "Rows that were scored", registry=registry)
        self._disconnected = Counter("serve_disconnected", "Requests whose client went away", registry=registry)
        source = Gauge("serve_model_source_ok", "0: the next model is damaged, or the store is away", registry=registry)
        source.set_function(lambda: float(models.fault is None))
        exchanges = Gauge("serve_model_exchanges", "Models that took another one's place", registry=registry)
        exchanges.set_function(lambda: float(models.exchanges))
        registry.register(_ModelInfo(models))
        ProcessCollector(registry=registry)
        self._known: dict[tuple[str, int], Callable[[], None]] = {}
        self._observe = {name: self._seconds.labels(name).observe for name in ("mlflow", "v2")}

    def answered(self, protocol: str, status: int, seconds: float, rows: int) -> None:
        """Count an answer."""
        count = self._known.get((protocol, status))
        if count is None:
            count = self._known[protocol, status] = self._requests.labels(protocol, str(status)).inc
        count()
        self._observe[protocol](seconds)
        if rows:
            self._rows.inc(rows)

    def disconnected(self) -> None:
        """Count a request without an answer."""
        self._disconnected.inc()

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)


class _ModelInfo(Collector):
    """The model in service as labels of a number that is always 1."""

    def __init__(self, models: Exchange) -> None:
        self._models = models

    def collect(self) -> list[InfoMetricFamily]:
        """The one metric."""
        model = self._models.current
        info = InfoMetricFamily("serve_model", "The model in service")
        info.add_metric([], {"name": model.name, "key": model.key, "version": model.version or ""})
        return [info]
