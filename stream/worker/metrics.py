"""Every figure of the worker for its operators, on a registry of its own. Labels come from enums and topics, not rooms.

`received = applied + duplicate + dead_lettered` holds in every scrape: the fold counts in plain integers, and `sync`
reads all of them in one step of the event loop, between two folds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from stream.contract.refusal import REASONS_OF_THE_ROOM, Reason
from stream.core.bounds import BOUNDS
from stream.core.conflicts import EDITED_LATE, OTHER_LINES, PARTS_BEYOND, USED_TWICE
from stream.metrics_registry import MetricsRegistry
from stream.worker.ownership import Phase
from stream.worker.refusals import Refusal
from stream.worker.throttling import CLIENTS, Client

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge

    from stream.core.publishing import Published
    from stream.worker.checkpoint import Written
    from stream.worker.partition_owner import Acquired, Owner

# Append → visible. The promise is under a quarter of a second, so the steps are finest there.
VISIBLE_STEPS_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 2, 5, 10, 30, 60, 300)
WRITE_STEPS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 8)
RESTORE_STEPS_S = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120)
SIZE_STEPS = (1e3, 1e4, 1e5, 1e6, 4e6, 1e7, 4e7, 1e8)
COUNT_STEPS = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
LEFT_OUT = "Documents that the topic signals has without their longest lists; Redis has them whole."
KEPT = "Records of claims, said or withheld, written to the topic claims."
NOTICES = "Rooms told of their records in other partitions."
WRITES = "Documents sent to Redis; refused: a later owner had written."
HELD_UP = "How long an open transaction has held up what was written behind its first record."
HEARTBEATS = "Heartbeats for the read servers; held back: this worker folds nothing, or Kafka does not answer."
OUTCOMES = ("applied", "duplicate", "dead_lettered")


class Metrics:
    """The registry and its metrics. `sync` brings them up to date before a scrape.

    Args:
        topics: full names of the input topics, in the order of the contract.
        observe_latency: observe append → visible; only right where record timestamps are of the wall clock.
    """

    def __init__(self, topics: Sequence[str], *, observe_latency: bool) -> None:
        registry = self.registry = MetricsRegistry("faust-streaming", "aiokafka")
        self._topics = tuple(topics)
        self._observe_latency = observe_latency
        self._seen: dict[Owner, dict[tuple[str, ...], int]] = {}
        self._age_partitions: set[int] = set()

        counter, gauge, histogram = registry.counter, registry.gauge, registry.histogram

        self.kernel = gauge(
            "stream_kernel_info", "What reads records and flat events in bulk: native or python.", "kernel"
        )

        # -- the fold
        self._received = counter("stream_received_total", "Records read from the input topics.", "topic")
        self._events = counter("stream_events_total", "What became of them.", "topic", "outcome")
        self._dead = counter("stream_dead_letters_total", "Records refused, by the first reason that holds.", "reason")
        self._conflicts = counter(
            "stream_conflicts_total",
            "Records that contradict what their room knows of an order, or share its event id.",
            "reason",
        )
        self._retimed = counter("stream_retimed_total", "Applied events that count at another time than they claim.")
        self._withheld = counter("stream_withheld_claims_total", "Claims kept off the screen.", "claim", "reason")
        self._forgotten = counter(
            "stream_ids_forgotten_total", "Event ids forgotten: by age, or before their time for want of room."
        )
        self._orders_forgotten = counter(
            "stream_orders_forgotten_total", "Orders forgotten: by age, or before their time for want of room.", "cause"
        )
        self._holds_expired = counter("stream_holds_expired_total", "Holds that ran out unpaid.")
        self._bound_used = gauge(
            "stream_bound_used_ratio", "The greatest share of a bound that is used, over the partitions here.", "bound"
        )
        self._bound_refused = counter(
            "stream_bound_refused_total", "What found no place for a bound, or had to make place.", "bound"
        )
        self._oversold = gauge(
            "stream_oversold_units", "Units sold or held beyond what was offered, over all sales here."
        )
        self._sessions(counter, gauge)
        self._ids = gauge("stream_remembered_ids", "Event ids in memory.")
        self._orders = gauge("stream_remembered_orders", "Orders in memory.")
        self._queued = gauge("stream_queued_records", "Records fetched that wait for topics with backlog.")
        self._lag, self._held_up = (
            gauge("stream_consumer_lag_records", "Records between the fold and the log's end.", "topic", "partition"),
            gauge("stream_open_transaction_seconds", HELD_UP, "topic", "partition"),
        )
        self.visible = histogram(
            "stream_visible_latency_seconds",
            "From the newest event's append time to its document's acceptance by Redis.",
            VISIBLE_STEPS_S,
        )
        self._begin_at_nought()

        # -- ownership
        self._owned = gauge(
            "stream_owned_partitions", "Partitions of this process, by how far their owner has come.", "phase"
        )
        self._assigned = gauge("stream_assigned_partitions", "Partitions that the group gave to this process.")
        self.takeovers = counter("stream_takeovers_total", "Partitions taken over.")
        self.fenced = counter("stream_fenced_total", "Owners ended because a later one had fenced them off.")
        self.lost_owners = counter("stream_lost_total", "Owners ended by any error, fenced or not.")
        self.stale_slices = counter(
            "stream_stale_slices_total", "Slices dropped because their owner was gone; they are read anew."
        )
        self.reseeks = counter("stream_reseeks_total", "Seeks because a slice went missing between fetch and fold.")
        self.restore_s = histogram("stream_restore_seconds", "Reading a partition's state back.", RESTORE_STEPS_S)
        self.restore_records = histogram("stream_restore_records", "State records read back.", COUNT_STEPS)

        # -- checkpoints
        self._age = gauge(
            "stream_checkpoint_age_seconds", "Since the last save, or since there was nothing to save.", "partition"
        )
        self.checkpoint_s = histogram("stream_checkpoint_seconds", "One checkpoint transaction.", WRITE_STEPS_S)
        self.checkpoint_bytes = histogram("stream_checkpoint_bytes", "Bytes of one checkpoint transaction.", SIZE_STEPS)
        self.checkpoint_records = histogram(
            "stream_checkpoint_records", "Records of one checkpoint transaction.", COUNT_STEPS
        )

        self._throttled = _throttled_seconds(registry)
        self._told_elsewhere(counter)
        self._redis(counter, gauge)

        # -- the process
        self.loop_lag_s = histogram(
            "stream_loop_lag_seconds",
            "How late the event loop is.",
            (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
        )
        self.rebalancing = gauge("stream_rebalancing", "In the middle of a rebalance.")

    def _sessions(self, counter: Callable[..., Counter], gauge: Callable[..., Gauge]) -> None:
        """Make the metrics of rooms that come and go."""
        self._ended = counter(
            "stream_rooms_ended_total", "Sessions ended: by silence, by word, or beyond the bound on rooms.", "cause"
        )
        self._rooms_forgotten = counter(
            "stream_rooms_forgotten_total",
            "Rooms without a session forgotten with all they knew: by age, or before their time for want of room.",
            "cause",
        )
        self._rooms = gauge("stream_rooms", "Rooms with a session.")
        self._dormant = gauge("stream_dormant_rooms", "Rooms without a session that are remembered.")
        for cause in ("age", "bound"):
            self._rooms_forgotten.labels(cause)
        for cause in ("idle", "word", "evicted"):
            self._ended.labels(cause)

    def _begin_at_nought(self) -> None:
        """There from the beginning: `increase` would not see the first of a series that begins at 1."""
        for topic in self._topics:
            self._received.labels(topic)
            for outcome in OUTCOMES:
                self._events.labels(topic, outcome)
        for reason in Reason:
            self._dead.labels(reason.value)
        for conflict in (*REASONS_OF_THE_ROOM, OTHER_LINES, EDITED_LATE, PARTS_BEYOND, USED_TWICE):
            self._conflicts.labels(str(conflict))
        for cause in ("age", "bound"):
            self._orders_forgotten.labels(cause)
        for bound in ("orders", "rooms", "sales", "words", "history"):
            self._bound_refused.labels(bound)

    def _told_elsewhere(self, counter: Callable[..., Counter]) -> None:
        """What goes to topics beside the state."""
        self._left_out = counter("stream_signals_left_out_total", LEFT_OUT, "reason")
        self._kept = counter("stream_claims_kept_total", KEPT)
        self._kept_bytes = counter("stream_claims_kept_bytes_total", "Of these, keys and values.")
        notices = counter("stream_misplaced_notices_total", NOTICES, "result")
        self.notices = {result: notices.labels(result) for result in ("sent", "failed")}
        self._left_out.labels("too_large")

    def _redis(self, counter: Callable[..., Counter], gauge: Callable[..., Gauge]) -> None:
        """What becomes of the documents."""
        writes = counter("stream_redis_writes_total", WRITES, "result")
        self.redis_writes = {result: writes.labels(result) for result in ("accepted", "refused", "failed")}
        refused = counter("stream_redis_refused_total", "Documents that the guard in Redis did not take.", "reason")
        self.redis_refused = {why: refused.labels(why.value) for why in Refusal}
        self._refused_s = gauge(
            "stream_redis_refused_seconds",
            "How long the guard has refused every document of the room that has waited longest.",
            "partition",
            "reason",
        )
        self.redis_vanished = counter(
            "stream_redis_vanished_total", "Documents looked for again that were gone before their time."
        )
        self.reprojections = counter("stream_reprojections_total", "Times that every document was written anew.")
        heartbeats = counter("stream_heartbeats_total", HEARTBEATS, "result")
        self.heartbeats = {result: heartbeats.labels(result) for result in ("written", "failed", "held_back")}
        self.redis_up = gauge("stream_redis_up", "Redis answered the last time.")

    # -- told as it happens --------------------------------------------------------------------------------------------

    def taken_over(self, acquired: Acquired) -> None:
        """Count a partition that was taken over."""
        self.takeovers.inc()
        self.restore_s.observe(acquired.restore_s)
        self.restore_records.observe(acquired.records)

    def lost(self, error: BaseException) -> None:
        """Count an owner that an error ended."""
        self.lost_owners.inc()
        if type(error).__name__ in FENCED_ERRORS:
            self.fenced.inc()

    def checkpointed(self, written: Written, seconds: float) -> None:
        """Observe a committed transaction."""
        self.checkpoint_s.observe(seconds)
        self.checkpoint_bytes.observe(written.bytes)
        self.checkpoint_records.observe(written.records)

    def throttled(self, client: Client, held_s: float) -> None:
        """Count the time for which a broker holds a client back. May be called from any thread."""
        self._throttled[client].inc(held_s)

    def written(self, owner: Owner, published: Published, now_ms: int) -> None:
        """Count a document that Redis accepted. Only records that it shows for the first time have a latency."""
        self.redis_writes["accepted"].inc()
        if published.append_ms > owner.shown_ms.get(published.room_id, -1):
            owner.shown_ms[published.room_id] = published.append_ms
            if self._observe_latency:
                self.visible.observe(max(0, now_ms - published.append_ms) / 1000)

    # -- read before a scrape ------------------------------------------------------------------------------------------

    def sync(self, owners: Iterable[Owner], assigned: int) -> None:
        """Bring all metrics up to date in one step: nothing is folded in between."""
        owners = list(owners)
        for owner in owners:
            self.harvest(owner)
            for index, topic in enumerate(self._topics):
                lag = owner.ownership.lag_records(index, owner.fold.positions[index])
                if lag is not None:
                    self._lag.labels(topic, str(owner.partition)).set(lag)
                self._held_up.labels(topic, str(owner.partition)).set(owner.ownership.held_up_ms(index) / 1000)
            now_s = time.monotonic()
            self._age.labels(str(owner.partition)).set(now_s - owner.saved_at)
            for why in Refusal:
                self._refused_s.labels(str(owner.partition), why.value).set(owner.refusals.longest_s(why, now_s))
        self._forget_partitions({owner.partition for owner in owners})
        for phase in (Phase.ACQUIRING, Phase.READY, Phase.LIVE):
            self._owned.labels(phase.value).set(sum(owner.phase is phase for owner in owners))
        self._assigned.set(assigned)
        self._queued.set(sum(owner.merge.queued_records() for owner in owners))
        self._rooms.set(sum(len(owner.fold.rooms) for owner in owners))
        self._dormant.set(sum(owner.fold.dormant_rooms() for owner in owners))
        self._ids.set(sum(owner.fold.remembered_ids() for owner in owners))
        self._orders.set(sum(owner.fold.remembered_orders() for owner in owners))
        self._oversold.set(sum(owner.fold.oversold_units() for owner in owners))
        used = [owner.fold.bounds_used() for owner in owners]
        for bound in BOUNDS:
            self._bound_used.labels(bound).set(max((each[bound] for each in used), default=0))

    def harvest(self, owner: Owner) -> None:
        """Add the counts of an owner's fold since the last call."""
        seen = self._seen.setdefault(owner, {})
        for key, value in self._counts(owner):
            added = value - seen.get(key, 0)
            if added:
                seen[key] = value
                self._child(key).inc(added)

    def forget(self, owner: Owner) -> None:
        """Forget an owner that is gone. Its counts stay in the metrics."""
        self._seen.pop(owner, None)

    def _counts(self, owner: Owner) -> Iterable[tuple[tuple[str, ...], int]]:
        counters = owner.fold.counters
        for index, topic in enumerate(self._topics):
            yield ("received", topic), counters.received[index]
            for outcome in OUTCOMES:
                yield ("events", topic, outcome), getattr(counters, outcome)[index]
        for reason, count in counters.dead_letters.items():
            yield ("dead", str(reason)), count
        for conflict, count in counters.conflicts.items():
            yield ("conflicts", conflict), count
        for (claim, why), count in counters.withheld.items():
            yield ("withheld", str(claim), str(why)), count
        yield ("left_out", "too_large"), owner.signals_left_out
        yield ("kept",), owner.claims_kept
        yield ("kept_bytes",), owner.claims_kept_bytes
        yield ("retimed",), counters.retimed
        yield ("forgotten",), counters.ids_forgotten
        yield ("orders_forgotten", "age"), counters.orders_forgotten
        yield ("orders_forgotten", "bound"), counters.orders_displaced
        yield ("bound_refused", "orders"), counters.orders_displaced
        yield ("bound_refused", "rooms"), counters.rooms_evicted
        yield ("bound_refused", "sales"), owner.fold.shared.sales_refused
        yield ("bound_refused", "words"), owner.fold.shared.words_dropped
        yield ("bound_refused", "history"), owner.fold.histories_dropped()
        for (mechanic, limit), count in owner.fold.shared.mechanics_beyond.items():
            yield ("bound_refused", f"{mechanic}.{limit}"), count
        yield ("holds_expired",), counters.holds_expired
        yield ("ended", "idle"), counters.rooms_ended
        yield ("ended", "evicted"), counters.rooms_evicted
        yield ("ended", "word"), counters.rooms_closed
        yield ("rooms_forgotten", "age"), counters.rooms_forgotten
        yield ("rooms_forgotten", "bound"), counters.rooms_displaced

    def _child(self, key: tuple[str, ...]) -> Any:
        kinds: dict[str, Counter] = {
            "received": self._received,
            "events": self._events,
            "dead": self._dead,
            "conflicts": self._conflicts,
            "bound_refused": self._bound_refused,
            "withheld": self._withheld,
            "left_out": self._left_out,
            "kept": self._kept,
            "kept_bytes": self._kept_bytes,
            "retimed": self._retimed,
            "forgotten": self._forgotten,
            "orders_forgotten": self._orders_forgotten,
            "holds_expired": self._holds_expired,
            "ended": self._ended,
            "rooms_forgotten": self._rooms_forgotten,
        }
        counter, labels = kinds[key[0]], key[1:]
        return counter.labels(*labels) if labels else counter

    def _forget_partitions(self, owned: set[int]) -> None:
        """Remove the figures of partitions that this process lost: their last lag must not stay here."""
        for partition in self._age_partitions - owned:
            self._age.remove(str(partition))
            self._lag.remove_by_labels({"partition": str(partition)})
            self._held_up.remove_by_labels({"partition": str(partition)})
            self._refused_s.remove_by_labels({"partition": str(partition)})
        self._age_partitions = owned


def _throttled_seconds(registry: MetricsRegistry) -> dict[Client, Counter]:
    counted = registry.counter(
        "stream_kafka_throttled_seconds_total", "How long quotas of the brokers have held clients back.", "client"
    )
    return {client: counted.labels(client) for client in CLIENTS}


# aiokafka's names for "a later owner has the transactional id".
FENCED_ERRORS = frozenset({"ProducerFenced", "InvalidProducerEpoch", "InvalidProducerIdMapping"})

NowMs = Callable[[], int]


def now_ms() -> int:
    """The wall clock, milliseconds since 1970."""
    return time.time_ns() // 1_000_000
