# ruff: noqa: SLF001 — private parts are what this module is about
"""Fetched records, taken from aiokafka a whole record batch at a time.

aiokafka hands every record through two generators and copies it into a Python object: two thirds of what a fetch
costs. Its compiled parser makes good records by itself, with `offset`, `timestamp`, `key`, `value` and `headers`;
nothing else is used here. What decides which batches count (CRC, control batches, aborted transactions) is as in
`PartitionRecords._unpack_records` of the version that `transport.check_versions` asserts.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException

if TYPE_CHECKING:
    from collections.abc import Iterator


def take_whole_batches() -> None:
    """Have every consumer of this process read so. `getone` cannot be used any more."""
    partition_records: Any = PartitionRecords
    fetch_result: Any = FetchResult
    partition_records._unpack_records = _unpack_batches
    fetch_result.getall = _take_batches


def _unpack_batches(self: Any) -> Iterator[list[Any]]:
    """The batches of one partition's fetch answer, as lists of records.

    None of them is longer than `most_records`, which is set before each is asked for; `next_fetch_offset` is where the
    last one ended.
    """
    answer = self._records
    while answer.has_next():
        batch = answer.next_batch()
        if self._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {self._tp}")
        records = [] if _is_aborted(self, batch) or batch.is_control_batch else [*batch]
        # A batch is sent whole, whichever of its records was asked for.
        if records and records[0].offset < self.next_fetch_offset:
            records = [record for record in records if record.offset >= self.next_fetch_offset]
        while len(records) > self.most_records:
            piece, records = records[: self.most_records], records[self.most_records :]
            self.next_fetch_offset = piece[-1].offset + 1
            yield piece
        # Not after its last record, which compaction may have removed: the same batch would be fetched for ever.
        self.next_fetch_offset = batch.next_offset
        if records:
            yield records


def _is_aborted(self: Any, batch: Any) -> bool:
    """Whether a reader of committed records must not see this batch; keeps the list of aborted producers."""
    if self._isolation_level != READ_COMMITTED or batch.producer_id is None:
        return False
    self._consume_aborted_up_to(batch.base_offset)
    if batch.is_control_batch and self._contains_abort_marker(batch):
        self._aborted_producers.discard(batch.producer_id)
    return bool(batch.is_transactional and batch.producer_id in self._aborted_producers)


def _take_batches(self: Any, max_records: int | None = None) -> list[Any]:
    """Up to `max_records` of an answer; the consumer's position is where they end."""
    if not self.check_assignment(self._topic_partition) or not self.has_more():
        return []
    taken: list[Any] = []
    answer = self._partition_records
    left = sys.maxsize if max_records is None else max_records
    while left:
        answer.most_records = left
        records = next(answer, None)
        if records is None:
            self._partition_records = None
            break
        left -= len(records)
        taken = taken + records if taken else records
    # Not `_update_position`, which looks at what may just have been taken away.
    self._assignment.state_value(self._topic_partition).consumed_to(answer.next_fetch_offset)
    return taken
