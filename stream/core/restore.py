"""From the records of a partition's checkpoint back to its rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.core import roomstate

if TYPE_CHECKING:
    from stream.core.changelog import ChangeLogs, IdsEntry, OrderEntry, PresenceEntry, WindowEntry
    from stream.core.generations import Generations
    from stream.core.room import Room, Shared
    from stream.core.rules import Rules

_BYTES_OF_KIND = 2  # "r|", "b|", ...


class SavedRooms:
    """Collects records in log order, the last value of a key holds; then makes the rooms."""

    def __init__(self, logs: ChangeLogs) -> None:
        self._logs = logs
        self._heads: dict[bytes, bytes] = {}
        self._blocks: dict[bytes, bytes] = {}

    def load(self, key: bytes, value: bytes | None) -> None:
        """Take one record; None is a tombstone."""
        kind = key[:_BYTES_OF_KIND]
        if kind == b"r|":
            _put(self._heads, key, value)
        elif kind == b"b|":
            _put(self._blocks, key, value)
        elif kind == b"d|":
            self._logs.windows.load(key, value)
        elif kind == b"i|":
            self._logs.ids.load(key, value)
        elif kind == b"o|":
            self._logs.orders.load(key, value)
        elif kind == b"p|":
            self._logs.presence.load(key, value)

    def rooms(self, rules: Rules, shared: Shared, generations: Generations) -> dict[str, Room]:
        """The rooms as of the clock in `shared`, and nothing is kept here.

        Raises CorruptCheckpointError when a record cannot be read.
        """
        rooms: dict[str, Room] = {}
        for key in sorted(self._heads):
            room = roomstate.room_of(key, self._heads.pop(key), rules, shared)
            rooms[room.room_id] = room
        self._give_members(rooms)
        self._give_changes(rooms, oldest_order_ms=shared.clock_ms - rules.remember_orders_ms)
        self._give_ids(rooms, generations, shared.clock_ms)
        for room in rooms.values():
            roomstate.finish_restore(room, shared.clock_ms)
        return rooms

    def _give_members(self, rooms: dict[str, Room]) -> None:
        def place(key: bytes) -> tuple[bytes, int]:
            prefix, _, block = key.rpartition(b"|")
            return prefix, -1 if block == roomstate.SKETCH else int(block)

        for key in sorted(self._blocks, key=place):
            room = rooms.get(key.split(b"|", 2)[1].decode())
            if room is not None:
                roomstate.restore_members(room, key, self._blocks[key])
        self._blocks = {}

    def _give_changes(self, rooms: dict[str, Room], oldest_order_ms: int) -> None:
        for window_entry in self._logs.windows.loaded():
            if room := _room_of(rooms, window_entry):
                roomstate.restore_windows(room, window_entry)
        # A segment is forgotten when all of it is old: what the owner before us had forgotten may still lie in one.
        for order_entry in self._logs.orders.loaded():
            if order_entry.changed_ms >= oldest_order_ms and (room := _room_of(rooms, order_entry)):
                roomstate.restore_order(room, order_entry)
        for presence_entry in self._logs.presence.loaded():
            if room := _room_of(rooms, presence_entry):
                room.presence.restore(presence_entry.sessions)

    def _give_ids(self, rooms: dict[str, Room], generations: Generations, clock_ms: int) -> None:
        entries = list(self._logs.ids.loaded())
        generations.restored(entries, clock_ms)
        present = generations.present
        for entry in entries:
            room = _room_of(rooms, entry)
            if room is None:
                continue
            room.ids_generation = present
            if entry.generation == present:
                room.ids.update(entry.ids)
            elif entry.generation == present - 1:
                room.ids_previous.update(entry.ids)


def _room_of(rooms: dict[str, Room], entry: WindowEntry | IdsEntry | OrderEntry | PresenceEntry) -> Room | None:
    """The room that an entry is about; None when that session of it has ended."""
    room = rooms.get(entry.room_id)
    return room if room is not None and room.born_ms == entry.born_ms else None


def _put(records: dict[bytes, bytes], key: bytes, value: bytes | None) -> None:
    if value is None:
        records.pop(key, None)
    else:
        records[key] = value
