"""Faust as its tutorial has it: a Record, an agent that takes one event at a time, a Table that counts."""

from __future__ import annotations

from typing import Any

import faust

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


class Event(faust.Record, serializer="json"):
    """The fields that a count needs."""

    room_id: str
    event_time_ms: int


topic = app.topic(*asked.topics, value_type=Event)
counts = app.Table("counts", default=int)


@app.agent(topic)  # type: ignore[untyped-decorator]
async def count(events: Any) -> None:
    """Count one event at a time."""
    async for event in events:
        progress.begin()
        counts[f"{event.room_id}|{event.event_time_ms // 1_000}"] += 1
        if progress.add(1):
            told = ((*key.rpartition("|"), number) for key, number in counts.items())
            progress.finish({(room, int(second)): number for room, _, second, number in told})


faust.Worker(app, loglevel="warning").execute_from_commandline()
