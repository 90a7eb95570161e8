"""Batches of several bodies: order, answers, a partition that hangs, and an end before all is handed over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from stream.ingest.intake import Accepted
from stream.ingest.outbox import Outbox
from tests.support.ingest import eventually

NAMES = ("live.comments", "live.likes")


class Producer:
    """Takes batches as aiokafka's producer does; nothing is acknowledged before a test says so."""

    def __init__(self, batch_bytes: int = 1_000) -> None:
        self._batch_bytes = batch_bytes
        self.taken: list[tuple[str, int, list[bytes], asyncio.Future[None]]] = []
        self.partition_0 = asyncio.Event()
        self.partition_0.set()
        self.refuses: set[int] = set()

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(self._batch_bytes, 0)

    async def send_batch(self, builder: Any, topic: str, *, partition: int) -> asyncio.Future[None]:
        assert builder.closed(), "nothing is added to what aiokafka has"
        if partition == 0:
            await self.partition_0.wait()
        if partition in self.refuses:
            raise ValueError(partition)
        answer = asyncio.get_running_loop().create_future()
        self.taken.append((topic, partition, values_in(builder), answer))
        return answer


def values_in(builder: Any) -> list[bytes]:
    records = MemoryRecords(bytes(builder._build()))
    found = []
    while (batch := records.next_batch()) is not None:
        found += [record.value or b"" for record in batch]
    return found


def outbox(producer: Any) -> Outbox:
    return Outbox(producer, NAMES, int)


def events(topic: int, partition: int, *values: str) -> list[Accepted]:
    return [Accepted(topic, str(partition).encode(), value.encode()) for value in values]


async def test_bodies_that_come_together_share_a_batch_and_its_answer() -> None:
    producer = Producer()
    box = outbox(producer)
    first, second = box.put(events(1, 0, "a", "b") + events(0, 0, "x")), box.put(events(1, 0, "c"))
    assert (len(first), len(second)) == (2, 1)
    assert second < first
    await eventually(lambda: len(producer.taken) == 2, "both batches are handed over")
    taken = {topic: (values, answer) for topic, _, values, answer in producer.taken}
    assert {topic: values for topic, (values, _) in taken.items()} == {
        "live.likes": [b"a", b"b", b"c"],
        "live.comments": [b"x"],
    }
    taken["live.likes"][1].set_result(None)
    await asyncio.gather(*second)
    assert not all(answer.done() for answer in first)
    taken["live.comments"][1].set_result(None)
    await asyncio.gather(*first)
    assert box.put([]) == set()


async def test_what_no_batch_holds_is_in_several_in_its_order() -> None:
    producer = Producer(batch_bytes=200)
    box = outbox(producer)
    values = [f"{number:020}" for number in range(40)] + ["x" * 1_000]
    answers = box.put(events(1, 3, *values[:7])) | box.put(events(1, 3, *values[7:]))
    await eventually(lambda: len(producer.taken) == len(answers), "all batches are handed over")
    assert len(answers) > 5
    assert [value.decode() for _, _, some, _ in producer.taken for value in some] == values


async def test_a_partition_that_hangs_holds_up_no_other_and_collects_meanwhile() -> None:
    producer = Producer()
    box = outbox(producer)
    producer.partition_0.clear()
    slow = box.put(events(1, 0, "a"))
    await eventually(lambda: box._handing, "it is being handed over")
    for value in ("b", "c"):
        slow |= box.put(events(1, 0, value))
        box.put(events(1, 1, value))
    await eventually(lambda: [each for each in producer.taken if each[1] == 1], "the other partition goes on")
    producer.partition_0.set()
    await eventually(lambda: len(producer.taken) == 3, "the rest is one batch")
    assert [values for _, partition, values, _ in producer.taken if partition == 0] == [[b"a"], [b"b", b"c"]]
    assert len(slow) == 2
    assert not box._handing


async def test_only_whose_events_were_refused_hears_of_it() -> None:
    producer = Producer()
    box = outbox(producer)
    producer.refuses.add(0)
    refused, failed, good = (box.put(events(1, partition, "a")) for partition in (0, 1, 2))
    await eventually(lambda: len(producer.taken) == 2, "two are handed over")
    for _, partition, _, answer in producer.taken:
        if partition == 1:
            answer.set_exception(KeyError(partition))
        else:
            answer.set_result(None)
    with pytest.raises(ValueError, match="0"):
        await asyncio.gather(*refused)
    with pytest.raises(KeyError):
        await asyncio.gather(*failed)
    await asyncio.gather(*good)


async def test_at_the_end_whoever_waits_hears_that_nothing_was_sent() -> None:
    producer = Producer()
    box = outbox(producer)
    producer.partition_0.clear()
    waiting = box.put(events(1, 0, "a"))
    await eventually(lambda: box._handing, "it is being handed over")
    waiting |= box.put(events(1, 0, "b")) | box.put(events(1, 1, "c"))
    box.close()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in found] == [TimeoutError] * 3
    assert producer.taken == []
