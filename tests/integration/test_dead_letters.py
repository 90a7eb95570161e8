"""`snapup dead-letters` on a real Kafka, with letters that a real worker wrote."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from stream.contract.refusal import DeadLetter, Reason
from stream.core.publishing import Refused
from stream.sources.letters import RESENT
from stream.worker.dead_letters import dead_letter
from tests.integration.worker_process import WorkerProcess
from tests.unit.sources.test_letters import Rec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.local.stack import Stack
    from tests.conftest import ApplyTopics

pytestmark = pytest.mark.integration

Written = tuple[int, bytes | None, bytes | None, Reason]

PARTITIONS = 4
SNAPUP = Path(sys.executable).with_name("snapup")


async def snapup(stack: Stack, prefix: str, *words: str, code: int = 0) -> tuple[str, str]:
    """Standard output and error of a command that ends with this code."""
    environment = {**os.environ, **stack.environment(), "SNAPUP_TOPIC_PREFIX": prefix, "COLUMNS": "200"}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        SNAPUP, *words, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    out, err = await process.communicate()
    assert process.returncode == code, (out, err)
    return out.decode(), err.decode()


def like(room: str, event_id: str, **fields: Any) -> bytes:
    now_ms = time.time_ns() // 1_000_000
    event = {"type": "like", "event_id": event_id, "room_id": room, "event_time_ms": now_ms, "user_id": "u", "count": 1}
    return msgspec.json.encode(event | fields)


async def records_of(stack: Stack, topic: str, count: int) -> list[Any]:
    """The first records of a topic, as many as there must be, by partition and offset; none comes after them."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=stack.bootstrap_servers, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await consumer.start()
    try:
        parts = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(parts)
        found: list[Any] = []
        async with asyncio.timeout(60):
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
        ends = await consumer.end_offsets(parts)
        assert all([await consumer.position(part) >= end - 1 for part, end in ends.items()])
        return sorted(found, key=lambda record: (record.partition, record.offset))
    finally:
        await consumer.stop()


async def write_letters(stack: Stack, prefix: str, letters: Sequence[Written]) -> None:
    """As a worker would have written them: (partition, key, value, reason), one offset after another."""
    async with AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers) as producer:
        for offset, (partition, key, value, reason) in enumerate(letters):
            record = Rec(value, key, offset, 1_795_780_000_000, (("trace", b"\xff\x00"),))
            refused = Refused(1, offset, record, DeadLetter(reason, "said by a test", None))
            message = dead_letter(refused, f"{prefix}.likes", partition)
            await producer.send_and_wait(
                f"{prefix}.dead-letters", message.value, message.key, partition, headers=list(message.headers)
            )


async def test_letters_are_listed_by_reason_and_found_by_room_topic_and_time(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics
) -> None:
    await apply_topics(PARTITIONS)
    nothing, _ = await snapup(stack, topic_prefix, "dead-letters")
    assert f"No dead letters in {topic_prefix}.dead-letters" in nothing
    await write_letters(
        stack,
        topic_prefix,
        [
            (0, b"room-a", b"\x00\xff\x1b[31m", Reason.NOT_UTF8),
            (1, b"room-b", like("room-b", "1", count=0), Reason.SCHEMA_VIOLATION),
            (1, b"room-a", like("room-b", "2"), Reason.KEY_MISMATCH),
            (2, b"room-c", None, Reason.NOT_JSON),
            (3, b"room-b", like("room-b", "3", count=0), Reason.SCHEMA_VIOLATION),
        ],
    )
    out, _ = await snapup(stack, topic_prefix, "dead-letters")
    lines = out.splitlines()
    assert lines[0] == f"5 of 5 dead letters in {topic_prefix}.dead-letters:"
    assert lines[2].startswith("schema_violation        2")
    assert f"{topic_prefix}.likes/1@1  key room-b  said by a test" in out
    assert "\x1b" not in out  # nobody's bytes steer a terminal
    assert "the newest 2" in (await snapup(stack, topic_prefix, "dead-letters", "--limit", "2"))[0]
    for words, count in (
        (("--room", "room-b"), 3),
        (("--room", "room-a"), 2),
        (("--room", "nobody"), 0),
        (("--reason", "schema_violation"), 2),
        (("--topic", "likes"), 5),
        (("--topic", f"{topic_prefix}.orders"), 0),
        (("--since", "10m"), 5),
        (("--limit", "3"), 3),
    ):
        out, _ = await snapup(stack, topic_prefix, "dead-letters", "--json", *words)
        assert len(out.splitlines()) == count, words
    told = [
        msgspec.json.decode(line)
        for line in (await snapup(stack, topic_prefix, "dead-letters", "--json"))[0].splitlines()
    ]
    (binary,) = [each for each in told if each["reason"] == "not_utf8"]
    assert binary["record"]["value_base64"] == "AP8bWzMxbQ=="
    for words, meant in (
        (("--reason", "schema_violaton"), "'schema_violation'"),
        (("--topic", "like"), "'likes'"),
    ):
        _, err = await snapup(stack, topic_prefix, "dead-letters", *words, code=2)
        assert f"Did you mean {meant}?" in err
    assert "--since 2w" in (await snapup(stack, topic_prefix, "dead-letters", "--since", "2w", code=2))[1]


async def test_records_are_sent_again_by_their_keys_each_once_and_accounted_for(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics
) -> None:
    await apply_topics(PARTITIONS)
    good = [like(f"room-{number}", f"e{number}") for number in range(6)]
    letters = [
        (number % PARTITIONS, f"room-{number}".encode(), value, Reason.TOO_OLD) for number, value in enumerate(good)
    ]
    letters += [(0, b"room-x", b"\x00\xff", Reason.NOT_UTF8), (0, b"other", like("room-x", "x"), Reason.KEY_MISMATCH)]
    await write_letters(stack, topic_prefix, letters)
    await write_letters(stack, topic_prefix, letters[:2])  # twice in the topic: the same records
    _, err = await snapup(stack, topic_prefix, "dead-letters", "--resend", code=1)
    assert "Send 8 records again, leave 2 out?" in err
    assert "Nobody is there to ask: say --yes." in err
    assert "would be refused again: not_utf8" in err
    out, _ = await snapup(stack, topic_prefix, "dead-letters", "--resend", "--yes")
    likes = f"{topic_prefix}.likes"
    account = f"10 letters: 6 sent again ({likes} 6), 2 left out, 2 second letters of one record, 0 failed"
    assert out.splitlines()[-1] == account
    records = await records_of(stack, likes, 6)
    assert sorted(record.value for record in records) == sorted(good)
    place = DefaultPartitioner()
    parts = list(range(PARTITIONS))
    assert [record.partition for record in records] == [place(record.key, parts, parts) for record in records]
    assert {record.headers[1] for record in records} == {("trace", b"\xff\x00")}
    marks = {record.headers[0] for record in records}
    assert {name for name, _ in marks} == {RESENT}
    assert (RESENT, f"{topic_prefix}.dead-letters/0@0".encode()) in marks


async def test_a_second_refusal_is_seen_and_a_record_that_was_mended_counts(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, tmp_path: Path
) -> None:
    await apply_topics(PARTITIONS)
    letters = f"{topic_prefix}.dead-letters"
    with WorkerProcess(tmp_path / "worker.log", stack, topic_prefix) as worker:
        await worker.until_ready(PARTITIONS)
        async with AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers) as producer:
            await producer.send_and_wait(f"{topic_prefix}.likes", like("room-a", "bad", count=0), b"room-a")
        await records_of(stack, letters, 1)
        _, err = await snapup(stack, topic_prefix, "dead-letters", "--resend", "--yes", code=1)
        assert "Nothing was sent: 1 left out; --even-so sends what would be refused again." in err
        await snapup(stack, topic_prefix, "dead-letters", "--resend", "--even-so", "--yes")
        await records_of(stack, letters, 2)
        out, _ = await snapup(stack, topic_prefix, "dead-letters")
        assert out.count("sent again 1 times before") == 1
        assert out.splitlines()[2].split()[:3] == ["schema_violation", "2", "1"]
