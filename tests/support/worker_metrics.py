"""The metrics that the registries of worker, read server, gateway, bridge and auditor declare, counted yet or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from prometheus_client.metrics import MetricWrapperBase

from stream.bridge.bridge import Bridge
from stream.bridge.delivery import Delivered
from stream.bridge.inbox import Inbox
from stream.bridge.metrics import bridge_registry
from stream.bridge.platforms import PLATFORMS
from stream.bridge.websocket import Connections
from stream.ingest.metrics import Metrics as IngestMetrics
from stream.serve.metrics import Metrics as ServerMetrics
from stream.verify.watch import AuditMetrics
from stream.worker.metrics import Metrics as WorkerMetrics

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}


class Family(NamedTuple):
    """One metric. `name` is the scraped name; a histogram's without its suffix."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str

    def series(self) -> set[str]:
        """The names that a query may use."""
        return {self.name + suffix for suffix in _SUFFIXES["histogram"]} if self.kind == "histogram" else {self.name}


def declared() -> list[Family]:
    """The worker's metrics."""
    return _of(WorkerMetrics(("live.comments",), observe_latency=True).registry)


def declared_by_server() -> list[Family]:
    """The read server's metrics."""
    return _of(ServerMetrics().registry)


def declared_by_ingest() -> list[Family]:
    """The gateway's metrics."""
    return _of(IngestMetrics().registry)


def declared_by_bridge() -> list[Family]:
    """A bridge's metrics."""
    made = Bridge(PLATFORMS["tiktok"])
    return _of(bridge_registry(made, Delivered(), Inbox(), Connections(), lambda: 0.0))


def declared_by_audit() -> list[Family]:
    """The auditor's metrics."""
    return _of(AuditMetrics().registry)


def _of(registry: CollectorRegistry) -> list[Family]:
    """Our own metrics in the order of their declaration, then those of the process and of Python's collector."""
    own, others = [], []
    collectors: list[Any] = list(registry._collector_to_names)
    for collector in collectors:
        if isinstance(collector, MetricWrapperBase):
            own.append(_family(collector._name, collector._type or "", collector._labelnames, collector._documentation))
        else:
            for metric in collector.collect():
                labels = tuple(metric.samples[0].labels) if metric.samples else ()
                others.append(_family(metric.name, metric.type, labels, metric.documentation))
    return own + others


def _family(name: str, kind: str, labels: tuple[str, ...], text: str) -> Family:
    suffixes = _SUFFIXES.get(kind, ("",))
    return Family(name if kind == "histogram" else name + suffixes[0], kind, tuple(labels), text)
