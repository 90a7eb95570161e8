"""The books balance in every scrape, counters never go back, and no label is unbounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.core.publishing import Published
from stream.metrics_registry import build_info
from stream.worker.metrics import Metrics
from tests.unit.worker.helpers import LIKES, NOW_MS, TOPICS, Fetched, drain, like, live_owner

if TYPE_CHECKING:
    from collections.abc import Iterable

ALLOWED_LABELS = {
    "topic",
    "partition",
    "client",
    "outcome",
    "reason",
    "claim",
    "bound",
    "cause",
    "phase",
    "result",
    "le",
    "generation",
    "python",
    "snapup",
    "faust_streaming",
    "aiokafka",
}


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def books(metrics: Metrics) -> dict[str, float]:
    sums = dict.fromkeys(("received", "applied", "duplicate", "dead_lettered"), 0.0)
    for topic in TOPICS:
        sums["received"] += value(metrics, "stream_received_total", topic=topic)
        for outcome in ("applied", "duplicate", "dead_lettered"):
            sums[outcome] += value(metrics, "stream_events_total", topic=topic, outcome=outcome)
    return sums


def test_every_record_that_was_received_is_accounted_for(metrics: Metrics) -> None:
    owner = live_owner()
    owner.fold.fold(LIKES, [like(0), like(1), like(1), Fetched(2, b"no"), Fetched(3, None)])
    metrics.sync([owner], 1)
    assert books(metrics) == {"received": 5, "applied": 2, "duplicate": 1, "dead_lettered": 2}
    assert value(metrics, "stream_dead_letters_total", reason="not_json") == 2
    assert value(metrics, "stream_rooms") == 1
    assert value(metrics, "stream_remembered_ids") == 2


def test_two_scrapes_count_once(metrics: Metrics) -> None:
    owner = live_owner()
    owner.fold.fold(LIKES, [like(0)])
    metrics.sync([owner], 1)
    metrics.sync([owner], 1)
    owner.fold.fold(LIKES, [like(1)])
    metrics.sync([owner], 1)
    assert books(metrics)["received"] == 2


def test_an_owner_that_comes_anew_counts_what_it_reads_anew(metrics: Metrics) -> None:
    for _ in range(2):
        owner = live_owner()
        owner.fold.fold(LIKES, [like(0)])
        metrics.harvest(owner)
        metrics.forget(owner)
    assert books(metrics)["received"] == 2


def test_lag_is_shown_while_it_is_known_and_goes_with_the_partition(metrics: Metrics) -> None:
    owner = live_owner(3)
    list(owner.ownership.cut(drain(owner, LIKES, [like(0)], end=11), 100))
    metrics.sync([owner], 1)
    labels = {"topic": "live.likes", "partition": "3"}
    assert metrics.registry.get_sample_value("stream_consumer_lag_records", labels) == 11
    assert metrics.registry.get_sample_value("stream_consumer_lag_records", labels | {"topic": "live.sales"}) is None
    metrics.sync([], 0)
    assert metrics.registry.get_sample_value("stream_consumer_lag_records", labels) is None
    assert metrics.registry.get_sample_value("stream_checkpoint_age_seconds", {"partition": "3"}) is None


def published(append_ms: int) -> Published:
    return Published("room-1", 1, b"{}", 1_000, append_ms)


def test_only_what_a_document_shows_for_the_first_time_has_a_latency(metrics: Metrics) -> None:
    owner = live_owner()
    owner.shown_ms = {"room-1": NOW_MS}
    metrics.written(owner, published(NOW_MS), NOW_MS + 5_000)  # a refresh
    metrics.written(owner, published(NOW_MS + 100), NOW_MS + 300)
    metrics.written(owner, published(NOW_MS + 100), NOW_MS + 900)
    assert value(metrics, "stream_visible_latency_seconds_count") == 1
    assert value(metrics, "stream_visible_latency_seconds_sum") == 0.2
    assert value(metrics, "stream_redis_writes_total", result="accepted") == 3


def test_imported_history_has_no_latency() -> None:
    metrics, owner = Metrics(TOPICS, observe_latency=False), live_owner()
    metrics.written(owner, published(NOW_MS), NOW_MS + 10**9)
    assert value(metrics, "stream_visible_latency_seconds_count") == 0


def all_labels(metrics: Metrics) -> Iterable[str]:
    return (label for family in metrics.registry.collect() for sample in family.samples for label in sample.labels)


def test_no_label_can_grow_with_rooms_or_people(metrics: Metrics) -> None:
    owner = live_owner()
    owner.fold.fold(LIKES, [like(0), Fetched(1, b"no")])
    metrics.sync([owner], 1)
    assert set(all_labels(metrics)) <= ALLOWED_LABELS


def test_every_metric_of_ours_has_the_prefix_and_a_sentence(metrics: Metrics) -> None:
    for family in metrics.registry.collect():
        if not family.name.startswith(("process_", "python_")):
            assert family.name.startswith("stream_")
            assert family.documentation.endswith("."), family.name


def test_the_build_says_what_runs() -> None:
    assert build_info("faust-streaming")["faust_streaming"] == "0.15.3"


def test_conflicts_are_counted_by_reason_from_nought(metrics: Metrics) -> None:
    assert value(metrics, "stream_conflicts_total", reason="order_conflict") == 0
    assert {
        sample.labels["reason"]
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "stream_conflicts_total"
    } == {
        "order_conflict",
        "event_id_conflict",
        "other_lines",
        "event_id_in_two_topics",
        "parts_beyond",
        "edited_after_payment",
    }
    owner = live_owner()
    owner.fold.counters.conflicts.update({"other_lines": 3})
    metrics.harvest(owner)
    metrics.harvest(owner)
    assert value(metrics, "stream_conflicts_total", reason="other_lines") == 3


def test_the_nearest_bound_of_all_partitions_is_told(metrics: Metrics) -> None:
    owners = [live_owner(0), live_owner(1)]
    owners[1].fold.shared.sales_refused = 3
    owners[1].fold.shared.words_dropped = 2
    owners[1].fold.shared.mechanics_beyond["gifts", "givers_max"] = 4
    metrics.sync(owners, 2)
    assert value(metrics, "stream_bound_used_ratio", bound="rooms") == 0
    assert value(metrics, "stream_bound_refused_total", bound="sales") == 3
    assert value(metrics, "stream_bound_refused_total", bound="words") == 2
    assert value(metrics, "stream_bound_refused_total", bound="gifts.givers_max") == 4
    drained = drain(owners[0], LIKES, [like(0)])
    owners[0].fold.fold(LIKES, drained.records)
    metrics.sync(owners, 2)
    assert value(metrics, "stream_bound_used_ratio", bound="rooms") == 1 / owners[0].fold.rules.rooms_max
