"""Reads one record batch without errors: what can be read is read, the rest is reported as unreadable.

aiokafka's compiled parser reads good batches quickly but raises at the first wrong byte, and a batch that is fetched
again has the same bytes. This parser reads what a broker accepts all the same: offsets out of sequence, header names
that are not UTF-8, records without an end, gigabytes compressed into a batch, old formats.
Worker, audit and replay all read here: a record is the same for every reader at any time.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from stream.contract.kept import KEPT_KEY_BYTES, KEPT_VALUE_BYTES, Unreadable, cut
from stream.records.codecs import UndecodableError, decompress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# The head of a batch, up to the number of records. The records follow.
HEAD_BYTES = 61
CODEC_MASK = 0x07
MAGIC_AT = 16
# The last moment of the year 9999: no date lies behind it, and no sum with it overflows.
LAST_TIMESTAMP_MS = 253_402_300_799_999

_LOG_APPEND_TIME = 0x08
# Structs: the first offset; then the attributes, the last offset less the first, the first and greatest timestamp.
_FIRST = struct.Struct(">q")
_HEAD = struct.Struct(">hiqq")
_HEAD_AT = 21
_COUNT = struct.Struct(">i")
_COUNT_AT = 57
# Formats 0 and 1: offset, length, checksum, format, attributes; format 1 adds a timestamp.
_OLD_HEAD = struct.Struct(">qiIbb")
_TIME = struct.Struct(">q")
_LENGTH = struct.Struct(">i")
_VARINT_MAX_BYTES = 10


class ReadRecord(NamedTuple):
    """A record in the form that the rest of Snapup knows; see `stream.contract.decode.Record`."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, Any]]
    timestamp_type: int | None = None
    checksum: int | None = None


class BrokenError(Exception):
    """Bytes that do not have the expected form."""


def unreadable(offset: int, timestamp: int, why: str, raw: bytes | None = None) -> ReadRecord:
    """A stand-in for an unreadable record, or for it and all that follow in its batch. `raw`: its bytes, if known."""
    return ReadRecord(offset, timestamp, None, cut(raw, KEPT_VALUE_BYTES), Unreadable(why))


def read_batch(raw: bytes) -> Iterator[ReadRecord]:
    """Every record of one batch as it lies in the log, in the order of offsets.

    A wholly unreadable batch is one unreadable record at its first offset.
    """
    (first,) = _FIRST.unpack_from(raw)
    magic = raw[MAGIC_AT]
    if magic < 2:  # noqa: PLR2004
        return _read_old(raw)
    if magic > 2 or len(raw) < HEAD_BYTES:  # noqa: PLR2004
        return iter([unreadable(first, -1, f"a batch of {len(raw)} bytes in format {magic}")])
    return _read_new(raw, first)


class _Head(NamedTuple):
    first: int
    last: int
    first_ms: int
    max_ms: int
    stamped: bool  # every record has the time at which the broker appended it

    @property
    def timestamp(self) -> int:
        """The timestamp of a record without one of its own."""
        return _sane(self.max_ms if self.stamped else self.first_ms)


def _read_new(raw: bytes, first: int) -> Iterator[ReadRecord]:
    attributes, last_delta, first_ms, max_ms = _HEAD.unpack_from(raw, _HEAD_AT)
    (count,) = _COUNT.unpack_from(raw, _COUNT_AT)
    head = _Head(first, first + last_delta, first_ms, max_ms, bool(attributes & _LOG_APPEND_TIME))
    plain, cut_off = raw[HEAD_BYTES:], ""
    if codec := attributes & CODEC_MASK:
        try:
            plain = decompress(codec, plain)
        except UndecodableError as error:
            plain, cut_off = error.beginning, str(error)
    at, offset = 0, first
    for _ in range(count):
        if offset > head.last:
            return  # the batch has more records than offsets, and all its offsets are used
        try:
            body, at = _body(plain, at)
        except BrokenError as error:
            why = cut_off or f"cannot be read, nor can what follows it in its batch: {error}"
            yield unreadable(offset, head.timestamp, why, None if codec else plain[at:])
            return
        record = _read_in_place(body, head, offset)
        offset = record.offset + 1
        yield record._replace(timestamp_type=int(head.stamped))


def _body(plain: bytes, at: int) -> tuple[bytes, int]:
    """The body after a record's length, and the position of its end."""
    at, length = _varint(plain, at)
    if length < 0 or at + length > len(plain):
        raise BrokenError(f"it says that it has {length} bytes")
    return plain[at : at + length], at + length


def _read_in_place(body: bytes, head: _Head, place: int) -> ReadRecord:
    """One record of a batch. The records before it took the offsets up to `place`."""
    try:
        record = _read_body(body, head.first, head.first_ms)
    except BrokenError as error:
        return unreadable(place, head.timestamp, f"cannot be read: {error}", body)
    if head.stamped:
        record = record._replace(timestamp=head.max_ms)
    if not place <= record.offset <= head.last:
        return unreadable(place, head.timestamp, f"claims offset {record.offset} at the place of {place}", record.value)
    if record.timestamp > LAST_TIMESTAMP_MS:
        return unreadable(record.offset, head.timestamp, f"its timestamp is {record.timestamp}", record.value)
    return record


def _sane(timestamp: int) -> int:
    return timestamp if 0 <= timestamp <= LAST_TIMESTAMP_MS else -1


def _read_body(body: bytes, first: int, first_ms: int) -> ReadRecord:
    """One record. Its attributes byte is ignored."""
    at, time_delta = _varint(body, 1)
    at, delta = _varint(body, at)
    at, key = _bytes(body, at)
    at, value = _bytes(body, at)
    at, count = _varint(body, at)
    if not 0 <= count <= len(body):
        raise BrokenError(f"it says that it has {count} headers")
    headers = []
    for _ in range(count):
        at, name = _bytes(body, at)
        at, content = _bytes(body, at)
        if name is None:
            raise BrokenError("a header has no name")
        headers.append((name.decode(errors="backslashreplace"), content))
    if at != len(body):
        raise BrokenError(f"{len(body) - at} bytes follow its headers")
    key, value = cut(key, KEPT_KEY_BYTES), cut(value, KEPT_VALUE_BYTES)
    return ReadRecord(first + delta, max(first_ms + time_delta, -1), key, value, tuple(headers))


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """The position after a signed zigzag number, and the number."""
    number = shift = 0
    for byte in raw[at : at + _VARINT_MAX_BYTES]:
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004
            return at, (number >> 1) ^ -(number & 1)
        shift += 7
    raise BrokenError("a number has no end")


def _bytes(raw: bytes, at: int) -> tuple[int, bytes | None]:
    """The position after length-prefixed bytes, and the bytes. A negative length means None."""
    at, length = _varint(raw, at)
    if length < 0:
        return at, None
    if at + length > len(raw):
        raise BrokenError(f"it ends {at + length - len(raw)} bytes too early")
    return at + length, raw[at : at + length]


# -- formats 0 and 1 ---------------------------------------------------------------------------------------------------
def _read_old(raw: bytes) -> Iterator[ReadRecord]:
    """The records of a message in a format before 2016: one record, or the compressed ones in its value."""
    (offset,) = _FIRST.unpack_from(raw)
    try:
        outer, codec = _read_message(raw)
    except (BrokenError, struct.error) as error:
        yield unreadable(offset, -1, f"cannot be read: {error}")
        return
    if not codec:
        yield outer
        return
    try:
        inner = [*_messages(decompress(codec, outer.value or b""))]
    except (BrokenError, UndecodableError, struct.error) as error:
        yield unreadable(offset, outer.timestamp, f"cannot be read: {error}")
        return
    # Inner offsets of format 1 count from 0. The last inner offset corresponds to the outer one.
    shift = offset - inner[-1].offset if inner else 0
    for message in inner:
        timestamp = outer.timestamp if outer.timestamp_type else message.timestamp
        yield message._replace(offset=message.offset + shift, timestamp=timestamp)


def _messages(plain: bytes) -> Iterator[ReadRecord]:
    at = 0
    while at < len(plain):
        (length,) = _LENGTH.unpack_from(plain, at + _FIRST.size)
        end = at + _FIRST.size + _LENGTH.size + length
        if length < 0 or end > len(plain):
            raise BrokenError(f"a message of {length} bytes")
        message, codec = _read_message(plain[at:end])
        if codec:
            raise BrokenError("compressed twice")
        yield message
        at = end


def _read_message(raw: bytes) -> tuple[ReadRecord, int]:
    """One message and the codec of its value."""
    offset, _length, checksum, magic, attributes = _OLD_HEAD.unpack_from(raw)
    at, timestamp = _OLD_HEAD.size, -1
    if magic:
        (timestamp,) = _TIME.unpack_from(raw, at)
        at += _TIME.size
    at, key = _old_bytes(raw, at)
    at, value = _old_bytes(raw, at)
    codec = attributes & CODEC_MASK
    if not codec:
        key, value = cut(key, KEPT_KEY_BYTES), cut(value, KEPT_VALUE_BYTES)
    stamped = int(bool(attributes & _LOG_APPEND_TIME))
    return ReadRecord(offset, _sane(timestamp), key, value, (), stamped, checksum), codec


def _old_bytes(raw: bytes, at: int) -> tuple[int, bytes | None]:
    (length,) = _LENGTH.unpack_from(raw, at)
    at += _LENGTH.size
    if length < 0:
        return at, None
    if at + length > len(raw):
        raise BrokenError(f"it ends {at + length - len(raw)} bytes too early")
    return at + length, raw[at : at + length]
