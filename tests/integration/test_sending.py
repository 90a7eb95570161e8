"""A producer that the broker refuses some records goes on with the others: each arrives once, in order, or is named."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.errors import SnapupError
from stream.sources.sending import Outgoing, sending

if TYPE_CHECKING:
    from stream.local.stack import Stack
    from tests.conftest import ApplyTopics

pytestmark = pytest.mark.integration


async def test_records_that_are_refused_take_nobody_with_them(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics
) -> None:
    await apply_topics(1, "CreateTime")
    topic, now_ms = f"{topic_prefix}.likes", time.time_ns() // 1_000_000
    large, ahead, huge = 40, 90, 140

    def outgoing(number: int) -> Outgoing:
        value: bytes | None = b"%d" % number
        if number in (large, huge):
            value = b"x" * (3_000_000 if number == large else 20_000_000)
        headers = (("none", None), ("some", b"\xff"))
        at_ms = now_ms + (10 * 3_600_000 if number == ahead else 0)
        return Outgoing(topic, None if number == 7 else b"k", None if number == 7 else value, headers, at_ms, number)

    taken: list[int] = []
    refused: dict[int, str] = {}
    async with sending(stack.bootstrap_servers, taken.append, refused.__setitem__) as sender:
        for number in range(200):
            await sender.send(outgoing(number))
    assert sorted(refused) == [large, ahead, huge]
    assert all(refused.values())
    assert sorted(taken) == sorted(set(range(200)) - refused.keys())
    assert (sender.acknowledged, sender.failed) == (197, 3)
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    part = TopicPartition(topic, 0)
    consumer.assign([part])
    records: list[Any] = []
    (end,) = (await consumer.end_offsets([part])).values()
    while await consumer.position(part) < end:
        for some in (await consumer.getmany(timeout_ms=200)).values():
            records += some
    await consumer.stop()
    assert len(records) == 197
    assert sorted(int(record.value) for record in records if record.value is not None) == sorted(set(taken) - {7})
    assert all(record.headers == (("none", None), ("some", b"\xff")) for record in records)
    assert all(record.timestamp == now_ms for record in records)


async def test_a_broker_that_is_away_is_a_sentence() -> None:
    with pytest.raises(SnapupError, match="0 records were acknowledged until then"):
        async with sending("127.0.0.1:1", print, print) as sender:
            await sender.drain()
