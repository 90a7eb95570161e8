"""What the transaction of an earlier owner left open in our output partitions, and how it is ended.

Nothing may be open after the fence: Kafka answers it once the older transaction has its marker in each partition. Kafka
4.0 to 4.3 leave the marker out in a partition that has no leader at that moment (KAFKA-20734, shown by
`findings/kafka-abort-without-leader.sh`). The records there stay open, and the next commit of the same transactional id
makes them visible: half of a transaction, whose dead letters are then in the log twice.

So an owner looks before its first write. It ends open records as the rest of their transaction ended: a transaction
over all output partitions and without records puts a marker into each of them. The owner then takes over anew, and
finds everything closed or ends it again.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import Struct

from stream.core.saved.journal import JournalError, decode_segment
from stream.kafka_clients import client_options
from stream.worker.restore import STALL_S, RestoreStalledError
from stream.worker.tasks import within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from stream.kafka_clients import KafkaAt
    from stream.worker.checkpoint import CheckpointWriter, Meta, OutputTopics

log = structlog.get_logger(__name__)

# How far back to look for the last visible record: about a thousand transactions of the journal.
TAIL_OFFSETS = 2_000


class Open(Struct, frozen=True):
    """The offset at which a partition's open records begin, and the end of its log."""

    first_offset: int
    end_offset: int


class _Head(Struct):
    epoch: int
    as_of_ms: int


class OutputEnds:
    """The ends of output partitions, with and without open records.

    A process keeps its two connections: making them anew took most of the time of a take-over. Meanwhile two processes
    of one static name threw each other out before either had looked into the checkpoint.

    Args:
        kafka: Kafka, and how it is reached.
        make_consumer: takes aiokafka's arguments.
    """

    def __init__(self, kafka: KafkaAt, make_consumer: Callable[..., Any] = AIOKafkaConsumer) -> None:
        self.kafka = kafka
        self.make_consumer = make_consumer
        self._readers: tuple[Any, Any] | None = None
        self._lock = asyncio.Lock()

    async def open_in(self, parts: Sequence[TopicPartition]) -> dict[str, Open]:
        """Topic → what is open, for the topics with open records.

        Raises:
            TimeoutError: the broker does not answer.
            KafkaError: any error of aiokafka. After either error the next call makes new connections.
        """
        async with self._lock:
            try:
                everything, committed = self._readers = self._readers or await self._connect()
                ends = await asyncio.wait_for(everything.end_offsets(parts), STALL_S)
                stable = await asyncio.wait_for(committed.end_offsets(parts), STALL_S)
            except BaseException:
                await self.stop()
                raise
        return {part.topic: Open(stable[part], ends[part]) for part in parts if stable[part] < ends[part]}

    async def _connect(self) -> tuple[Any, Any]:
        both = [reader(self.kafka, self.make_consumer, level) for level in ("read_uncommitted", "read_committed")]
        try:
            await asyncio.gather(*(asyncio.wait_for(each.start(), STALL_S) for each in both))
        except BaseException:
            await asyncio.gather(*(within(each.stop(), STALL_S) for each in both))
            raise
        return both[0], both[1]

    async def stop(self) -> None:
        """Close the connections. Never raises."""
        readers, self._readers = self._readers, None
        await asyncio.gather(*(within(each.stop(), STALL_S) for each in readers or ()))


def reader(kafka: KafkaAt, make_consumer: Callable[..., Any], isolation_level: str) -> Any:
    """A consumer of no group, not started yet."""
    return make_consumer(
        **client_options(kafka),
        group_id=None,
        isolation_level=isolation_level,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
    )


class OutputPartitions:
    """One partition of each output topic, for one look at a take-over.

    Args:
        output_ends: the process's.
        topics: the outputs.
        partition: the partition.
    """

    def __init__(self, output_ends: OutputEnds, topics: OutputTopics, partition: int) -> None:
        self._output_ends = output_ends
        self._topics = topics
        self._partition = partition

    async def end_open(self, writer: CheckpointWriter, meta: Meta | None) -> str | None:
        """A sentence about the open records that were ended; None when nothing was open.

        Args:
            writer: a fenced writer. It may not be used again when something was open.
            meta: the meta record of the last visible checkpoint.

        Raises:
            RestoreStalledError: the broker does not answer.
            KafkaError: any error of aiokafka.
        """
        opened = await self._output_ends.open_in([self._part(topic) for topic in self._topics.all()])
        if not opened:
            return None
        async with AsyncExitStack() as stack:
            committed = await stack.enter_async_context(self._reader("read_committed"))
            everything = await stack.enter_async_context(self._reader("read_uncommitted"))
            commit = await self._was_committed(opened, committed, everything, meta)
        await writer.end_open(commit=commit)
        how = "committed" if commit else "aborted"
        where = ", ".join(f"{topic} from {each.first_offset} to {each.end_offset}" for topic, each in opened.items())
        log.warning("transaction left open", partition=self._partition, ended=how, where=where)
        return f"a transaction was left open ({where}): it was {how}, as the rest of it had been"

    @asynccontextmanager
    async def _reader(self, isolation_level: str) -> AsyncIterator[Any]:
        consumer = reader(self._output_ends.kafka, self._output_ends.make_consumer, isolation_level)
        try:
            await asyncio.wait_for(consumer.start(), STALL_S)
            yield consumer
        finally:
            await within(consumer.stop(), STALL_S)

    async def _was_committed(
        self, opened: Mapping[str, Open], committed: Any, everything: Any, meta: Meta | None
    ) -> bool:
        """Whether another partition shows that the open transaction was committed.

        The checkpoint shows it if it is visible, else the journal, which each transaction writes, else the rest.
        """
        checkpoint_open = self._topics.checkpoints in opened
        for topic, covered in (
            (self._topics.journal, _segment_covered),
            (self._topics.dead_letters, _letter_covered),
            (self._topics.signals, _document_covered),
            *([(self._topics.claims, _document_covered)] if self._topics.claims else []),
        ):
            if (each := opened.get(topic)) is not None:
                records = await self._read(everything, topic, each.first_offset, each.end_offset)
                if covered(records[0], meta):
                    return True
                if not checkpoint_open:
                    return False
            elif checkpoint_open:
                part = self._part(topic)
                begin = (await asyncio.wait_for(committed.beginning_offsets([part]), STALL_S))[part]
                end = (await asyncio.wait_for(committed.end_offsets([part]), STALL_S))[part]
                records = await self._read(committed, topic, max(begin, end - TAIL_OFFSETS), end)
                if records and not covered(records[-1], meta):
                    return True
        return False

    async def _read(self, consumer: Any, topic: str, first_offset: int, end_offset: int) -> list[Any]:
        part = self._part(topic)
        consumer.assign([part])
        consumer.seek(part, first_offset)
        found: list[Any] = []
        until = time.monotonic() + STALL_S
        while await asyncio.wait_for(consumer.position(part), STALL_S) < end_offset:
            if time.monotonic() > until:
                raise RestoreStalledError(f"{topic}, partition {self._partition}, gives nothing from {first_offset}")
            found += (await consumer.getmany(part, timeout_ms=200)).get(part, ())
        return found

    def _part(self, topic: str) -> TopicPartition:
        return TopicPartition(topic, self._partition)


# -- whether the last visible checkpoint is this record's, or a later one ----------------------------------------------


def _segment_covered(record: Any, meta: Meta | None) -> bool:
    try:
        segment = decode_segment(record.value, "journal")
    except JournalError:
        return False
    return meta is not None and (segment.epoch, segment.seq) <= (meta.epoch, meta.seq)


def _letter_covered(record: Any, meta: Meta | None) -> bool:
    headers = dict(record.headers)
    try:
        topic, offset = headers["dl-topic"].decode(), int(headers["dl-offset"])
    except (KeyError, ValueError, AttributeError):
        return False
    return meta is not None and offset < meta.positions.get(topic, 0)


def _document_covered(record: Any, meta: Meta | None) -> bool:
    try:
        head = msgspec.json.decode(record.value or b"", type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return meta is not None and (head.epoch, head.as_of_ms) <= (meta.epoch, max(meta.clock_ms, 0))
