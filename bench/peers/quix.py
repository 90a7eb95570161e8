"""Quix Streams: a tumbling window of one second for each topic, its state in RocksDB and in changelog topics."""

from __future__ import annotations

from collections import Counter
from typing import Any

from quixstreams import Application

from bench.peers.answer import Progress, task

asked = task()
progress = Progress(asked)
# The newest count of each window, by topic: windows of different topics are different windows here.
newest: dict[tuple[str, str, int], int] = {}


def time_of(value: Any, _headers: Any, _timestamp_ms: int, _kind: Any) -> int:
    """The event's time: windows are of event time."""
    progress.begin()
    return int(value["event_time_ms"])


def note(topic: str) -> Any:
    """The function that notes each update of a window."""

    def noted(window: Any, key: Any, _timestamp: int, _headers: Any) -> None:
        newest[topic, key.decode(), window["start"] // 1_000] = window["value"]
        if progress.add(1):
            counts: Counter[tuple[str, int]] = Counter()
            for (_, room, second), number in newest.items():
                counts[room, second] += number
            progress.finish(counts)

    return noted


app = Application(
    broker_address=asked.bootstrap_servers,
    consumer_group=asked.group,
    auto_offset_reset="earliest",
    state_dir=asked.folder,
    loglevel="WARNING",
)
for name in asked.topics:
    frame = app.dataframe(app.topic(name, timestamp_extractor=time_of))
    counted = frame.tumbling_window(1_000, grace_ms=3_600_000).count().current()
    counted.update(note(name), metadata=True)
app.run()
