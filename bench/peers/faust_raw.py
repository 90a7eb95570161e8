"""Faust without its models and tables: raw bytes, msgspec, a dictionary that dies with the process."""

from __future__ import annotations

from collections import Counter
from typing import Any

import faust
import msgspec

from bench.peers.answer import Progress, task

asked = task()
progress = Progress(asked)
app: Any = faust.App(
    asked.group,
    broker=f"kafka://{asked.bootstrap_servers}",
    store="memory://",
    topic_partitions=asked.partitions,
    topic_replication_factor=1,
    datadir=str(asked.folder),
    web_enabled=False,
)


class Event(msgspec.Struct, gc=False):
    """The fields that a count needs."""

    room_id: str
    event_time_ms: int


topic = app.topic(*asked.topics, value_type=bytes, value_serializer="raw")
decode = msgspec.json.Decoder(Event).decode
counts: Counter[tuple[str, int]] = Counter()


@app.agent(topic)  # type: ignore[untyped-decorator]
async def count(values: Any) -> None:
    """Count one value at a time."""
    async for value in values:
        progress.begin()
        event = decode(value)
        counts[event.room_id, event.event_time_ms // 1_000] += 1
        if progress.add(1):
            progress.finish(counts)


faust.Worker(app, loglevel="warning").execute_from_commandline()
