"""A worker's heartbeat: written while it reads and folds, and never in anybody's way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from redis.exceptions import ConnectionError as RedisConnectionError

from stream.contract.heartbeat import Heartbeat
from stream.worker.heartbeat import KAFKA_SILENT_MS, Heartbeats
from stream.worker.ownership import Phase
from tests.unit.worker.helpers import LIKES, NOW_MS, all_at_end, drain, like, live_owner

if TYPE_CHECKING:
    from stream.worker.metrics import Metrics
    from stream.worker.partition_owner import Owner


class StoreTwin:
    """Redis that takes heartbeats, or does not."""

    def __init__(self) -> None:
        self.words: list[tuple[str, Heartbeat]] = []
        self.away = False

    async def beat(self, name: str, word: bytes) -> None:
        if self.away:
            raise RedisConnectionError
        self.words.append((name, msgspec.json.decode(word, type=Heartbeat)))


class OwnersTwin:
    def __init__(self, *owners: Owner) -> None:
        self.owners = list(owners)

    def live(self) -> list[Owner]:
        return [owner for owner in self.owners if owner.phase is Phase.LIVE]


def heartbeats_of(store: StoreTwin, metrics: Metrics, *owners: Owner, now_ms: int = NOW_MS) -> Heartbeats:
    known: Any = OwnersTwin(*owners)
    to: Any = store
    return Heartbeats(to, known, metrics, partitions=6, now_ms=lambda: now_ms)


def heard(owner: Owner) -> Owner:
    """Kafka has just answered for this partition."""
    all_at_end(owner, besides=-1)
    return owner


def counted(metrics: Metrics, result: str) -> float:
    return metrics.registry.get_sample_value("stream_heartbeats_total", {"result": result}) or 0.0


async def test_it_names_the_partitions_that_are_folded_and_nothing_else(metrics: Metrics) -> None:
    store = StoreTwin()
    made = heartbeats_of(store, metrics, heard(live_owner(4)), heard(live_owner(1)))
    await made.beat()
    await made.beat()
    (name, word), (again, _) = store.words
    assert word == Heartbeat(NOW_MS, [1, 4], 6)
    assert name == again
    assert len(name) == 16
    assert counted(metrics, "written") == 2
    await heartbeats_of(store, metrics, heard(live_owner())).beat()
    assert store.words[-1][0] != name


async def test_a_worker_that_folds_nothing_is_silent(metrics: Metrics) -> None:
    store, paused = StoreTwin(), heard(live_owner())
    paused.pause()
    for owners in ((), (paused,), (live_owner(),)):  # the last: Kafka has never answered
        await heartbeats_of(store, metrics, *owners).beat()
    assert store.words == []
    assert counted(metrics, "held_back") == 3


async def test_a_partition_for_which_kafka_does_not_answer_is_left_out(metrics: Metrics) -> None:
    store, silent, one_topic = StoreTwin(), heard(live_owner(0)), heard(live_owner(1))
    later_ms = NOW_MS + KAFKA_SILENT_MS + 1
    list(one_topic.ownership.cut(drain(one_topic, LIKES, [like(0)], polled_at_ms=later_ms), 100))
    await heartbeats_of(store, metrics, silent, one_topic, now_ms=NOW_MS + KAFKA_SILENT_MS).beat()
    await heartbeats_of(store, metrics, silent, one_topic, now_ms=later_ms).beat()
    assert [word.folds for _, word in store.words] == [[0, 1], [1]]


async def test_what_redis_does_is_counted_and_the_next_one_is_the_next_try(metrics: Metrics) -> None:
    store = StoreTwin()
    made = heartbeats_of(store, metrics, heard(live_owner()))
    store.away = True
    await made.beat()
    store.away = False
    await made.beat()
    assert (counted(metrics, "failed"), counted(metrics, "written")) == (1, 1)
