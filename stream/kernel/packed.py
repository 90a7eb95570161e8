# ruff: noqa: SLF001 — pieces are of the same class
"""Records that stay bytes until somebody asks for one: a text, and rows that say where each record lies in it.

Only what is usual is packed: a key, a value, a time, no headers. Packed records are a sequence of `ReadRecord`s, and
give the columns of flat events without making any.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, overload

from stream.contract.kept import KEPT_KEY_BYTES, KEPT_VALUE_BYTES
from stream.kernel.library import RECORDS_MAX, TEXT_MAX_BYTES, Batch, Row
from stream.records.batch import LAST_TIMESTAMP_MS, ReadRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.contract.decode import Record
    from stream.contract.forms import Form, RoomPart, Scanning
    from stream.kernel.library import Kernel, Scanned
    from stream.records.reading import BatchHead

_ROW = struct.Struct("=qqIIIIII")


class PackedRecords(Sequence[ReadRecord]):
    """Some records of a text. A slice shares text and rows with the whole."""

    __slots__ = ("_begin", "_end", "_kernel", "_rows", "_text")
    heavy_bytes = 0  # see `stream.records.reading.Taken`: batches with large records are never packed

    def __init__(self, kernel: Kernel, text: bytes, rows: ctypes.Array[Row], begin: int, end: int) -> None:
        self._kernel, self._text, self._rows, self._begin, self._end = kernel, text, rows, begin, end

    def __len__(self) -> int:
        return self._end - self._begin

    @overload
    def __getitem__(self, place: int) -> ReadRecord: ...
    @overload
    def __getitem__(self, place: slice) -> PackedRecords | list[ReadRecord]: ...
    def __getitem__(self, place: int | slice) -> ReadRecord | PackedRecords | list[ReadRecord]:
        if isinstance(place, slice):
            begin, end, step = place.indices(len(self))
            if step != 1:
                return [self[each] for each in range(begin, end, step)]
            begin, end = self._begin + begin, self._begin + max(begin, end)
            return PackedRecords(self._kernel, self._text, self._rows, begin, end)
        at = self._begin + place if place >= 0 else self._end + place
        if not self._begin <= at < self._end:
            raise IndexError(place)
        return self._record(_ROW.unpack_from(self._rows, at * _ROW.size))

    def __iter__(self) -> Iterator[ReadRecord]:
        rows = memoryview(self._rows).cast("B")[self._begin * _ROW.size : self._end * _ROW.size]
        return map(self._record, _ROW.iter_unpack(rows))

    def _record(self, row: tuple[int, ...]) -> ReadRecord:
        offset, timestamp, key_at, key_bytes, value_at, value_bytes, stamped, _ = row
        text = self._text
        key, value = text[key_at : key_at + key_bytes], text[value_at : value_at + value_bytes]
        return ReadRecord(offset, timestamp, key, value, (), stamped)

    def columns(self, how: Scanning) -> ScannedColumns | None:
        """The columns of nearly all; None if too many records need a look by themselves."""
        scanned = self._kernel.scan(self._text, self._rows, self._begin, self._end, how)
        return None if scanned is None else ScannedColumns(scanned, how.form)

    @classmethod
    def of_batch(cls, kernel: Kernel, plain: bytes, head: BatchHead) -> Self | None:
        """The records of an unpacked batch; None: some are unusual, or not as the head says."""
        rows = kernel.index(plain, Batch(*head, LAST_TIMESTAMP_MS, KEPT_KEY_BYTES, KEPT_VALUE_BYTES))
        return None if rows is None else cls(kernel, plain, rows, 0, head.records)

    @classmethod
    def of(cls, kernel: Kernel, records: Sequence[Record]) -> Self | None:
        """Records that somebody made, packed; None: some are unusual."""
        if not 0 < len(records) <= RECORDS_MAX:
            return None
        rows, parts, at = (Row * len(records))(), list[bytes](), 0
        for place, record in enumerate(records):
            key, value = record.key, record.value
            if type(key) is not bytes or type(value) is not bytes or record.headers or record.timestamp < 0:
                return None
            stamped = int(bool(getattr(record, "timestamp_type", 0)))
            rows[place] = Row(record.offset, record.timestamp, at, len(key), at + len(key), len(value), stamped)
            parts += (key, value)
            at += len(key) + len(value)
        return cls(kernel, b"".join(parts), rows, 0, len(records)) if at <= TEXT_MAX_BYTES else None

    @classmethod
    def joined(cls, pieces: Sequence[PackedRecords]) -> PackedRecords | None:
        """Pieces as one. Holds no more text than their records. None: they come to too much."""
        count, texts, at = sum(map(len, pieces)), list[bytes](), 0
        if not 0 < count <= RECORDS_MAX:
            return None
        if len(pieces) == 1 and count == len(pieces[0]._rows):
            return pieces[0]
        rows, to = (Row * count)(), 0
        for piece in pieces:
            first, last = piece._rows[piece._begin], piece._rows[piece._end - 1]
            begin, end = (
                min(first.key_at, first.value_at),
                max(last.key_at + last.key_bytes, last.value_at + last.value_bytes),
            )
            texts.append(piece._text[begin:end])
            source = ctypes.addressof(piece._rows) + piece._begin * _ROW.size
            ctypes.memmove(ctypes.addressof(rows) + to * _ROW.size, source, len(piece) * _ROW.size)
            piece._kernel.move(rows, to, len(piece), at - begin)
            to += len(piece)
            at += end - begin
            if at > TEXT_MAX_BYTES:
                return None
        return cls(pieces[0]._kernel, b"".join(texts), rows, 0, count)


class Packer:
    """Leaves the records of fetched batches packed; see `stream.records.reading.Packer`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def pack(self, plain: bytes, head: BatchHead) -> PackedRecords | None:
        """The records of an unpacked batch; None: some are unusual, or not as the head says."""
        return PackedRecords.of_batch(self._kernel, plain, head)

    def join(self, pieces: Sequence[Sequence[Any]]) -> PackedRecords | None:
        """Pieces as one; None: not all of them are packed, or they come to too much."""
        packed = [piece for piece in pieces if isinstance(piece, PackedRecords)]
        return PackedRecords.joined(packed) if len(packed) == len(pieces) else None


class ScannedColumns:
    """The columns of a scan, made into Python's lists as they are asked for; see `stream.contract.forms.Columns`."""

    def __init__(self, scanned: Scanned, form: Form) -> None:
        self.rooms, self.odd = scanned.rooms, scanned.odd
        self._scanned = scanned
        self._nullable = frozenset[str]().union(*(kind.known - kind.required for kind in form.kinds))
        self._ids: dict[str, list[str]] = {}

    def places(self, part: RoomPart) -> list[int]:
        """The places of a room's records in the piece."""
        return self._scanned.places[part.begin : part.end].tolist()

    def kinds(self, part: RoomPart) -> Sequence[int]:
        """Which of the form's kinds each is."""
        return self._scanned.kinds[part.begin : part.end]

    def at_ms(self, part: RoomPart) -> list[int]:
        """Their effective times."""
        return self._scanned.at_ms[part.begin : part.end].tolist()

    def column(self, part: RoomPart, name: str) -> Sequence[str | int | None]:
        """An id or number of each; None: left out. Numbers that a kind does not have are 0."""
        numbers = self._scanned.numbers.get(name)
        if numbers is not None:
            return numbers[part.begin : part.end].tolist()
        ids = self._ids.get(name)
        if ids is None:
            ids = self._ids[name] = str(self._scanned.ids[name], "ascii").split("\n")
        of_room = ids[part.begin : part.end]
        return [each or None for each in of_room] if name in self._nullable else of_room
