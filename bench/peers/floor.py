"""The floor: bare aiokafka, msgspec and a dictionary. No group, no state that would outlive it, no output."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec
from aiokafka import AIOKafkaConsumer

from bench.peers.answer import Progress, task


class Event(msgspec.Struct, gc=False):
    """The fields that a count needs."""

    room_id: str
    event_time_ms: int


async def main() -> None:
    """Count all events."""
    asked = task()
    progress = Progress(asked)
    decode = msgspec.json.Decoder(Event).decode
    counts: Counter[tuple[str, int]] = Counter()
    consumer = AIOKafkaConsumer(
        *asked.topics, bootstrap_servers=asked.bootstrap_servers, auto_offset_reset="earliest", group_id=None
    )
    await consumer.start()
    done = False
    while not done:
        pieces = await consumer.getmany(timeout_ms=1_000, max_records=5_000)
        for records in pieces.values():
            progress.begin()
            for record in records:
                event = decode(record.value or b"")
                counts[event.room_id, event.event_time_ms // 1_000] += 1
            done = progress.add(len(records))
    progress.finish(counts)


asyncio.run(main())
