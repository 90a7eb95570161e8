"""The metrics of a gateway. Labels come from enums, routes and the names in the file of keys, never from events."""

from __future__ import annotations

from typing import Literal, get_args

from stream.metrics_registry import MetricsRegistry
from stream.serve.metrics import LAG_STEPS_S

Outcome = Literal["acknowledged", "refused", "unanswered"]
RefuseReason = Literal[
    "quota", "full", "kafka_away", "stopping", "address_connections", "total_connections", "answer_unread"
]
# The promise is an answer within 0.1 s at half of the load that a process can carry, so the steps are finest there.
ANSWER_STEPS_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The registry and its metrics."""

    def __init__(self) -> None:
        registry = self.registry = MetricsRegistry("aiohttp", "aiokafka")
        counter, gauge, histogram = registry.counter, registry.gauge, registry.histogram

        self.requests = counter("stream_ingest_requests_total", "Requests answered.", "route", "status")
        self.events = counter(
            "stream_ingest_events_total",
            "Events of the bodies that were read; unanswered: sent, and not acknowledged in time.",
            "platform",
            "outcome",
        )
        self.refused_events = counter("stream_ingest_refused_events_total", "Events refused, by reason.", "reason")
        refused = counter(
            "stream_ingest_refused_total", "Requests and connections turned away, or cut off, by a limit.", "reason"
        )
        # Series that exist from the start at 0: `increase` misses the first count of a series that begins at 1.
        self.refused = {reason: refused.labels(reason) for reason in get_args(RefuseReason)}
        self.webhooks = counter(
            "stream_ingest_webhooks_total",
            "Webhooks of known shops, by what became of each: `acknowledged`, or why it is no order of a room.",
            "platform",
            "outcome",
        )
        self.webhook_notes = counter(
            "stream_ingest_webhook_notes_total", "What was read into webhooks that gave orders.", "note"
        )
        self.connections = gauge("stream_ingest_connections", "TCP connections open now.")
        self.held_bytes = gauge("stream_ingest_held_bytes", "Bytes of bodies and unacknowledged events held now.")
        self.held_most_bytes = gauge("stream_ingest_held_most_bytes", "The bound on them.")
        self.answer_s = histogram(
            "stream_ingest_answer_seconds", "From a request's head to its answer.", ANSWER_STEPS_S
        )
        self.acknowledged_s = histogram(
            "stream_ingest_acknowledged_seconds", "From handing events to Kafka to the last answer.", ANSWER_STEPS_S
        )
        self.kafka_up = gauge("stream_ingest_kafka_up", "Kafka is reached, and acknowledges in time.")
        self.producers = counter(
            "stream_ingest_producers_total", "Kafka producers made; more than one: one had failed."
        )
        self.keys = gauge("stream_ingest_keys", "Keys in use.")
        self.keys_file_ok = gauge("stream_ingest_keys_file_ok", "The file of keys was read the last time it changed.")
        self.shops = gauge("stream_ingest_shops", "Shops in use.")
        self.shops_file_ok = gauge(
            "stream_ingest_shops_file_ok", "The file of shops was read the last time it changed."
        )
        self.loop_lag_s = histogram("stream_ingest_loop_lag_seconds", "How late the event loop is.", LAG_STEPS_S)
