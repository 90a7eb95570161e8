# ruff: noqa: SLF001 — no public part of aiokafka shows markers
"""The fate of the transaction that wrote a record, read from the batches and markers of its partition.

A superfluous record that readers of committed records get has one of two causes. Either the reader did not skip aborted
records, or the broker made half of a transaction visible: it left a marker out, and the next transaction of the same
producer was committed (KAFKA-20734). This module tells the two apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.memory_records import MemoryRecords

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, TopicPartition

FETCH_BYTES = 4 * 1024 * 1024
FETCH_WAIT_MS = 200
READ_UNCOMMITTED = 0
# Bound on fetches in search of a marker, which comes soon after its transaction's records.
FETCHES_MAX = 50


async def fate(consumer: AIOKafkaConsumer, part: TopicPartition, offset: int) -> str:
    """A few words about the transaction that wrote the record at this offset.

    Args:
        consumer: a started consumer; its positions stay.
        part: the partition of the record.
        offset: the offset of the record.

    Raises:
        KafkaError: aiokafka failed.
    """
    wrote: tuple[int, int] | None = None
    at = offset
    for _ in range(FETCHES_MAX):
        batches = await _batches(consumer, part, at)
        if not batches:
            break
        for batch in batches:
            at = batch.next_offset
            if wrote is None and batch.next_offset > offset:
                if not batch.is_transactional:
                    return "no transaction wrote it"
                wrote = batch.producer_id, batch.producer_epoch
            elif wrote is not None and batch.is_control_batch and batch.producer_id == wrote[0]:
                return _told(wrote[1], batch)
    return "its transaction is open" if wrote else "it is not in the log any more"


async def _batches(consumer: AIOKafkaConsumer, part: TopicPartition, offset: int) -> list[Any]:
    client = consumer._client
    request = FetchRequest(
        FETCH_WAIT_MS,
        1,
        FETCH_BYTES,
        READ_UNCOMMITTED,
        [(part.topic, [(part.partition, offset, FETCH_BYTES)])],
        rack_id="",
    )
    answer = await client.send(client.cluster.leader_for_partition(part), request)
    found: list[Any] = []
    for _topic, partitions in answer.topics:
        for _partition, _error, _highwater, *rest in partitions:
            records = MemoryRecords(rest[-1] or b"")
            while records.has_next():
                found.append(records.next_batch())
    return found


def _told(epoch: int, marker: Any) -> str:
    aborts = any(ControlRecord.parse(record.key) == ABORT_MARKER for record in marker)
    where = f"at {marker.base_offset}"
    if aborts:
        return f"its transaction was aborted {where}: a reader did not skip it"
    if marker.producer_epoch > epoch:
        return (
            f"half of a transaction: the one of producer epoch {epoch} has no marker here, and the commit {where} of "
            f"epoch {marker.producer_epoch} made it visible"
        )
    return f"its transaction was committed {where}"
