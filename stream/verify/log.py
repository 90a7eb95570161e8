"""Reads topics from their beginning to given offsets, without a group, commits or code of the worker."""

from __future__ import annotations

import time
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from stream.errors import SnapupError
from stream.kafka_clients import client_options
from stream.kafka_refusals import refused_permission
from stream.records.reading import read_tolerantly
from stream.topics import check
from stream.verify.fates import fate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from stream.kafka_clients import KafkaAt

# (full topic name, partition) → next offset.
Offsets = dict[tuple[str, int], int]

FETCH_WAIT_MS = 100
# Bound on records taken from the fetcher at once. With one fetch a broker, it bounds those held beyond a target.
LOOK_RECORDS = 20_000
# Longer than a broker's restart. Open transactions are not waited for: a log ends where the first of them begins.
STALL_S = 60.0
# Bound on one look ahead.
PROBE_S = 5.0


class CutOffError(SnapupError):
    """Records to be read next are gone: the count can go on only from the new beginning."""


class LogReader:
    """Reads all partitions of some topics.

    Attributes:
        begins: where each log began when it was opened.
        handed: the offset up to which each log was handed out.
    """

    def __init__(
        self, consumer: AIOKafkaConsumer, begins: dict[TopicPartition, int], probe: AIOKafkaConsumer | None = None
    ) -> None:
        self._consumer = consumer
        self._probe = probe  # looks ahead; started on first use
        self._probing = False
        self._first_after: dict[TopicPartition, int] = {}  # the offset of a record known to exist
        self._held: dict[TopicPartition, deque[Any]] = {part: deque() for part in begins}
        self.begins: Offsets = {(part.topic, part.partition): offset for part, offset in begins.items()}
        self.handed: Offsets = dict(self.begins)

    async def ends(self, of: LogReader | None = None) -> Offsets:
        """The present ends of the logs under this reader's isolation. `of`: another reader, whose logs are meant."""
        found: dict[TopicPartition, int] = await self._consumer.end_offsets(
            [TopicPartition(*where) for where in (of or self).begins]
        )
        return {(part.topic, part.partition): end for part, end in found.items()}

    async def read_to(self, targets: Offsets) -> AsyncIterator[Any]:
        """Every record below these offsets, from where the last call stopped, in log order per partition.

        A target must not lie beyond the log's end. Records fetched beyond it wait for the next call.

        Raises:
            SnapupError: a log does not move, or was cut off beyond the present position.
        """
        behind = {TopicPartition(*where) for where, target in targets.items() if self.handed[where] < target}
        moved_at = time.monotonic()
        while behind:
            for part in list(behind):
                target = targets[part.topic, part.partition]
                held = self._held[part]
                while held and held[0].offset < target:
                    yield held.popleft()
                # Offsets may have gaps: the position, not the last record, tells how far the log was read.
                if held or await self._consumer.position(part) >= target:
                    self.handed[part.topic, part.partition] = target
                    behind.discard(part)
            if not behind:
                return
            fetched = await self._fetch(behind)
            for part, records in fetched.items():
                self._held[part].extend(records)
            moved_at = await self._moved(bool(fetched), moved_at, behind, targets)

    async def read_in_time(self, targets: Offsets) -> AsyncIterator[Any]:
        """As `read_to`, but over all partitions in the order of record times. Going back counts as the latest.

        So two readings give the same order, whatever was fetched first.
        """
        clocks = {TopicPartition(*where): -1 for where in targets}
        behind = [TopicPartition(*where) for where, target in sorted(targets.items()) if self.handed[where] < target]
        moved_at = time.monotonic()
        while behind:
            dry = set()
            for part in list(behind):
                target, held = targets[part.topic, part.partition], self._held[part]
                if held and held[0].offset < target:
                    clocks[part] = max(clocks[part], held[0].timestamp)
                elif held or await self._consumer.position(part) >= target:
                    self.handed[part.topic, part.partition] = target
                    behind.remove(part)
                else:
                    dry.add(part)
            if not dry:
                if behind:
                    yield self._held[min(behind, key=clocks.__getitem__)].popleft()
                continue
            fetched = await self._fetch(dry)
            for part, records in fetched.items():
                self._held[part].extend(records)
            moved_at = await self._moved(bool(fetched), moved_at, dry, targets)

    async def _moved(self, has_moved: bool, moved_at: float, behind: set[TopicPartition], targets: Offsets) -> float:  # noqa: FBT001
        """The time of the last move of a log. Raises SnapupError if that is too long ago."""
        if has_moved:
            return time.monotonic()
        if time.monotonic() - moved_at > STALL_S:
            part = min(behind)
            raise SnapupError(
                f"{part.topic}, partition {part.partition}, gave nothing for {STALL_S:.0f} s between offset "
                f"{await self._consumer.position(part)} and {targets[part.topic, part.partition]}: is its leader "
                "away?"
            )
        return moved_at

    def begin_again(self) -> None:
        """Read from the beginning once more."""
        for where, begin in self.begins.items():
            self._consumer.seek(TopicPartition(*where), begin)
            self._held[TopicPartition(*where)].clear()
        self.handed = dict(self.begins)

    async def is_empty(self, where: tuple[str, int], begin: int, end: int) -> bool:
        """Whether no record lies between these offsets. Transaction markers and aborted records do not count.

        False too if the broker does not answer soon.
        """
        part = TopicPartition(*where)
        if begin <= self._first_after.get(part, -1) < end:
            return False
        if begin >= end or self._probe is None:
            return begin >= end
        if not self._probing:
            await self._probe.start()
            self._probing = True
        self._probe.assign([part])
        self._probe.seek(part, begin)
        given_up_at = time.monotonic() + PROBE_S
        while await self._probe.position(part) < end and time.monotonic() < given_up_at:
            for records in (await self._probe.getmany(timeout_ms=FETCH_WAIT_MS, max_records=1)).values():
                self._first_after[part] = records[0].offset
                return records[0].offset >= end
        return bool(await self._probe.position(part) >= end)

    async def fate(self, where: tuple[str, int], offset: int) -> str:
        """A few words about the transaction that wrote a record; see `fates`."""
        return await fate(self._consumer, TopicPartition(*where), offset)

    async def _fetch(self, behind: set[TopicPartition]) -> dict[TopicPartition, list[Any]]:
        try:
            return await self._consumer.getmany(*behind, timeout_ms=FETCH_WAIT_MS, max_records=LOOK_RECORDS)
        except OffsetOutOfRangeError as error:
            gone = ", ".join(f"{part.topic}/{part.partition} at {offset}" for part, offset in error.args[0].items())
            raise CutOffError(
                f"The log was cut off while it was counted ({gone}): by retention, or made anew. Start again."
            ) from error


async def begins_since(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], since_ms: int | None
) -> dict[TopicPartition, int]:
    """The beginnings: the first records not older than `since_ms`, or the ends of logs without such records."""
    if since_ms is None:
        return dict(await consumer.beginning_offsets(partitions))
    # The ends come first: records committed meanwhile have no time in this answer, but lie before ends asked for later.
    ends = await consumer.end_offsets(partitions)
    found = await consumer.offsets_for_times(dict.fromkeys(partitions, since_ms))
    return {part: at.offset if (at := found[part]) else ends[part] for part in partitions}


@asynccontextmanager
async def log_reader(
    bootstrap_servers: KafkaAt,
    topics: Sequence[str],
    isolation: Literal["read_committed", "read_uncommitted"] = "read_committed",
    *,
    since_ms: int | None = None,
    partition: int | None = None,
) -> AsyncIterator[LogReader]:
    """A reader at the beginning of these topics, or at their first records not older than `since_ms`.

    `partition`: the only partition to read; None: all.

    Raises:
        SnapupError: Kafka does not answer, or a topic is missing or has another partition count.
    """
    read_tolerantly()
    counts = await check(bootstrap_servers, topics, to="Read")
    partitions = [
        TopicPartition(topic, number)
        for topic in topics
        for number in range(counts[topic])
        if partition in (None, number)
    ]
    consumer, probe = (
        AIOKafkaConsumer(
            **client_options(bootstrap_servers),
            group_id=None,
            enable_auto_commit=False,
            # A reset to another offset would go unnoticed.
            auto_offset_reset="none",
            isolation_level=isolation,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
        for _ in range(2)
    )
    try:
        await consumer.start()
        consumer.assign(partitions)
        begins = await begins_since(consumer, partitions, since_ms)
        for part, begin in begins.items():
            consumer.seek(part, begin)
        yield LogReader(consumer, begins, probe)
    except (KafkaError, OSError) as error:
        if (refused := refused_permission(error, bootstrap_servers, "Read")) is not None:
            raise SnapupError(refused) from None
        raise SnapupError(
            f"Kafka at {bootstrap_servers} does not answer or refuses ({error}). Start it, or set "
            "SNAPUP_BOOTSTRAP_SERVERS."
        ) from error
    finally:
        await consumer.stop()
        await probe.stop()
