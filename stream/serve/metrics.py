"""The metrics of a read server. Labels come from enums and routes, never from rooms, addresses or tokens."""

from __future__ import annotations

from typing import Literal, get_args

from stream.metrics_registry import MetricsRegistry

DropReason = Literal["slow", "token_expired", "server_stopping"]
RefuseReason = Literal[
    "address_streams", "total_streams", "address_requests", "address_connections", "total_connections"
]
# From publication to the last stream's write. The promise is under 0.25 s, so the steps are finest there.
DELIVERY_STEPS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 2, 5, 10)
FETCH_STEPS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
UNKNOWN_WORKERS = -1
LAG_STEPS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


class Metrics:
    """The registry and its metrics."""

    def __init__(self) -> None:
        registry = self.registry = MetricsRegistry("aiohttp", "redis")
        counter, gauge, histogram = registry.counter, registry.gauge, registry.histogram

        self.requests = counter("stream_serve_requests_total", "Requests answered.", "route", "status")
        self.streams = gauge("stream_serve_streams", "Event streams open now.")
        self.connections = gauge("stream_serve_connections", "TCP connections open now.")
        self.rooms = gauge("stream_serve_rooms", "Rooms that are followed now.")
        self.sent = counter("stream_serve_events_sent_total", "Snapshots handed to event streams.")
        self.coalesced = counter(
            "stream_serve_coalesced_total", "Snapshots that a slow stream skipped, because a newer one followed."
        )
        dropped = counter("stream_serve_streams_dropped_total", "Event streams ended by this server.", "reason")
        refused = counter("stream_serve_refused_total", "Requests and connections turned away by a limit.", "reason")
        # Series that exist from the start at 0: `increase` misses the first count of a series that begins at 1.
        self.dropped = {reason: dropped.labels(reason) for reason in get_args(DropReason)}
        self.refused = {reason: refused.labels(reason) for reason in get_args(RefuseReason)}
        self.delivery_s = histogram(
            "stream_serve_delivery_seconds",
            "From a document's publication until the last of its streams had it.",
            DELIVERY_STEPS_S,
        )
        self.nudges = counter("stream_serve_nudges_total", "Nudges heard from Redis.")
        self.fetch_s = histogram("stream_serve_fetch_seconds", "One round trip for documents.", FETCH_STEPS_S)
        self.unreadable = counter("stream_serve_unreadable_total", "Looks that found something else than a document.")
        self.redis_up = gauge("stream_serve_redis_up", "Redis answered the last time.")
        self.workers = gauge("stream_serve_workers", "Workers heard within the last seconds; -1: not known.")
        self.partitions = gauge("stream_serve_partitions", "Partitions of each input topic, as workers say.")
        self.partitions_folded = gauge("stream_serve_partitions_folded", "Of these, those that a worker folds.")
        self.heartbeats_unreadable = counter(
            "stream_serve_heartbeats_unreadable_total",
            "Looks at heartbeats that found something else or failed in part.",
        )
        self.workers.set(UNKNOWN_WORKERS)
        self.loop_lag_s = histogram("stream_serve_loop_lag_seconds", "How late the event loop is.", LAG_STEPS_S)
