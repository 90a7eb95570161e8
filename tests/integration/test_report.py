"""The report of two shows of one room on real Kafka: by a worker that is taken over in between, and by hand."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TYPE_CHECKING

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from typer.testing import CliRunner

from stream.cli import app
from stream.commands.audit import assumptions_of
from stream.commands.report import report_json
from stream.contract.events import TOPIC_NAMES
from stream.contract.partitioner import partition_of
from stream.contract.report import Amounts, Report
from stream.errors import NoSuchError
from stream.settings import load_settings
from stream.verify.report_log import report_from_kafka
from tests.integration.worker_process import DEADLINE_S
from tests.support.days import Days

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stream.contract.recording import RecordedRecord
    from stream.local.stack import Stack
    from tests.conftest import ApplyTopics
    from tests.integration.conftest import StartWorker

pytestmark = pytest.mark.integration

PARTITIONS = 3
RULES = {"clock": "log", "hold_ms": "45000"}


def shows() -> tuple[Days, Days]:
    """Two shows of a room; a refund of the first comes in the second, between others' records and refused ones."""
    first, second = Days(), Days()
    first.add(0, "room_opened", show_id="one")
    first.sale(1, offered=10, ends_s=4_000)
    for number in range(12):
        first.add(2 + number, "enter", user_id=f"u{number}", source="feed", event_id=f"enter-{number}")
        first.add(2 + number, "like", user_id="x", count=1, room=f"other-{number}", event_id=f"like-{number}")
    first.order(30, "placed", "o1", event_id="p1")
    first.order(40, "paid", "o1", event_id="p2")
    first.order(41, "paid", "o1", event_id="p2")
    first.order(42, "placed", "o2", event_id="p3")
    first.raw("orders", b"{", first.records[-1].timestamp + 1_000)
    first.add(1, "comment", stored_s=100, user_id="late", text="late", event_id="c1")
    first.add(120, "room_closed", show_id="one", event_id="end-1")
    second.add(600, "room_opened", show_id="two", event_id="begin-2")
    second.order(610, "refunded", "o1", event_id="r1")
    second.order(620, "paid", "o3", event_id="p4")
    second.add(630, "like", user_id="u1", count=3, event_id="l1")
    return first, second


async def send(stack: Stack, prefix: str, records: Sequence[RecordedRecord]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers) as producer:
        for record in records:
            partition = partition_of(record.key or b"", PARTITIONS)
            topic = f"{prefix}.{record.topic}"
            await producer.send_and_wait(topic, record.value, record.key, partition, timestamp_ms=record.timestamp)


async def reported(stack: Stack, prefix: str, session: str | None = None) -> Report:
    settings = load_settings()
    return await report_from_kafka(
        stack.bootstrap_servers,
        prefix,
        "r1",
        session=session,
        stated=assumptions_of(settings),
        stated_rules=msgspec.to_builtins(settings.rules()),
    )


async def until(stack: Stack, prefix: str, wanted: str, received: int) -> Report:
    """The report, once the room's last show is this one and so many of its records were folded."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            found = await reported(stack, prefix)
        except NoSuchError:
            found = None
        if found is not None and (found.session.show_id, found.quality.received) == (wanted, received):
            return found
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.2)


async def test_two_shows_of_a_room(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, start_worker: StartWorker, tmp_path: Path
) -> None:
    await apply_topics(PARTITIONS, "CreateTime")
    first_days, second_days = shows()
    records = first_days.in_order()
    await send(stack, topic_prefix, records[:-2])
    worker = start_worker(**RULES)
    await worker.until_ready(PARTITIONS)
    so_far = await until(stack, topic_prefix, "one", 19)
    assert so_far.check.holds, so_far.check
    assert so_far.session.ended_at_ms is None
    await send(stack, topic_prefix, records[-2:])
    first = await until(stack, topic_prefix, "one", 21)
    worker.kill()
    assert first.check.holds, first.check
    assert (first.session.ended_by, first.totals.views, first.totals.comments) == ("word", 12, 1)
    assert first.totals.orders == {"placed": 2, "paid": 1, "cancelled": 0, "refunded": 0}
    assert first.totals.money == [Amounts("CNY", 1_800, 900, 900)]
    (product,) = first.products
    assert product.ledger is not None
    assert (product.ledger.sold, product.ledger.held, product.ledger.released) == (1, 0, 1)  # by their rules, not ours
    assert (first.quality.duplicate, first.quality.dead_letters, first.quality.retimed) == (1, {"not_json": 1}, 1)
    assert (first.rules[0].source, first.rules[0].rules["hold_ms"]) == ("journal", 45_000)
    assert first.check.claims.claims == first.check.claims.right > 0
    assert first.log.sha256 == await hashed_by_hand(stack, topic_prefix, first)

    await send(stack, topic_prefix, second_days.in_order())
    again = start_worker(**RULES)
    await again.until_ready(PARTITIONS)
    second = await until(stack, topic_prefix, "two", 4)
    assert second.check.holds, second.check
    assert second.session.ended_at_ms is None
    assert second.totals.orders == {"placed": 1, "paid": 1, "cancelled": 0, "refunded": 1}
    assert second.totals.money == [Amounts("CNY", 900, 900, 0)]
    assert report_json(await reported(stack, topic_prefix, "one")) == report_json(first)
    assert report_json(await reported(stack, topic_prefix)) == report_json(second)
    await asyncio.to_thread(the_command_says_the_same, stack, topic_prefix, tmp_path, first)


def the_command_says_the_same(stack: Stack, prefix: str, tmp_path: Path, first: Report) -> None:
    there = ["--bootstrap-servers", stack.bootstrap_servers, "--topic-prefix", prefix]

    def run(*words: str) -> tuple[int, str]:
        answer = CliRunner().invoke(app, ["report", *words, *there])
        error = answer.exception
        return getattr(error, "exit_code", answer.exit_code), answer.output + getattr(error, "message", "")

    code, told = run("r1", "--session", "1", "--to", str(tmp_path / "one"))
    assert code == 0, told
    assert "REPORT-HOLDS: room r1, session of " in told
    assert (tmp_path / "one.json").read_bytes() == report_json(first)
    page = (tmp_path / "one.html").read_bytes()
    assert run("r1", "--session", "one", "--to", str(tmp_path / "one"), "--overwrite")[0] == 0
    assert (tmp_path / "one.html").read_bytes() == page
    code, told = run("r1", "--session", "3")
    assert code == 2
    assert "there are: 1: show one, began" in told
    assert "2: show two, began" in told
    code, told = run("r-1")
    assert code == 2
    assert "Did you mean 'r1'?" in told


async def hashed_by_hand(stack: Stack, prefix: str, made: Report) -> str:
    """From the definition in docs/report.md, with a consumer of its own."""

    def integer(number: int) -> bytes:
        return number.to_bytes(8, "big", signed=True)

    def text(content: bytes | None) -> bytes:
        return integer(-1) if content is None else integer(len(content)) + content

    lines = "snapup-log-1\n"
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.bootstrap_servers, isolation_level="read_committed")
    await consumer.start()
    for each in sorted(made.log.topics, key=lambda found: TOPIC_NAMES.index(found.topic)):
        part = TopicPartition(f"{prefix}.{each.topic}", each.partition)
        consumer.assign([part])
        consumer.seek(part, each.first_offset)
        digest, count = hashlib.sha256(), 0
        while await consumer.position(part) < each.next_offset:
            record = await consumer.getone(part)
            if record.key == b"r1":
                count += 1
                digest.update(integer(record.offset) + integer(record.timestamp) + text(record.key))
                digest.update(text(record.value) + integer(len(record.headers)))
        lines += f"{each.topic} {each.partition} {each.first_offset} {each.next_offset} {count} {digest.hexdigest()}\n"
    await consumer.stop()
    return hashlib.sha256(lines.encode()).hexdigest()
