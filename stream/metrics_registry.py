"""A registry of one process: its metrics are made in a line each, and all of them stand beside those of the process."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.gc_collector import GCCollector

if TYPE_CHECKING:
    from collections.abc import Sequence


class MetricsRegistry(CollectorRegistry):
    """A registry with the metrics of the process, and the versions of the packages that run.

    Args:
        packages: beside Snapup and Python.
    """

    def __init__(self, *packages: str) -> None:
        super().__init__()
        Info("stream_build", "What runs.", registry=self).info(build_info(*packages))
        ProcessCollector(registry=self)
        GCCollector(registry=self)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """A new counter."""
        return Counter(name, text, labels, registry=self)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """A new gauge."""
        return Gauge(name, text, labels, registry=self)

    def histogram(self, name: str, text: str, steps: Sequence[float]) -> Histogram:
        """A new histogram. `steps`: the upper edges of its buckets."""
        return Histogram(name, text, buckets=steps, registry=self)


def build_info(*packages: str) -> dict[str, str]:
    """The versions of Python, of Snapup and of these packages, by names that labels may have."""
    found = {"python": python_version()}
    for name in ("snapup", *packages):
        try:
            found[name.replace("-", "_")] = version(name)
        except PackageNotFoundError:
            found[name.replace("-", "_")] = "unknown"
    return found
