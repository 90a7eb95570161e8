"""A checkpoint read back: the state records of one partition, the last meta record, and where to go on.

`restore` reads `checkpoints` with `read_committed` from its beginning to its end. Fencing off a dead owner aborted its
open transaction, so the end is the last committed record.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError
from msgspec import Struct

from stream.exits import Exit
from stream.kafka_clients import client_options
from stream.worker.checkpoint import META_KEY, Meta, decode_meta
from stream.worker.tasks import FatalError, LongWork, within
from stream.worker.throttling import Throttle, Told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.kafka_clients import KafkaAt
    from stream.worker.fetching import LogEnds

# Without any progress for this long the broker is gone. 60 000 to 150 000 records/s were measured.
STALL_S = 30.0
FETCH_BYTES = 16 * 1024 * 1024

Load = Callable[[bytes, bytes | None], None]


class Restored(Struct, frozen=True):
    """What the log held.

    Attributes:
        meta: the meta record of the last checkpoint; None if there is none.
        end_offset: the offset at which the next record must land if no other process has written.
        records: how many records were read.
        bytes: the bytes of their keys and values.
        beside: where there is no state: topic → offset of the first record in it, for topics that each owner writes.
        saved_ms: when the last checkpoint was written, by its writer's clock; -1 if there is none.
    """

    meta: Meta | None
    end_offset: int
    records: int
    bytes: int
    beside: Mapping[str, int] = {}
    saved_ms: int = -1


class RestoreStalledError(Exception):
    """The broker gave nothing for too long."""


async def restore(
    bootstrap_servers: KafkaAt,
    topic: str,
    partition: int,
    load: Load,
    make_consumer: Callable[..., Any] = AIOKafkaConsumer,
    beside: Sequence[str] = (),
    throttled: Told | None = None,
) -> Restored:
    """What the log held. Each state record of the partition went to `load`, in log order.

    Args:
        bootstrap_servers: Kafka, and how it is reached.
        topic: the topic with the checkpoints.
        partition: the partition.
        load: takes key and value of each state record.
        make_consumer: takes aiokafka's arguments.
        beside: topics in which to look for traces of earlier owners, if there is no state.
        throttled: is told how long a quota holds the reading back.

    Raises:
        FatalError: the checkpoint is of a newer version.
        RestoreStalledError: reading made no progress.
    """
    tp = TopicPartition(topic, partition)
    consumer = make_consumer(
        **client_options(bootstrap_servers),
        group_id=None,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_bytes=FETCH_BYTES,
    )
    throttle = Throttle("restore", throttled)
    if (client := getattr(consumer, "_client", None)) is not None:
        throttle.obey(client)
    try:
        await asyncio.wait_for(consumer.start(), STALL_S)
        while True:
            consumer.assign([tp])
            await consumer.seek_to_beginning(tp)
            end_offset = (await asyncio.wait_for(consumer.end_offsets([tp]), STALL_S))[tp]
            restored = await _read(consumer, tp, end_offset, load, throttle)
            if restored.records:
                return restored
            firsts = {each: await _first_record(consumer, TopicPartition(each, partition)) for each in beside}
            found = {each: offset for each, offset in firsts.items() if offset is not None}
            # If this process slept here, the traces may be the next owner's, whose state must then be read too.
            if not found or (await asyncio.wait_for(consumer.end_offsets([tp]), STALL_S))[tp] == end_offset:
                return msgspec.structs.replace(restored, beside=found)
    finally:
        await within(consumer.stop(), STALL_S)


async def _first_record(consumer: Any, tp: TopicPartition) -> int | None:
    """The offset of the first committed record that is or was there; None without one, or where we may not read.

    The end of the log says too little: an owner's first transaction leaves records behind even if it never commits.
    """
    consumer.assign([tp])
    begin = (await asyncio.wait_for(consumer.beginning_offsets([tp]), STALL_S))[tp]
    if begin > 0:  # retention has deleted some
        return int(begin)
    end = (await asyncio.wait_for(consumer.end_offsets([tp]), STALL_S))[tp]
    await consumer.seek_to_beginning(tp)
    progress_at = time.monotonic()
    try:
        while await asyncio.wait_for(consumer.position(tp), STALL_S) < end and time.monotonic() - progress_at < STALL_S:
            for records in (await consumer.getmany(tp, timeout_ms=200, max_records=1)).values():
                return int(records[0].offset)
    except TopicAuthorizationFailedError:
        return None
    return None


async def _read(consumer: Any, tp: TopicPartition, end_offset: int, load: Load, throttle: Throttle) -> Restored:
    where = f"{tp.topic}, partition {tp.partition},"
    meta: Meta | None = None
    saved_ms = -1
    records = size = 0
    progress_at, loading = time.monotonic(), LongWork()
    position = -1
    while (at := await asyncio.wait_for(consumer.position(tp), STALL_S)) < end_offset:
        now = time.monotonic()
        if at != position:
            position, progress_at = at, now
        elif now - max(progress_at, throttle.until) > STALL_S:
            raise RestoreStalledError(f"{where} stands still at {at} of {end_offset}")
        fetched = await consumer.getmany(tp, timeout_ms=200)
        for record in fetched.get(tp, ()):
            records += 1
            size += len(record.key or b"") + len(record.value or b"")
            if record.key == META_KEY:
                meta = None if record.value is None else decode_meta(record.value, where)
                saved_ms = record.timestamp
            else:
                load(record.key or b"", record.value)
            if loading.turn_is_over():
                await loading.give_way()
    return Restored(meta, end_offset, records, size, {}, saved_ms)


def start_positions(
    meta: Meta | None,
    topics: Sequence[str],
    partition: int,
    partitions: int,
    ends: LogEnds,
    *,
    accept_data_loss: bool,
) -> list[int]:
    """Per topic, the next offset to fold.

    The consumer's own offset reset would hide two troubles by jumping: records that were never folded are gone, or the
    saved offsets belong to another log. Here both are errors.

    Raises:
        FatalError: one of the two; with `accept_data_loss` the fold goes on at the nearest offset that exists instead.
    """
    if meta is None:
        return list(ends.begin)
    if meta.partitions != partitions:
        raise FatalError(
            Exit.FOREIGN_CHECKPOINT,
            f"The topics have {partitions} partitions, but the checkpoint of partition {partition} was made with "
            f"{meta.partitions}: rooms would be in other partitions than their state. Use another topic prefix.",
        )
    return within_logs(meta.positions, topics, partition, ends, accept_data_loss=accept_data_loss)


def within_logs(
    saved_positions: Mapping[str, int],
    topics: Sequence[str],
    partition: int,
    ends: LogEnds,
    *,
    accept_data_loss: bool,
) -> list[int]:
    """Per topic, the next offset to fold: the saved offset, if the log still holds it.

    Raises:
        FatalError: a log begins after the saved offset or ends before it, and `accept_data_loss` is False.
    """
    positions = []
    # Old workers read uncommitted records: their saved offset may lie behind an open transaction's first offset.
    for topic, begin, end in zip(topics, ends.begin, ends.written_to or ends.end, strict=True):
        saved = saved_positions.get(topic, begin)  # a topic that is new since then is read from its beginning
        if saved < begin and not accept_data_loss:
            raise FatalError(
                Exit.DATA_LOSS, _loss(topic, partition, saved, f"begins at {begin}, {begin - saved} records after")
            )
        if saved > end and not accept_data_loss:
            raise FatalError(
                Exit.DATA_LOSS, _loss(topic, partition, saved, f"ends at {end}, {saved - end} records before")
            )
        positions.append(min(max(saved, begin), end))
    return positions


def _loss(topic: str, partition: int, saved: int, what: str) -> str:
    return (
        f"DATA LOSS: {topic}, partition {partition}, {what} the next offset to fold, {saved}. Records were deleted "
        "before they were folded, or the topic was made anew. Restore them, or start once with --accept-data-loss to "
        "go on without."
    )
