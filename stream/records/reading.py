# ruff: noqa: SLF001 — private parts are what this module is about
"""Fetched records, taken from aiokafka so that none of them can be an error, and a whole batch at a time where wanted.

aiokafka hands every record through two generators and copies it into a Python object: two thirds of what a fetch
costs. Its compiled parser makes good records by itself, with `offset`, `timestamp`, `key`, `value` and `headers`;
nothing else is used here. What decides which batches count (control batches, aborted transactions) is as in
`PartitionRecords._unpack_records` of the version that `transport.check_versions` asserts. Three things are not:

- Compressed records are unpacked here, within bounds.
- A batch that the compiled parser does not like is read by `read_batch`.
- A batch whose checksum is wrong is fetched again, for it may have been damaged on its way; one that stays so is told
  as one unreadable record, and what follows it is read.
"""

from __future__ import annotations

import logging
import struct
import sys
from collections import Counter
from itertools import chain, islice
from operator import attrgetter, lt
from typing import TYPE_CHECKING, Any

from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import ConsumerRecord

from stream.contract.kept import KEPT_KEY_BYTES, KEPT_VALUE_BYTES, Unreadable
from stream.records.batch import (
    CODEC_MASK,
    HEAD_BYTES,
    LAST_TIMESTAMP_MS,
    MAGIC_AT,
    BrokenError,
    read_batch,
    unreadable,
)
from stream.records.codecs import decompress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

log = logging.getLogger(__name__)

# Beyond this for each of its records, a batch is looked at by its bytes: none of the contract's is nearly so large.
MEAN_MAX_BYTES = 2_048
# What one look may take of such batches.
HEAVY_MAX_BYTES = 16 * 1024 * 1024
# A batch is fetched so often before its checksum is believed to be wrong in the log itself.
DAMAGED_FETCHES = 3
PIECE_RECORDS = 500
# Of records that were read with care, which may be large.
CAREFUL_PIECE_RECORDS = 16

_LENGTH = struct.Struct(">i")
_LENGTH_AT = 8
_NEW_FORMAT = 2
_offset_of = attrgetter("offset")
_MemoryRecords: Any = MemoryRecords
_damaged: Counter[tuple[str, int, int]] = Counter()


class Taken(list[Any]):
    """Records of one look. `heavy_bytes`: of its batches with large records, what these came to."""

    heavy_bytes: int = 0


class FetchedRecords(_MemoryRecords):  # type: ignore[misc] # the compiled one
    """One partition's fetch answer, which also gives its batches as bytes."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._data = data
        self._batches = self._located = 0
        self._at = self._end = 0

    def following(self) -> Any:
        """The next batch; None when its head cannot be read: only its bytes can be had then."""
        self._batches += 1
        try:
            return self.next_batch()
        except Exception:  # noqa: BLE001 — a message of an old format that is not as it should be
            return None

    def raw(self) -> bytes:
        """The bytes of the batch that `following` gave last."""
        at = self._locate()
        return self._data[at : self._end]

    def raw_bytes(self) -> int:
        """How many these are."""
        return -self._locate() + self._end

    def _locate(self) -> int:
        """Where that batch begins; only now, for mostly nobody asks."""
        while self._located < self._batches:
            self._at = self._end
            (length,) = _LENGTH.unpack_from(self._data, self._at + _LENGTH_AT)
            self._end = self._at + _LENGTH_AT + _LENGTH.size + length
            self._located += 1
        return self._at


def read_tolerantly() -> None:
    """Have every consumer of this process read so, record by record as aiokafka does."""
    if PartitionRecords._unpack_records not in (_unpack_records, _unpack_pieces):
        _replace(_unpack_records, _take_records)


def take_whole_batches() -> None:
    """Have every consumer of this process read so, whole lists of records at a time; `getone` cannot be used then."""
    _replace(_unpack_pieces, _take_pieces)


def _replace(unpack: Any, take: Any) -> None:
    partition_records: Any = PartitionRecords
    partition_records.heavy_bytes = 0
    partition_records._unpack_records = unpack
    fetch_result: Any = FetchResult
    fetch_result.getall = take
    module: Any = fetcher
    module.MemoryRecords = FetchedRecords


def _unpack_records(self: Any) -> Iterator[Any]:
    """As aiokafka's own, which this stands for: the position is behind the record that was given."""
    self.most_records = PIECE_RECORDS
    tp = self._tp
    for piece in _unpack_pieces(self):
        behind = self.next_fetch_offset
        for record in piece:
            self.next_fetch_offset = record.offset + 1
            headers: Any = record.headers
            yield ConsumerRecord(
                tp.topic,
                tp.partition,
                record.offset,
                record.timestamp,
                record.timestamp_type,
                record.key,
                record.value,
                record.checksum,
                -1 if record.key is None else len(record.key),
                -1 if record.value is None else len(record.value),
                headers if isinstance(headers, Unreadable) else tuple(headers),
            )
        self.next_fetch_offset = behind


def _unpack_pieces(self: Any) -> Iterator[Sequence[Any]]:
    """The batches of one partition's fetch answer, as lists of records.

    None of them is longer than `most_records`, which is set before each is asked for; `next_fetch_offset` is where the
    last one ended, `heavy_bytes` what batches with large records have come to.
    """
    answer = self._records
    while answer.has_next():
        batch = answer.following()
        if type(batch) is not DefaultRecordBatch or (self._check_crcs and not batch.validate_crc()):
            # aiokafka takes the first batch's format for that of all: see for ourselves.
            raw = answer.raw()
            if raw[MAGIC_AT] < _NEW_FORMAT:
                records = [*read_batch(raw)]
                end = max([record.offset for record in records], default=int.from_bytes(raw[:8])) + 1
                yield from _pieces(self, records, end)
                continue
            batch = DefaultRecordBatch(raw)
            if self._check_crcs and not batch.validate_crc():
                if not _is_lasting(self._tp, batch.base_offset):
                    return  # the position is before it: it is fetched again
                end = batch.base_offset + max(batch.last_offset_delta, 0) + 1
                yield from _pieces(self, [unreadable(batch.base_offset, -1, "the batch's checksum is wrong")], end)
                continue
        if _is_aborted(self, batch) or batch.is_control_batch:
            self.next_fetch_offset = batch.next_offset
            continue
        yield from _unpack_batch(self, batch, answer)


def _is_lasting(tp: Any, offset: int) -> bool:
    """Whether a batch was damaged each time that it was fetched."""
    place = (tp.topic, tp.partition, offset)
    _damaged[place] += 1
    if _damaged[place] < DAMAGED_FETCHES:
        return False
    log.warning("checksum of a batch is wrong: %s, partition %d, offset %d", *place)
    return True


def _unpack_batch(self: Any, batch: Any, answer: FetchedRecords) -> Iterator[Sequence[Any]]:
    """One batch: quickly as far as it is as it should be, from there on with care."""
    try:
        if batch.max_timestamp > LAST_TIMESTAMP_MS:
            raise BrokenError("no date")  # noqa: TRY301 — all that is not as it should be goes the same way
        size = 0
        if codec := batch.compression_type:
            raw = answer.raw()
            plain = decompress(codec, memoryview(raw)[HEAD_BYTES:])
            size = len(plain)
            rest = chain(DefaultRecordBatch(_unpacked_head(raw) + plain))
        else:
            rest = chain(batch)
            if answer.size_in_bytes() > MEAN_MAX_BYTES:
                size = answer.raw_bytes()
        # `chain` asks the compiled iterator neither to begin anew for each piece nor to go on after its end.
        while piece := [*islice(rest, self.most_records)]:
            _check_offsets(piece, batch)
            if piece[0].offset < self.next_fetch_offset:  # a batch is sent whole, whichever record was asked for
                piece = [record for record in piece if record.offset >= self.next_fetch_offset]
                if not piece:
                    continue
            if size > MEAN_MAX_BYTES * len(piece):
                if any(map(_is_large, piece)):
                    raise BrokenError("large records")  # noqa: TRY301
                self.heavy_bytes += sum(map(_size_of, piece))
            self.next_fetch_offset = piece[-1].offset + 1
            yield piece
    except Exception as error:  # noqa: BLE001 — whatever the compiled parser has to say
        log.debug("read with care: %s, offset %d: %r", self._tp, batch.base_offset, error)
        yield from _pieces(self, read_batch(answer.raw()), batch.next_offset)
    # Not after its last record, which compaction may have removed: the same batch would be fetched for ever.
    self.next_fetch_offset = batch.next_offset


def _check_offsets(piece: Sequence[Any], batch: Any) -> None:
    """A producer may write any: nobody looks at those of records that are not compressed."""
    offsets = [*map(_offset_of, piece)]
    first, last = offsets[0], offsets[-1]
    if offsets != [*range(first, last + 1)] and not all(map(lt, offsets, offsets[1:])):
        raise BrokenError("offsets go back")
    if first < batch.base_offset or last >= batch.next_offset:
        raise BrokenError("offsets of other batches")


def _unpacked_head(raw: bytes) -> bytes:
    """The head of a batch that says that its records are not compressed."""
    head = bytearray(raw[:HEAD_BYTES])
    head[22] &= ~CODEC_MASK & 0xFF
    return bytes(head)


def _size_of(record: Any) -> int:
    return len(record.value or b"") + len(record.key or b"")


def _is_large(record: Any) -> bool:
    value, key = record.value, record.key
    return (value is not None and len(value) > KEPT_VALUE_BYTES) or (key is not None and len(key) > KEPT_KEY_BYTES)


def _pieces(self: Any, records: Iterable[Any], end: int) -> Iterator[Sequence[Any]]:
    """Records that were read with care, and where their batch ends."""
    at = self.next_fetch_offset
    rest = (record for record in records if record.offset >= at)
    while piece := [*islice(rest, min(self.most_records, CAREFUL_PIECE_RECORDS))]:
        self.heavy_bytes += sum(map(_size_of, piece))
        self.next_fetch_offset = piece[-1].offset + 1
        yield piece
    self.next_fetch_offset = max(end, self.next_fetch_offset)


def _is_aborted(self: Any, batch: Any) -> bool:
    """Whether a reader of committed records must not see this batch; keeps the list of aborted producers."""
    if self._isolation_level != READ_COMMITTED or batch.producer_id is None:
        return False
    self._consume_aborted_up_to(batch.base_offset)
    if batch.is_control_batch and _is_abort_marker(batch):
        self._aborted_producers.discard(batch.producer_id)
    return bool(batch.is_transactional and batch.producer_id in self._aborted_producers)


def _is_abort_marker(batch: Any) -> bool:
    try:
        return ControlRecord.parse(next(iter(batch)).key) == ABORT_MARKER
    except Exception:  # noqa: BLE001 — a control record of a kind that is still to come: no marker of a transaction
        return False


def _take_pieces(self: Any, max_records: int | None = None) -> list[Any]:
    """Up to `max_records` of an answer; the consumer's position is where they end."""
    if not self.check_assignment(self._topic_partition) or not self.has_more():
        return []
    answer = self._partition_records
    taken = Taken()
    left = sys.maxsize if max_records is None else max_records
    heavy_before = answer.heavy_bytes
    while left and taken.heavy_bytes < HEAVY_MAX_BYTES:
        answer.most_records = left
        records = next(answer, None)
        if records is None:
            self._partition_records = None
            break
        left -= len(records)
        taken += records
        taken.heavy_bytes = answer.heavy_bytes - heavy_before
    # Not `_update_position`, which looks at what may just have been taken away.
    self._assignment.state_value(self._topic_partition).consumed_to(answer.next_fetch_offset)
    return taken


def _take_records(self: Any, max_records: int | None = None) -> list[Any]:
    """The same of single records."""
    if not self.check_assignment(self._topic_partition) or not self.has_more():
        return []
    answer = self._partition_records
    most = sys.maxsize if max_records is None else max_records
    heavy_before = answer.heavy_bytes
    taken: list[Any] = []
    while len(taken) < most and answer.heavy_bytes - heavy_before < HEAVY_MAX_BYTES:
        record = next(answer, None)
        if record is None:
            self._partition_records = None
            break
        taken.append(record)
    self._assignment.state_value(self._topic_partition).consumed_to(answer.next_fetch_offset)
    return taken
