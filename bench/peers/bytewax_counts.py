"""Bytewax: batches from its Kafka source, a stateful step for each room. No recovery store, as by default."""

from __future__ import annotations

from collections import Counter
from typing import Any

import bytewax.operators as op
import msgspec
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.testing import TestingSink, run_main

from bench.peers.answer import Progress, task


class Event(msgspec.Struct, gc=False):
    """The fields that a count needs."""

    room_id: str
    event_time_ms: int


asked = task()
progress = Progress(asked)
decode = msgspec.json.Decoder(Event).decode
rooms: list[Room] = []


class Room(StatefulBatchLogic[int, Any, Any]):  # type: ignore[misc,unused-ignore]
    """The counts of one room."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.room_id = ""
        rooms.append(self)

    def on_batch(self, values: list[Any]) -> tuple[list[Any], bool]:
        """Count some events of the room."""
        self.room_id = values[0].room_id
        counts = self.counts
        for event in values:
            counts[event.event_time_ms // 1_000] += 1
        if progress.add(len(values)):
            progress.finish({(room.room_id, second): n for room in rooms for second, n in room.counts.items()})
        return [], False

    def snapshot(self) -> Any:
        """The state for recovery, which is off."""
        return dict(self.counts)


def decoded(messages: list[Any]) -> list[tuple[str, Event]]:
    """A batch of records, each with its room as key."""
    progress.begin()
    return [(event.room_id, event) for event in (decode(message.value) for message in messages)]


flow = Dataflow("count")
source = KafkaSource([asked.bootstrap_servers], asked.topics, tail=True, batch_size=5_000)
keyed = op.flat_map_batch("decode", op.input("kafka", flow, source), decoded)
op.output("nothing", op.stateful_batch("count", keyed, lambda _resumed: Room()), TestingSink([]))
run_main(flow)
