from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from stream.contract.events import TOPIC_NAMES
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.errors import SnapupError
from stream.shows.player import play_to_kafka
from stream.shows.show import Delivery, Expected, Show
from stream.verify.audit import Where, audit
from stream.verify.room_count import Assumptions
from stream.verify.verdict import PASSED, Verdict
from stream.worker.dead_letters import dead_letter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis.asyncio import Redis

    from stream.local.stack import Stack
    from tests.conftest import ApplyTopics

pytestmark = pytest.mark.integration

PARTITIONS = 2
ROOMS = ("room-a", "room-b")


def small_show() -> Show:
    """Two rooms, every topic, a record that breaks the contract, and one delivered twice."""

    def deliveries(t0_ms: int) -> Iterator[Delivery]:
        for number, room in itertools.product(range(40), ROOMS):
            user = f"u{number}"
            events: list[tuple[str, dict[str, Any]]] = [
                ("visits", {"type": "enter", "user_id": user}),
                ("likes", {"type": "like", "user_id": user, "count": 0 if number == 7 else number + 1}),
                ("comments", {"type": "comment", "user_id": user, "text": "好"}),
                ("cart-adds", {"type": "cart_add", "user_id": user, "sku_id": "s", "quantity": 1, "sale_id": "drop"}),
                ("orders", _order(user, "paid" if number % 2 else "placed")),
            ]
            if number == 0:
                opened = {"type": "sale_opened", "sale_id": "drop", "sku_id": "s", "offered": 50, "starts_at_ms": t0_ms}
                events.append(("sales", opened))
            for topic, fields in events:
                event_id = f"{topic}-{min(number, 38)}" if topic == "likes" else f"{topic}-{number}"
                at_ms = t0_ms + number * 50
                value = msgspec.json.encode({"event_id": event_id, "room_id": room, "event_time_ms": at_ms, **fields})
                yield Delivery(number * 50, topic, room.encode(), value, event_id, at_ms)

    expected = Expected(
        rooms=[],
        deliveries=402,
        applied=0,
        redelivered=2,
        replayed=0,
        repeated_statuses=0,
        out_of_order=0,
        duration_ms=2_000,
    )
    return Show(name="small", seed=0, expected=expected, deliveries=deliveries)


def _order(user: str, status: str) -> dict[str, Any]:
    lines = [{"sku_id": "s", "quantity": 1, "amount_minor": 100, "sale_id": "drop"}]
    told = {"type": "order", "user_id": user, "order_id": f"o-{user}", "status": status}
    return told | {"lines": lines, "currency": "CNY"}


class Log:
    """A log with the small show in it, and the means to do a worker's work by hand."""

    def __init__(self, stack: Stack, prefix: str, redis: Redis, t0_ms: int) -> None:
        self.t0_ms = t0_ms
        self.where = Where(bootstrap_servers=stack.bootstrap_servers, redis_url=stack.redis_url, prefix=prefix)
        self.prefix = prefix
        self.redis = redis

    async def audit(self, deadline_s: float = 0, room_id: str | None = None) -> Verdict:
        return await audit(self.where, Assumptions(), room_id=room_id, deadline_s=deadline_s)

    async def work(self) -> None:
        """Fold what is there; write documents, a checkpoint and the dead letters of each partition."""
        producer = AIOKafkaProducer(bootstrap_servers=self.where.bootstrap_servers)
        await producer.start()
        for partition in range(PARTITIONS):
            fold = await self._folded(partition)
            positions = dict(zip(fold.topic_names, fold.positions, strict=True))
            cut = fold.cut(1)
            meta = {"epoch": 1, "seq": 1, "owner": "me", "claim": False, "positions": positions}
            meta["clock_ms"] = cut.clock_ms
            topic = f"{self.prefix}.checkpoints"
            await producer.send_and_wait(topic, msgspec.json.encode(meta), b"m", partition)
            for each in cut.signals:
                topic = f"{self.prefix}.signals"
                await producer.send_and_wait(topic, each.document, each.room_id.encode(), partition)
            for refused in cut.refused:
                letter = dead_letter(refused, fold.topic_names[refused.topic_index], partition)
                topic = f"{self.prefix}.dead-letters"
                await producer.send_and_wait(topic, letter.value, letter.key, partition, headers=list(letter.headers))
            for document in fold.publish(None, 1, everything=True):
                await self.redis.set(self.key(document.room_id), document.document)
        await producer.stop()

    async def _folded(self, partition: int) -> PartitionFold:
        names = [f"{self.prefix}.{name}" for name in TOPIC_NAMES]
        fold = PartitionFold(partition, Rules(), names)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.where.bootstrap_servers, auto_offset_reset="earliest")
        await consumer.start()
        parts = [TopicPartition(name, partition) for name in names]
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        while any([await consumer.position(part) < ends[part] for part in parts]):
            for part, records in (await consumer.getmany(timeout_ms=100)).items():
                fold.fold(names.index(part.topic), records)
        await consumer.stop()
        fold.advance(self.t0_ms + small_show().expected.duration_ms, "log")
        return fold

    def key(self, room_id: str) -> str:
        return f"{self.prefix}:v1:{{room:{room_id}}}:overlay"


@pytest.fixture
async def log(stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, redis_client: Redis) -> Log:
    await apply_topics(PARTITIONS, "CreateTime")
    t0_ms = time.time_ns() // 1_000_000
    played = await play_to_kafka(small_show(), stack.bootstrap_servers, topic_prefix, t0_ms=t0_ms, speed=None)
    assert played.sent == played.acknowledged == 402
    return Log(stack, topic_prefix, redis_client, t0_ms)


async def test_work_that_was_done_right_passes_and_says_what_it_saw(log: Log) -> None:
    await log.work()
    verdict = await log.audit()
    assert (verdict.line, verdict.problems) == (PASSED, [])
    assert [(room.room_id, room.differences, room.skipped) for room in verdict.rooms] == [
        ("room-a", [], None),
        ("room-b", [], None),
    ]
    assert [room.redis_skipped for room in verdict.rooms] == [None, None]
    assert all(len(room.saved) > 40 and len(room.figures) > 40 for room in verdict.rooms)
    accounts = verdict.accounts
    assert (accounts.received, accounts.duplicate, dict(accounts.dead_lettered)) == (402, 2, {"schema_violation": 2})
    assert (verdict.dead_letters, sum(verdict.records_cut.values())) == (2, 402)


async def test_work_that_was_not_done_is_missed_everywhere(log: Log) -> None:
    verdict = await log.audit()
    said = " ".join(verdict.problems)
    assert "records after the last checkpoint" in said
    assert said.count("missing in dead-letters") == 2
    assert [room.figures[0].published for room in verdict.rooms] == ["missing", "missing"]
    assert verdict.line == f"DIFFERENCES: {verdict.differences}"


async def test_one_unit_off_is_found(log: Log) -> None:
    await log.work()
    document = msgspec.json.decode(await log.redis.get(log.key("room-a")) or b"")
    document["sales"][0]["sold"] += 1
    document["sales"][0]["available"] -= 1
    await log.redis.set(log.key("room-a"), msgspec.json.encode(document))
    differences = [figure.name for room in (await log.audit()).rooms for figure in room.differences]
    assert differences == ["drop/s available", "drop/s sold"]
    assert (await log.audit(room_id="room-b")).line == PASSED


async def test_documents_of_nobody_and_of_another_room_are_found(log: Log) -> None:
    await log.work()
    await log.redis.set(log.key("stranger"), b"{}")
    await log.redis.set(log.key("room-b"), await log.redis.get(log.key("room-a")) or b"")
    verdict = await log.audit()
    assert verdict.problems == ["a document of room 'stranger', of which the log knows nothing"]
    assert [figure.name for room in verdict.rooms for figure in room.differences] == ["document's room_id"]


async def test_it_waits_until_the_work_is_done_and_no_longer_than_it_may(log: Log) -> None:
    waits = asyncio.Event()
    waiting = asyncio.create_task(audit(log.where, Assumptions(), deadline_s=60, report=lambda _: waits.set()))
    await waits.wait()
    await log.work()
    assert (await waiting).line == PASSED
    await log.redis.flushall()
    late = await log.audit(deadline_s=0.5)
    assert (late.differences, late.waited_s >= 0.5) == (2, True)


async def test_a_missing_topic_and_a_silent_broker_are_clear_errors(log: Log) -> None:
    with pytest.raises(SnapupError, match="Missing in Kafka"):
        await audit(msgspec.structs.replace(log.where, prefix="nothing"), Assumptions())
    with pytest.raises(SnapupError, match="does not answer"):
        await audit(msgspec.structs.replace(log.where, bootstrap_servers="127.0.0.1:1"), Assumptions())
    with pytest.raises(SnapupError, match="Redis does not answer"):
        await audit(msgspec.structs.replace(log.where, redis_url="redis://127.0.0.1:1/0"), Assumptions())


async def test_the_ack_journal_names_every_record_where_it_is(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, tmp_path: Path
) -> None:
    await apply_topics(PARTITIONS, "CreateTime")
    journal = tmp_path / "acks.ndjson"
    await play_to_kafka(
        small_show(), stack.bootstrap_servers, topic_prefix, t0_ms=1_700_000_000_000, speed=100, journal=journal
    )
    noted = {
        (line["topic"], line["partition"], line["offset"]): line["event_id"]
        for line in map(msgspec.json.decode, journal.read_bytes().splitlines())
    }
    found: dict[tuple[str, int, int], str] = {}
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(f"{topic_prefix}.{n}", p) for n in TOPIC_NAMES for p in range(PARTITIONS)])
    while len(found) < len(noted):
        for records in (await consumer.getmany(timeout_ms=100)).values():
            for record in records:
                event = msgspec.json.decode(record.value or b"")
                found[record.topic, record.partition, record.offset] = event["event_id"]
                assert 1_700_000_000_000 <= record.timestamp <= 1_700_000_002_000
    await consumer.stop()
    assert noted == found
    assert len(noted) == 402


async def test_a_show_is_not_played_fast_into_topics_with_the_brokers_clock(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics
) -> None:
    await apply_topics(PARTITIONS, "LogAppendTime")
    with pytest.raises(SnapupError, match="CreateTime"):
        await play_to_kafka(small_show(), stack.bootstrap_servers, topic_prefix, t0_ms=0, speed=None)


async def test_a_show_needs_topics_and_a_broker(stack: Stack, topic_prefix: str) -> None:
    with pytest.raises(SnapupError, match="missing"):
        await play_to_kafka(small_show(), stack.bootstrap_servers, topic_prefix, t0_ms=0, speed=None)
    with pytest.raises(SnapupError, match="does not answer"):
        await play_to_kafka(small_show(), "127.0.0.1:1", topic_prefix, t0_ms=0, speed=1)
