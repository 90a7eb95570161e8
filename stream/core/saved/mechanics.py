"""Mechanics to their checkpoint records and back.

- `m|<room>|<name>`: the mechanic's format and what `Mechanic.saved` says, whole, of each one that changed.
- `t|<n>`: a change log of rows. A row lives as long as its room, and a segment goes by its age: so a row that was not
  written for half of the log's horizon is written again, and a segment goes with nothing in it that is still needed.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import islice
from typing import TYPE_CHECKING, Any

from stream.core.engaged import Engaged
from stream.core.saved.entries import ENTRY_ITEMS, RowsEntry
from stream.core.saved.frames import CorruptCheckpointError, frame, unframe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import msgspec

    from stream.core.engaged import Part
    from stream.core.mechanic import Installed
    from stream.core.room import Room
    from stream.core.saved.changelog import ChangeLog

KIND = b"m|"
ROWS_HORIZON_MS = 900_000
# Some milliseconds of a restore.
PARTS_IN_A_STEP = 20


def mechanic_key(room_id: str, name: str) -> bytes:
    """Returns the key of one mechanic of a room."""
    return KIND + room_id.encode() + b"|" + name.encode()


def mechanic_tombstones(room: Room) -> Iterator[tuple[bytes, None]]:
    """Yields a tombstone for each saved mechanic of a room that has ended; its rows go with the session they name."""
    if room.engaged is not None:
        for name, part in room.engaged.parts.items():
            if part.is_saved:
                yield mechanic_key(room.room_id, name), None


class MechanicRecords:
    """Of one partition.

    Args:
        rows: the change log of rows.

    Attributes:
        horizon_ms: a segment of rows goes when nothing was written into it for so long; a row is written again after
            half of it.
    """

    def __init__(self, rows: ChangeLog[RowsEntry]) -> None:
        self.horizon_ms = ROWS_HORIZON_MS
        self._rows = rows
        self._loaded: dict[bytes, bytes] = {}
        # Heap of (when the first row is to be written again, room id, name); a part's own `rewrite_ms` says which
        # entry is valid.
        self._rewrites: list[tuple[int, str, str]] = []

    # -- save ----------------------------------------------------------------------------------------------------------
    def log_rows(self, room: Room, clock_ms: int) -> None:
        """Write the rows of a room that changed to the change log. They are absolute: it may be done at any time."""
        if room.engaged is None:
            return
        for name, part in room.engaged.parts.items():
            if part.mechanic.changed:
                self._log(room, name, part.take_rows(clock_ms), clock_ms)
                self._note_rewrite(room, name, part)

    def _log(self, room: Room, name: str, rows: dict[str, Any], clock_ms: int) -> None:
        items = iter(rows.items())
        while some := dict(islice(items, ENTRY_ITEMS)):
            self._rows.extend((RowsEntry(room.room_id, room.born_ms, name, some),), clock_ms)

    def _note_rewrite(self, room: Room, name: str, part: Part) -> None:
        if part.rewrite_ms is None and part.written_ms:
            part.rewrite_ms = next(iter(part.written_ms.values())) + self.horizon_ms // 2
            heappush(self._rewrites, (part.rewrite_ms, room.room_id, name))

    def records(self, room: Room) -> Iterator[tuple[bytes, bytes]]:
        """Yields the records of a room's mechanics that changed since the last call."""
        if room.engaged is None:
            return
        for name, part in room.engaged.parts.items():
            if part.changed:
                part.changed, part.is_saved = False, True
                yield mechanic_key(room.room_id, name), frame((part.mechanic.FORMAT, part.mechanic.saved()))

    def cut_rows(self, rooms: Mapping[str, Room], clock_ms: int) -> list[tuple[bytes, bytes | None]]:
        """Returns the records of the change log, behind `log_rows` of all rooms that changed."""
        rewrites = self._rewrites
        while rewrites and rewrites[0][0] <= clock_ms:
            rewrite_ms, room_id, name = heappop(rewrites)
            room = rooms.get(room_id)
            part = None if room is None or room.engaged is None else room.engaged.parts.get(name)
            if room is None or part is None or part.rewrite_ms != rewrite_ms:
                continue
            self._log(room, name, part.take_old_rows(clock_ms - self.horizon_ms // 2, clock_ms), clock_ms)
            part.rewrite_ms = None
            self._note_rewrite(room, name, part)
        return self._rows.cut(clock_ms - self.horizon_ms)

    # -- restore -------------------------------------------------------------------------------------------------------
    def load(self, key: bytes, value: bytes | None) -> None:
        """Take one record of a mechanic, in log order: the last value of a key holds."""
        if value is None:
            self._loaded.pop(key, None)
        else:
            self._loaded[key] = value

    def give_to(self, rooms: Mapping[str, Room], installed: Installed) -> Iterator[None]:
        """Give the rooms their mechanics, in steps.

        Raises:
            CorruptCheckpointError: a record cannot be read, or is of a mechanic that is not installed: without it the
                next cut would lose what it knows.
        """
        rows: dict[tuple[str, str], dict[str, tuple[msgspec.Raw, int]]] = {}
        for entries in self._rows.loaded():
            _, written_ms = self._rows.sealed[-1]
            for entry in entries:
                room = rooms.get(entry.room_id)
                if room is not None and room.born_ms == entry.born_ms:
                    of_part = rows.setdefault((entry.room_id, entry.name), {})
                    for key, row in entry.rows.items():
                        of_part.pop(key, None)
                        of_part[key] = row, written_ms
            yield
        for count, record in enumerate(sorted(self._loaded), 1):
            room_id, name = record[len(KIND) :].decode().split("|")
            if (room := rooms.get(room_id)) is None:
                raise CorruptCheckpointError(f"checkpoint record {record!r} is of a room without a head")
            self._give(room, installed, record, rows.pop((room_id, name), {}))
            if count % PARTS_IN_A_STEP == 0:
                yield
        heapify(self._rewrites)

    def _give(self, room: Room, installed: Installed, record: bytes, rows: dict[str, tuple[msgspec.Raw, int]]) -> None:
        name = record.rpartition(b"|")[2].decode()
        fold = installed.of_name.get(name)
        if fold is None:
            raise CorruptCheckpointError(
                f"checkpoint record {record!r} is of a mechanic that this Snapup does not know"
            )
        saved_format, saved = unframe(record, self._loaded.pop(record), installed.saved_decoder(name))
        if saved_format > fold.FORMAT:
            raise CorruptCheckpointError(
                f"checkpoint record {record!r} has format {saved_format} of {name}, this Snapup reads {fold.FORMAT}"
            )
        if room.engaged is None:
            room.engaged = Engaged(room, installed)
        part = room.engaged.meet(name)
        found: dict[str, Any] = {}
        for row_key, (encoded, written_ms) in rows.items():
            row = installed.row_of(name, encoded)
            if row is not None:
                found[row_key] = row
                part.written_ms[row_key] = written_ms
        part.mechanic.restore(saved, found)
        part.is_saved = True
        room.engaged.note_due(name, part)
        self._note_rewrite(room, name, part)
