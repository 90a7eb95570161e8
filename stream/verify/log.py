"""Reads topics from their beginning, further each time it is asked: no group, no commits, nothing of the worker's."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from stream.errors import SnapupError
from stream.topics import check

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

# (full topic name, partition) → next offset.
Offsets = dict[tuple[str, int], int]

FETCH_WAIT_MS = 100


class LogReader:
    """Some topics, all of their partitions. `ends`: up to where everything was handed out."""

    def __init__(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
        self._consumer = consumer
        self._partitions = partitions
        self.ends: Offsets = {}

    async def read_on(self) -> AsyncIterator[Any]:
        """Every record from where the last call stopped to the log's end as it is now, in log order per partition."""
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(self._partitions)
        behind = set(self._partitions)
        while behind := {part for part in behind if await self._consumer.position(part) < ends[part]}:
            fetched = await self._consumer.getmany(*behind, timeout_ms=FETCH_WAIT_MS)
            for records in fetched.values():
                for record in records:
                    yield record
        # Somewhat beyond `ends` when records came meanwhile: what was handed out is what counts.
        self.ends = {(part.topic, part.partition): await self._consumer.position(part) for part in self._partitions}


@asynccontextmanager
async def log_reader(
    bootstrap_servers: str,
    topics: Sequence[str],
    isolation: Literal["read_committed", "read_uncommitted"] = "read_uncommitted",
) -> AsyncIterator[LogReader]:
    """A reader at the beginning of these topics.

    Raises:
        SnapupError: Kafka does not answer, or a topic is missing or has another partition count.
    """
    counts = await check(bootstrap_servers, topics)
    partitions = [TopicPartition(topic, number) for topic in topics for number in range(counts[topic])]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=None,
        enable_auto_commit=False,
        isolation_level=isolation,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    try:
        await consumer.start()
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        yield LogReader(consumer, partitions)
    except (KafkaError, OSError) as error:
        raise SnapupError(
            f"Kafka at {bootstrap_servers} does not answer or refuses ({error}). Start it, or set "
            "SNAPUP_BOOTSTRAP_SERVERS."
        ) from error
    finally:
        await consumer.stop()
