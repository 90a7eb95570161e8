"""The journal of live topics and its inputs, read from Kafka: the order of a past run, and its records."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from msgspec import Struct

from stream.contract.events import TOPIC_NAMES
from stream.core.mechanic import NO_MECHANICS
from stream.core.saved.growth import fitted
from stream.core.saved.journal import JournalError, Segment, check_follows, decode_segment
from stream.errors import SnapupError
from stream.kafka_clients import client_options
from stream.kafka_refusals import refused_permission
from stream.records.reading import read_tolerantly
from stream.replay.journaled import JournaledPartition, isolation_of
from stream.topics import check

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from stream.core.mechanic import Installed
    from stream.core.publishing import Published
    from stream.kafka_clients import KafkaAt

FETCH_WAIT_MS = 200
FETCH_BYTES = 4 * 1024 * 1024
# No progress for this long: the broker is gone, or the records are.
STALL_S = 30.0
TURN_S = 0.02


class Plan(Struct):
    """What a first reading of one partition's journal found.

    Attributes:
        start: offset of the segment at which a replay begins.
        end: the end of the journal.
        records: about how many input records the segments name.
        segments: number of segments from `start` on.
        versions: the versions of Snapup that wrote the segments.
        rules_differ: whether owners folded under different settings.
    """

    start: int
    end: int
    records: int
    segments: int
    versions: set[str]
    rules_differ: bool


class JournalLog:
    """The journal, the inputs and the signals of one prefix. Made by `journal_log`."""

    def __init__(self, bootstrap_servers: KafkaAt, prefix: str, partitions: int, mechanics: Installed) -> None:
        self._mechanics = mechanics
        self.inputs = tuple(f"{prefix}.{name}" for name in TOPIC_NAMES)
        self.journal = f"{prefix}.journal"
        self.signals = f"{prefix}.signals"
        self.partitions = partitions
        self._servers = bootstrap_servers

    async def plan(self, partition: int) -> Plan | None:
        """The plan of a partition, from one reading of its journal; None when the journal is empty.

        Raises:
            SnapupError: the journal is not one chain, or none of its segments can begin a replay any more.
        """
        part = TopicPartition(self.journal, partition)
        inputs = [TopicPartition(topic, partition) for topic in self.inputs]
        async with self._consumer([*inputs, part]) as consumer:
            begins = await consumer.beginning_offsets(inputs)
            log_begins = [begins[each] for each in inputs]
            plan: Plan | None = None
            last: Segment | None = None
            oldest: tuple[int, Segment] | None = None
            rules: dict[str, Any] = {}
            async for offset, segment in self._segments(consumer, part, None):
                where = f"{part.topic}, partition {partition}, offset {offset},"
                if last is not None:
                    _follow(last, segment, where)
                last, oldest = segment, oldest or (offset, segment)
                if plan is not None and _folded_deleted(segment, log_begins):
                    plan = None
                if plan is None and _may_begin(segment, log_begins):
                    plan = Plan(offset, offset, 0, 0, set(), rules_differ=False)
                    rules = segment.rules
                if plan is not None:
                    plan.end = offset + 1
                    plan.segments += 1
                    plan.records += sum(segment.steps.positions) - sum(segment.steps.positions_before)
                    if segment.claim:
                        plan.versions.add(segment.version)
                        plan.rules_differ |= segment.rules != rules
        if oldest is not None and plan is None:
            raise SnapupError(_no_beginning(part, *oldest, self.inputs, log_begins))
        return plan

    async def replay(
        self, partition: int, plan: Plan, progress: Callable[[int], None]
    ) -> AsyncGenerator[Published, None]:
        """The documents of `live.signals`, in its order: the partition folded as its journal says.

        Raises:
            SnapupError: the journal or an input log lacks what the other names.
        """
        part = TopicPartition(self.journal, partition)
        inputs = [TopicPartition(topic, partition) for topic in self.inputs]
        follower: JournaledPartition | None = None
        async with AsyncExitStack() as stack:
            journal = await stack.enter_async_context(self._consumer([part]))
            cursors: list[_Cursor] = []
            isolation = ""
            turn_at = time.monotonic()
            async for offset, segment in self._segments(journal, part, plan):
                try:
                    if follower is None:
                        follower = JournaledPartition(
                            partition,
                            self.inputs,
                            segment,
                            keep_state=plan.rules_differ,
                            mechanics=self._mechanics,
                        )
                    if segment.rules and isolation != (isolation := isolation_of(segment)):
                        # Early workers read aborted records, too: what they folded is read as they read it.
                        consumer = await stack.enter_async_context(self._consumer(inputs, isolation))
                        cursors = [_Cursor(consumer, each) for each in inputs]
                        # The journal says nothing of topics that came later: these are read from their beginning.
                        for each, position in zip(inputs, segment.steps.positions_before, strict=False):
                            consumer.seek(each, position)
                    for piece in follower.pieces(segment):
                        records = await cursors[piece.topic_index].take(piece.first, piece.end)
                        follower.take(piece, records)
                        progress(len(records))
                        if time.monotonic() - turn_at > TURN_S:
                            await asyncio.sleep(0)
                            turn_at = time.monotonic()
                    documents = follower.cut(segment)
                except JournalError as error:
                    raise SnapupError(
                        f"{part.topic}, partition {partition}, offset {offset}: {error}. A replay needs the input logs "
                        "and the journal whole from its beginning, and the version of Snapup that wrote it; look at "
                        "the retention of both."
                    ) from error
                for published in documents:
                    yield published

    async def committed_signals(self, partition: int) -> AsyncGenerator[Any, None]:
        """The records of `live.signals` committed until now."""
        part = TopicPartition(self.signals, partition)
        async with self._consumer([part]) as consumer:
            async for record in _to_end(consumer, part):
                yield record

    async def _segments(
        self, consumer: AIOKafkaConsumer, part: TopicPartition, plan: Plan | None
    ) -> AsyncIterator[tuple[int, Segment]]:
        if plan is not None:
            consumer.seek(part, plan.start)
        async for record in _to_end(consumer, part, None if plan is None else plan.end):
            try:
                yield record.offset, decode_segment(record.value, f"{part.topic}/{part.partition}@{record.offset}")
            except JournalError as error:
                raise SnapupError(f"{error}. Run the Snapup that wrote it.") from error

    @asynccontextmanager
    async def _consumer(
        self, parts: Sequence[TopicPartition], isolation: str = "read_committed"
    ) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            **client_options(self._servers),
            group_id=None,
            enable_auto_commit=False,
            isolation_level=isolation,
            # A record that is gone is an error that names it, never a leap to the next one.
            auto_offset_reset="none",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        try:
            await consumer.start()
            consumer.assign(list(parts))
            for part, offset in (await consumer.beginning_offsets(list(parts))).items():
                consumer.seek(part, offset)
            yield consumer
        except (KafkaError, OSError) as error:
            if (refused := refused_permission(error, self._servers, "Read")) is not None:
                raise SnapupError(refused) from None
            raise SnapupError(
                f"Kafka at {self._servers} does not answer, refuses, or no longer holds what is read ({error!r}). "
                "Start it, set SNAPUP_BOOTSTRAP_SERVERS, or look at the retention of the topics."
            ) from error
        finally:
            await consumer.stop()


async def journal_log(bootstrap_servers: KafkaAt, prefix: str, mechanics: Installed = NO_MECHANICS) -> JournalLog:
    """The journal of a prefix.

    Raises:
        SnapupError: Kafka does not answer, or a topic is missing.
    """
    read_tolerantly()
    names = [f"{prefix}.{name}" for name in (*TOPIC_NAMES, "journal", "signals")]
    counts = await check(bootstrap_servers, names, to="Read")
    return JournalLog(bootstrap_servers, prefix, counts[names[0]], mechanics)


class _Cursor:
    """One input topic partition, read in order."""

    def __init__(self, consumer: AIOKafkaConsumer, part: TopicPartition) -> None:
        self._consumer = consumer
        self._part = part
        self._waiting: deque[Any] = deque()

    async def take(self, first: int, end: int) -> list[Any]:
        """The records with offsets from `first` to before `end`."""
        taken: list[Any] = []
        waiting = self._waiting
        stalled_at = time.monotonic() + STALL_S
        while True:
            while waiting and waiting[0].offset < end:
                record = waiting.popleft()
                if record.offset >= first:
                    taken.append(record)
            if waiting or await self._consumer.position(self._part) >= end:
                return taken
            fetched = await self._consumer.getmany(self._part, timeout_ms=FETCH_WAIT_MS)
            if records := fetched.get(self._part):
                waiting.extend(records)
                stalled_at = time.monotonic() + STALL_S
            elif time.monotonic() > stalled_at:
                return taken


async def _to_end(consumer: AIOKafkaConsumer, part: TopicPartition, end: int | None = None) -> AsyncIterator[Any]:
    """Every committed record before `end`; None: before the end as it is now."""
    if end is None:
        end = (await consumer.end_offsets([part]))[part]
    stalled_at = time.monotonic() + STALL_S
    while await consumer.position(part) < end:
        fetched = await consumer.getmany(part, timeout_ms=FETCH_WAIT_MS)
        for record in fetched.get(part, ()):
            if record.offset < end:
                yield record
        if fetched:  # counted from here: the consumer of these records may have taken long
            stalled_at = time.monotonic() + STALL_S
        elif time.monotonic() > stalled_at:
            raise SnapupError(f"{part.topic}, partition {part.partition}: no answer from Kafka for {STALL_S:.0f} s.")


def _follow(before: Segment, after: Segment, where: str) -> None:
    try:
        check_follows(before, after, where)
    except JournalError as error:
        raise SnapupError(f"The journal has a gap: {error}. Who else writes there?") from error


def _may_begin(segment: Segment, log_begins: Sequence[int]) -> bool:
    return segment.steps.base is not None and all(
        position >= begin for position, begin in zip(segment.steps.positions_before, log_begins, strict=False)
    )


def _folded_deleted(segment: Segment, log_begins: Sequence[int]) -> bool:
    """Whether the segment folded records that are gone, of a topic that the plan's first segment did not know."""
    steps, topics = segment.steps, len(log_begins)
    before, after = fitted(steps.positions_before, topics, 0), fitted(steps.positions, topics, 0)
    return not segment.claim and any(
        at < to and at < begin for at, to, begin in zip(before, after, log_begins, strict=True)
    )


def _no_beginning(
    part: TopicPartition, offset: int, segment: Segment, topics: Sequence[str], log_begins: Sequence[int]
) -> str:
    """Why no replay is possible any more, and what to do."""
    gone = [
        f"{topic} begins at offset {begin}, that segment at {position}"
        for topic, begin, position in zip(topics, log_begins, segment.steps.positions_before, strict=False)
        if position < begin
    ]
    why = "; ".join(gone) or "its rooms had begun before, and what led there was deleted"
    return (
        f"{part.topic}, partition {part.partition}, cannot be replayed: its oldest segment is at offset {offset} "
        f"(epoch {segment.epoch}, number {segment.seq}); {why}. A replay begins where the partition had no rooms and "
        "its input logs are still there: keep journal and inputs (retention.ms) for longer than it is never empty."
    )
