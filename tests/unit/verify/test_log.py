"""Where a reader of logs begins."""

from __future__ import annotations

from typing import Any

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndTimestamp

from stream.verify.log import begins_since

SIGNALS = TopicPartition("live.signals", 0)
SAID_MS = 1_000


class Committing:
    """A log of eight records, all of which are committed once somebody has asked something."""

    def __init__(self) -> None:
        self.end = 0

    def _asked(self) -> int:
        end, self.end = self.end, 8
        return end

    async def beginning_offsets(self, _partitions: Any) -> dict[TopicPartition, int]:
        self._asked()
        return {SIGNALS: 0}

    async def end_offsets(self, _partitions: Any) -> dict[TopicPartition, int]:
        return {SIGNALS: self._asked()}

    async def offsets_for_times(self, times: dict[TopicPartition, int]) -> dict[TopicPartition, Any]:
        told = self._asked() and times[SIGNALS] <= SAID_MS
        return {SIGNALS: OffsetAndTimestamp(0, SAID_MS) if told else None}


async def begins(consumer: Committing, since_ms: int | None) -> int:
    found = await begins_since(consumer, [SIGNALS], since_ms)  # type: ignore[arg-type]
    return found[SIGNALS]


async def test_what_is_committed_while_the_beginning_is_looked_up_is_not_jumped_over() -> None:
    assert await begins(Committing(), SAID_MS) == 0


async def test_a_reader_begins_at_the_first_record_that_is_not_older_or_at_the_end() -> None:
    consumer = Committing()
    consumer.end = 8
    assert await begins(consumer, SAID_MS) == 0
    assert await begins(consumer, SAID_MS + 1) == 8
    assert await begins(consumer, None) == 0
