# ruff: noqa: SLF001 — this module patches private parts
"""Records fetched by aiokafka, taken so that none of them raises, and in whole batches for readers that want them.

aiokafka passes every record through two generators and copies it into a Python object: two thirds of a fetch's cost.
Its compiled parser alone makes good records with `offset`, `timestamp`, `key`, `value` and `headers`; nothing else is
used here. The choice of batches that count (control batches, aborted transactions) is that of
`PartitionRecords._unpack_records` in the version that `transport.check_versions` asserts. Three things differ:

- Compressed records are unpacked here, within bounds.
- A batch that the compiled parser refuses is read by `read_batch`.
- A batch with a wrong checksum is fetched again: it may have been damaged on the way. If the checksum stays wrong, the
  batch becomes one unreadable record, and the records after it are read.
"""

from __future__ import annotations

import logging
import struct
import sys
from bisect import bisect_left
from collections import Counter
from itertools import chain, islice
from operator import attrgetter, lt
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

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

# Above this mean size of a record, a batch's records are checked one by one. The contract's usual records are far
# smaller.
MEAN_MAX_BYTES = 2_048
# Bound on the bytes of such batches in one look.
HEAVY_MAX_BYTES = 16 * 1024 * 1024
# The fetches of a batch with a wrong checksum before it counts as damaged in the log itself.
DAMAGED_FETCHES = 3
PIECE_RECORDS = 500
# For records read by `read_batch`, which may be large.
CAREFUL_PIECE_RECORDS = 16

_LENGTH = _COUNT = struct.Struct(">i")
_LENGTH_AT = 8
_COUNT_AT = 57
_NEW_FORMAT = 2
_offset_of = attrgetter("offset")
_MemoryRecords: Any = MemoryRecords
_damaged: Counter[tuple[str, int, int]] = Counter()


class Taken(list[Any]):
    """The records of one look. `heavy_bytes`: the size of those in batches with large records."""

    heavy_bytes: int = 0


class BatchHead(NamedTuple):
    """What a batch says of its records. `stamp_ms`: the time of all of them; −1: each has its own."""

    first_offset: int
    last_offset: int
    first_ms: int
    stamp_ms: int
    records: int


class Packer(Protocol):
    """Reads usual batches without an object for each record."""

    def pack(self, plain: bytes, head: BatchHead) -> Sequence[Any] | None:
        """The records of an unpacked batch; None: some are unusual, or not as the head says."""
        ...

    def join(self, pieces: Sequence[Sequence[Any]]) -> Sequence[Any] | None:
        """Pieces as one; None: it did not make all of them, or they come to too much."""
        ...


# For `_take_pieces`; None: aiokafka's compiled parser reads all good batches.
_packer: Packer | None = None


class FetchedRecords(_MemoryRecords):  # type: ignore[misc] # the compiled one
    """One partition's fetch answer, which also gives its batches as bytes."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._data = data
        self._batches = self._located = 0
        self._at = self._end = 0

    def following(self) -> Any:
        """The next batch; None if its head is unreadable. `raw` gives its bytes in either case."""
        self._batches += 1
        try:
            return self.next_batch()
        except Exception:  # noqa: BLE001 — a damaged message of an old format
            return None

    def raw(self) -> bytes:
        """The bytes of the batch that `following` returned last."""
        at = self._locate()
        return self._data[at : self._end]

    def raw_bytes(self) -> int:
        """The length of those bytes."""
        return -self._locate() + self._end

    def records_raw(self) -> bytes:
        """Those bytes without the batch's head."""
        at = self._locate()
        return self._data[at + HEAD_BYTES : self._end]

    def count(self) -> int:
        """How many records the head of that batch says it has; 0: less than none."""
        (count,) = _COUNT.unpack_from(self._data, self._locate() + _COUNT_AT)
        return max(int(count), 0)

    def _locate(self) -> int:
        """The position of that batch. It is worked out on demand: most batches are never located."""
        while self._located < self._batches:
            self._at = self._end
            (length,) = _LENGTH.unpack_from(self._data, self._at + _LENGTH_AT)
            self._end = self._at + _LENGTH_AT + _LENGTH.size + length
            self._located += 1
        return self._at


def read_tolerantly() -> None:
    """Patch aiokafka: every consumer of this process then reads here, record by record as in aiokafka."""
    if PartitionRecords._unpack_records not in (_unpack_records, _unpack_pieces):
        _replace(_unpack_records, _take_records)


def take_whole_batches(packer: Packer | None = None) -> None:
    """Patch aiokafka: every consumer of this process then reads here, in lists of records. `getone` stops working.

    `packer`: leaves the records of usual batches packed; None: an object is made for each.
    """
    global _packer  # noqa: PLW0603 — as the patch itself: of the process
    _packer = packer
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
    """Replaces aiokafka's generator of the same name. The position is always after the record last given."""
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

    A list has at most `most_records`, which the caller sets before each. `next_fetch_offset` is the position after the
    last list, `heavy_bytes` the size of all batches with large records so far.
    """
    answer = self._records
    while answer.has_next():
        batch = answer.following()
        if type(batch) is not DefaultRecordBatch or (self._check_crcs and not batch.validate_crc()):
            # aiokafka takes the format of the first batch for that of all batches: check this one's own.
            raw = answer.raw()
            if raw[MAGIC_AT] < _NEW_FORMAT:
                records = [*read_batch(raw)]
                end = max([record.offset for record in records], default=int.from_bytes(raw[:8])) + 1
                yield from _pieces(self, records, end)
                continue
            batch = DefaultRecordBatch(raw)
            if self._check_crcs and not batch.validate_crc():
                if not _is_lasting(self._tp, batch.base_offset):
                    return  # the position stays before the batch: it is fetched again
                end = batch.base_offset + max(batch.last_offset_delta, 0) + 1
                yield from _pieces(self, [unreadable(batch.base_offset, -1, "the batch's checksum is wrong")], end)
                continue
        if _is_aborted(self, batch) or batch.is_control_batch:
            self.next_fetch_offset = batch.next_offset
            continue
        yield from _unpack_batch(self, batch, answer)


def _is_lasting(tp: Any, offset: int) -> bool:
    """Whether the batch was damaged in each of its DAMAGED_FETCHES fetches."""
    place = (tp.topic, tp.partition, offset)
    _damaged[place] += 1
    if _damaged[place] < DAMAGED_FETCHES:
        return False
    log.warning("checksum of a batch is wrong: %s, partition %d, offset %d", *place)
    return True


def _unpack_batch(self: Any, batch: Any, answer: FetchedRecords) -> Iterator[Sequence[Any]]:
    """One batch: the compiled parser reads it up to the first fault, `read_batch` the rest."""
    try:
        if batch.max_timestamp > LAST_TIMESTAMP_MS:
            raise BrokenError("no date")  # noqa: TRY301 — every fault takes the same way out
        codec = batch.compression_type
        plain = decompress(codec, memoryview(answer.raw())[HEAD_BYTES:]) if codec else None
        if (packed := _packed(batch, answer, plain)) is not None:
            yield from _packed_pieces(self, packed)
            self.next_fetch_offset = batch.next_offset
            return
        size, rest = _parsed(batch, answer, plain)
        # `chain` spares the compiled iterator a new start for each piece and a call after its end.
        while piece := [*islice(rest, self.most_records)]:
            _check_offsets(piece, batch)
            if piece[0].offset < self.next_fetch_offset:  # a batch comes whole, even if a later record was asked for
                piece = [record for record in piece if record.offset >= self.next_fetch_offset]
                if not piece:
                    continue
            if size > MEAN_MAX_BYTES * len(piece):
                if any(map(_is_large, piece)):
                    raise BrokenError("large records")  # noqa: TRY301
                self.heavy_bytes += sum(map(_size_of, piece))
            self.next_fetch_offset = piece[-1].offset + 1
            yield piece
    except Exception as error:  # noqa: BLE001 — the compiled parser raises many kinds
        log.debug("read with care: %s, offset %d: %r", self._tp, batch.base_offset, error)
        yield from _pieces(self, read_batch(answer.raw()), batch.next_offset)
    # The position after the batch, not after its last record: compaction may have removed the batch's end, and the same
    # batch would then be fetched for ever.
    self.next_fetch_offset = batch.next_offset


def _parsed(batch: Any, answer: FetchedRecords, plain: bytes | None) -> tuple[int, Iterator[Any]]:
    """The records of a batch by the compiled parser, and their size if they may be large. `plain`: unpacked ones."""
    if plain is not None:
        return len(plain), chain(DefaultRecordBatch(_unpacked_head(answer.raw()) + plain))
    return answer.raw_bytes() if answer.size_in_bytes() > MEAN_MAX_BYTES else 0, chain(batch)


def _packed(batch: Any, answer: FetchedRecords, plain: bytes | None) -> Sequence[Any] | None:
    """The records of a batch, left packed; None: they are unusual, or there is no packer. `plain`: unpacked ones."""
    if _packer is None or batch.max_timestamp < 0:
        return None
    if plain is None:
        plain = answer.records_raw()
    count = answer.count()
    if len(plain) > MEAN_MAX_BYTES * count:
        return None
    stamp_ms = batch.max_timestamp if batch.timestamp_type else -1
    head = BatchHead(batch.base_offset, batch.next_offset - 1, batch.first_timestamp, stamp_ms, count)
    return _packer.pack(plain, head)


def _packed_pieces(self: Any, packed: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Pieces of a packed batch, without the records before the position: a batch comes whole."""
    at = bisect_left(packed, self.next_fetch_offset, key=_offset_of)
    while at < len(packed):
        piece = packed[at : at + self.most_records]
        at += len(piece)
        self.next_fetch_offset = piece[-1].offset + 1
        yield piece


def _check_offsets(piece: Sequence[Any], batch: Any) -> None:
    """Raise BrokenError on impossible offsets. A producer may write any: brokers do not check uncompressed records."""
    offsets = [*map(_offset_of, piece)]
    first, last = offsets[0], offsets[-1]
    if offsets != [*range(first, last + 1)] and not all(map(lt, offsets, offsets[1:])):
        raise BrokenError("offsets go back")
    if first < batch.base_offset or last >= batch.next_offset:
        raise BrokenError("offsets of other batches")


def _unpacked_head(raw: bytes) -> bytes:
    """The head of a batch, changed to say that its records are not compressed."""
    head = bytearray(raw[:HEAD_BYTES])
    head[22] &= ~CODEC_MASK & 0xFF
    return bytes(head)


def _size_of(record: Any) -> int:
    return len(record.value or b"") + len(record.key or b"")


def _is_large(record: Any) -> bool:
    value, key = record.value, record.key
    return (value is not None and len(value) > KEPT_VALUE_BYTES) or (key is not None and len(key) > KEPT_KEY_BYTES)


def _pieces(self: Any, records: Iterable[Any], end: int) -> Iterator[Sequence[Any]]:
    """Lists of the records that `read_batch` read. The position ends at `end`, the end of their batch."""
    at = self.next_fetch_offset
    rest = (record for record in records if record.offset >= at)
    while piece := [*islice(rest, min(self.most_records, CAREFUL_PIECE_RECORDS))]:
        self.heavy_bytes += sum(map(_size_of, piece))
        self.next_fetch_offset = piece[-1].offset + 1
        yield piece
    self.next_fetch_offset = max(end, self.next_fetch_offset)


def _is_aborted(self: Any, batch: Any) -> bool:
    """Whether a reader of committed records must skip this batch. Keeps the list of aborted producers up to date."""
    if self._isolation_level != READ_COMMITTED or batch.producer_id is None:
        return False
    self._consume_aborted_up_to(batch.base_offset)
    if batch.is_control_batch and _is_abort_marker(batch):
        self._aborted_producers.discard(batch.producer_id)
    return bool(batch.is_transactional and batch.producer_id in self._aborted_producers)


def _is_abort_marker(batch: Any) -> bool:
    try:
        return ControlRecord.parse(next(iter(batch)).key) == ABORT_MARKER
    except Exception:  # noqa: BLE001 — a control record of a later kind: no marker of a transaction
        return False


def _take_pieces(self: Any, max_records: int | None = None) -> Sequence[Any]:
    """Up to `max_records` of a fetch answer. The consumer's position moves to their end."""
    if not self.check_assignment(self._topic_partition) or not self.has_more():
        return []
    answer = self._partition_records
    pieces: list[Sequence[Any]] = []
    left = sys.maxsize if max_records is None else max_records
    heavy_before = answer.heavy_bytes
    while left and answer.heavy_bytes - heavy_before < HEAVY_MAX_BYTES:
        answer.most_records = left
        records = next(answer, None)
        if records is None:
            self._partition_records = None
            break
        left -= len(records)
        pieces.append(records)
    # Not `_update_position`: it reads an answer that may just have been dropped.
    self._assignment.state_value(self._topic_partition).consumed_to(answer.next_fetch_offset)
    if _packer is not None and pieces and (packed := _packer.join(pieces)) is not None:
        return packed
    taken = Taken(chain.from_iterable(pieces))
    taken.heavy_bytes = answer.heavy_bytes - heavy_before
    return taken


def _take_records(self: Any, max_records: int | None = None) -> list[Any]:
    """Up to `max_records` of a fetch answer, as single records."""
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
