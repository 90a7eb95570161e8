"""Records that no proper client writes, on a real broker: worker, audit and replay count the good ones around them."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, Any

import cramjam
import msgspec
import pytest
import redis.asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.commands.replay_kafka import replay_topics
from stream.contract.overlay import room_key
from stream.contract.partitioner import partition_of
from tests.integration.worker_process import assert_books_balance, assert_exact
from tests.support.raw_batches import CODECS, Answer, RawSender, batch, record, varint

if TYPE_CHECKING:
    from stream.local.stack import Stack
    from tests.conftest import ApplyTopics
    from tests.integration.conftest import StartWorker

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOM = b"room-1"
_numbers = itertools.count()


def like(room: bytes = ROOM, **more: Any) -> bytes:
    """A good event, each another one."""
    told = {"type": "like", "event_id": f"e{next(_numbers)}", "room_id": room.decode(), "user_id": "u1", "count": 1}
    return msgspec.json.encode({**told, "event_time_ms": time.time_ns() // 1_000_000, **more})


def good(delta: int = 0, room: bytes = ROOM, **more: Any) -> bytes:
    return record(delta, like(room, **more), room)


def event(told: dict[str, Any]) -> bytes:
    """A good event of another type."""
    return good(0, **told)


def now_batch(content: list[bytes], **more: Any) -> bytes:
    return batch(content, first_ms=time.time_ns() // 1_000_000, **more)


def of_every_codec(room: bytes = ROOM) -> dict[str, tuple[bytes, int]]:
    """One batch of five likes in each codec, and Java's framing of snappy."""
    found = {}
    for codec in CODECS:
        found[codec] = now_batch([good(place, room, note="x" * 400) for place in range(5)], codec=codec), 5
    return found


def poison(room: bytes = ROOM) -> dict[str, tuple[bytes, int]]:
    """By what is wrong: a batch that the broker takes, and how many good likes are in it."""
    millions = b"".join(record(place, None, None) for place in range(5_000))
    large = b'{"type":"like","note":"' + b"x" * 3_000_000 + b'"}'
    bomb = bytes(cramjam.zstd.compress(record(0, like(room), room) + record(1, bytes(80 << 20), room)))
    return {
        "header name": (now_batch([record(0, like(room), room, [(b"\xff\xfe", b"x"), (b"", None)])]), 1),
        "header name, packed": (now_batch([record(0, like(room), room, [(b"\xff", None)])], codec="gzip"), 1),
        "offsets that stand still": (now_batch([good(0, room), good(0, room), good(0, room)]), 1),
        "offsets of others": (now_batch([good(0, room), good(5, room), good(2, room)]), 2),
        "offset before the batch": (now_batch([good(-1, room)]), 0),
        "attribute of a record": (now_batch([record(0, like(room), room, attributes=0x80)]), 1),
        "attributes of a batch": (now_batch([good(0, room)], attributes=0x7FC0), 1),
        "key of no length": (now_batch([varint(6) + b"\0\0\0" + varint(-5) + varint(-1) + varint(0)]), 0),
        "no key and no value": (now_batch([record(0, None, None)]), 0),
        "empty key": (now_batch([record(0, like(room), b"")]), 0),
        "key that is no text": (now_batch([record(0, like(room), b"\xff\xfe")]), 0),
        "large key": (now_batch([record(0, like(room), b"k" * 300_000)]), 0),
        "large value": (now_batch([good(0, room), record(1, large, room), good(2, room)], codec="gzip"), 2),
        "many headers": (now_batch([record(0, b"no", room, [(b"h%d" % n, b"v" * 50) for n in range(3_000)])]), 0),
        "header without a value": (now_batch([record(0, b"no", room, [(b"null", None), (b"empty", b"")])]), 0),
        "a batch that swells": (now_batch([], count=2, codec="zstd", payload=bomb), 1),
        "thousands of nothings": (
            now_batch([], count=5_000, codec="zstd", payload=bytes(cramjam.zstd.compress(millions))),
            0,
        ),
    }


async def write(stack: Stack, topic: str, batches: dict[str, tuple[bytes, int]]) -> int:
    """Each batch between two good ones; how many likes are to be counted in the end."""
    likes = 0
    async with RawSender(stack.bootstrap_servers) as sender:
        for kind, (raw, count) in batches.items():
            for each in (now_batch([good(), good(1)]), raw, now_batch([good()])):
                answer = await sender.send(topic, 0, each)
                assert answer == Answer(answer.offset, "NoError"), kind
            likes += count + 3
    return likes


async def letters(stack: Stack, prefix: str, partition: int = 0) -> list[Any]:
    """All dead letters of a partition, as any consumer reads them."""
    part = TopicPartition(f"{prefix}.dead-letters", partition)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=stack.bootstrap_servers, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign([part])
        end = (await consumer.end_offsets([part]))[part]
        found: list[Any] = []
        while await consumer.position(part) < end:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
        return found
    finally:
        await consumer.stop()


@pytest.mark.parametrize("timestamp_type", ["LogAppendTime", "CreateTime"])
async def test_good_records_around_each_poison_are_counted_by_worker_audit_and_replay(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, start_worker: StartWorker, timestamp_type: Any
) -> None:
    await apply_topics(partitions=1, timestamp_type=timestamp_type)
    worker = start_worker()
    await worker.until_ready(1)
    topic = f"{topic_prefix}.likes"
    batches = of_every_codec() | poison()
    if timestamp_type == "CreateTime":
        batches |= {
            "no time": (batch([good()], first_ms=-1), 1),
            "a time before all time": (batch([record(0, like(), ROOM, time_delta=-(1 << 62))], first_ms=-5), 1),
        }
    likes = await write(stack, topic, batches)
    verdict = await assert_exact(stack, topic_prefix, worker)
    assert worker.process.poll() is None
    assert worker.lines("partition lost") == []
    await assert_books_balance(worker)
    assert verdict.accounts.applied == likes
    # Half of what was read is read again by the next owner, from wherever the last checkpoint stood.
    worker.kill()
    heir = start_worker()
    await heir.until_ready(1)
    await write(stack, topic, {"after": (now_batch([good()], codec="snappy"), 1)})
    await assert_exact(stack, topic_prefix, heir)
    replayed = await replay_topics(
        stack.bootstrap_servers, topic_prefix, room=None, check=True, emit=lambda _: None, progress=lambda *_: None
    )
    assert replayed.differences == []
    assert replayed.identical > 0
    found = {header for letter in await letters(stack, topic_prefix) for header in dict(letter.headers)}
    assert {"dl-value-bytes", "dl-key-bytes", "dl-headers-left-out"} <= found


async def test_a_record_in_another_partition_than_its_keys_counts_nowhere_and_is_named(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=3)
    worker = start_worker()
    await worker.until_ready(3)
    home = partition_of(ROOM, 3)
    wrong = (home + 1) % 3
    topic = f"{topic_prefix}.likes"
    async with RawSender(stack.bootstrap_servers) as sender:
        await sender.send(topic, home, now_batch([good(), good(1)]))
        misplaced = await sender.send(topic, wrong, now_batch([good(), good(1), good(2)]))
        await sender.send(topic, home, now_batch([good()]))
    verdict = await assert_exact(stack, topic_prefix, worker)
    assert verdict.accounts.applied == 4  # and the notice to the room
    assert verdict.accounts.dead_lettered == {"misplaced_key": 3}
    letter = (await letters(stack, topic_prefix, wrong))[0]
    said = {name: value.decode() for name, value in letter.headers}
    assert (said["dl-reason"], said["dl-topic"], said["dl-partition"]) == ("misplaced_key", topic, str(wrong))
    assert (letter.key, said["dl-offset"]) == (ROOM, str(misplaced.offset))
    assert f"belongs in partition {home} of 3" in said["dl-detail"]
    _, text = await worker.get("/metrics")
    assert 'stream_dead_letters_total{reason="misplaced_key"} 3.0' in text


async def test_a_room_with_orders_in_another_partition_says_nothing_about_stock_and_replays_so(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=3)
    worker = start_worker()
    await worker.until_ready(3)
    home = partition_of(ROOM, 3)
    now_ms = time.time_ns() // 1_000_000
    sale = {"type": "sale_opened", "sale_id": "s1", "sku_id": "k1", "offered": 100, "starts_at_ms": now_ms}
    line = {"sku_id": "k1", "quantity": 18, "amount_minor": 1, "sale_id": "s1"}
    paid = {"type": "order", "status": "paid", "currency": "CNY", "lines": [line]}
    async with RawSender(stack.bootstrap_servers) as sender:
        await sender.send(f"{topic_prefix}.sales", home, now_batch([event(sale)]))
        for number in range(5):
            where = home if number < 2 else (home + 1) % 3
            raw = now_batch([event({**paid, "order_id": f"o{number}", "user_id": f"u{number}"})])
            await sender.send(f"{topic_prefix}.orders", where, raw)
    client = redis.asyncio.Redis.from_url(stack.redis_url)
    deadline = time.monotonic() + 60
    reasons: dict[str, str] = {}
    document: Any = None
    while reasons.get("stock_left") != "records_misplaced":
        assert time.monotonic() < deadline, reasons
        shown = await client.get(room_key(topic_prefix, ROOM.decode(), "overlay"))
        document = msgspec.json.decode(shown) if shown else {"withheld": [], "claims": []}
        reasons = {said["claim"]: said["reason"] for said in document["withheld"]}
        await asyncio.sleep(0.05)
    await client.aclose()
    assert "stock_left" not in {said["claim"] for said in document["claims"]}
    await assert_exact(stack, topic_prefix, worker)
    replayed = await replay_topics(
        stack.bootstrap_servers, topic_prefix, room=None, check=True, emit=lambda _: None, progress=lambda *_: None
    )
    assert replayed.differences == []


async def test_a_record_that_fits_no_letter_is_cut_and_the_letter_says_where_the_rest_lies(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=1)
    worker = start_worker()
    await worker.until_ready(1)
    raw = now_batch([record(0, b"x" * 3_000_000, ROOM, [(b"null", None), (b"empty", b"")])], codec="gzip")
    async with RawSender(stack.bootstrap_servers) as sender:
        answer = await sender.send(f"{topic_prefix}.comments", 0, raw)
        await sender.send(f"{topic_prefix}.likes", 0, now_batch([good()]))
    await assert_exact(stack, topic_prefix, worker)
    (letter,) = await letters(stack, topic_prefix)
    said = dict(letter.headers)
    assert (letter.key, said["dl-value-bytes"]) == (ROOM, b"3000000")
    assert 900_000 < len(letter.value) < 1_000_000
    assert (said["null"], said["empty"]) == (None, b"")
    where = (said["dl-topic"].decode(), said["dl-partition"], said["dl-offset"])
    assert where == (f"{topic_prefix}.comments", b"0", b"%d" % answer.offset)
    assert said["dl-reason"] == b"too_large"
