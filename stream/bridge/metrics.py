"""The metrics of a bridge: what its books say, read when somebody asks. Labels come from enums, never from messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from stream.bridge.reasons import Note, Reason
from stream.metrics_registry import MetricsRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

    from stream.bridge.bridge import Bridge
    from stream.bridge.delivery import Delivered
    from stream.bridge.inbox import Inbox
    from stream.bridge.websocket import Connections


def bridge_registry(
    made: Bridge, told: Delivered, inbox: Inbox, connections: Connections, lag_s: Callable[[], float]
) -> CollectorRegistry:
    """The metrics of a bridge and of its process."""
    registry = MetricsRegistry("aiohttp", "aiokafka")
    registry.register(_OfBooks(made, told, inbox, connections, lag_s))
    return registry


class _OfBooks(Collector):
    def __init__(
        self, made: Bridge, told: Delivered, inbox: Inbox, connections: Connections, lag_s: Callable[[], float]
    ) -> None:
        self._made = made
        self._told = told
        self._inbox = inbox
        self._connections = connections
        self._lag_s = lag_s

    def collect(self) -> Iterator[Metric]:
        """All series, also those at 0: `increase` misses the first count of a series that begins at 1."""
        books, platform = self._made.books, self._made.platform.name
        messages = CounterMetricFamily(
            "stream_bridge_messages", "Messages: gave_events, or why not.", labels=("platform", "outcome")
        )
        messages.add_metric((platform, "gave_events"), books.gave)
        for reason in Reason:
            messages.add_metric((platform, reason.value), books.reasons[reason])
        yield messages
        notes = CounterMetricFamily(
            "stream_bridge_notes", "What was read into messages that gave events.", labels=("platform", "note")
        )
        for note in Note:
            notes.add_metric((platform, note.value), books.notes[note])
        yield notes
        told = self._told
        events = CounterMetricFamily("stream_bridge_events", "Events answered.", labels=("platform", "outcome"))
        events.add_metric((platform, "acknowledged"), told.acknowledged)
        events.add_metric((platform, "refused"), told.refused)
        yield events
        yield GaugeMetricFamily(
            "stream_bridge_unanswered_events",
            "Events sent, and not yet acknowledged or refused.",
            told.sent - told.acknowledged - told.refused,
        )
        yield GaugeMetricFamily(
            "stream_bridge_lag_seconds",
            "Since the oldest line was heard of which not every event is answered; under steady load up to a second.",
            self._lag_s(),
        )
        yield GaugeMetricFamily(
            "stream_bridge_waiting_bytes", "Lines heard and not yet looked at.", self._inbox.waiting_bytes
        )
        yield GaugeMetricFamily("stream_bridge_waiting_most_bytes", "The bound on them.", self._inbox.most_bytes)
        yield CounterMetricFamily(
            "stream_bridge_rooms_forgotten",
            "Rooms let go beyond the bound: their backlog is not told from news.",
            self._made.rooms.forgotten,
        )
        counts = self._connections
        yield GaugeMetricFamily("stream_bridge_connections", "WebSockets open now.", counts.now)
        tried = CounterMetricFamily(
            "stream_bridge_connection_attempts", "WebSockets taken, or why not.", labels=("outcome",)
        )
        for outcome in ("taken", "foreign_origin", "too_many"):
            tried.add_metric((outcome,), getattr(counts, outcome))
        yield tried
