"""From the records of a partition's checkpoint back to its rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stream.core.orders import is_suspect
from stream.core.saved.heads import memory_of, room_of
from stream.core.saved.mechanics import MechanicRecords
from stream.core.saved.members import SKETCH, restore_members
from stream.core.saved.rows import restore_carts, restore_order, restore_windows
from stream.core.standing import STANDINGS, STANDS_BY
from stream.core.suspicion import find_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.core.memory import Memory, Shared
    from stream.core.order_state import OrderState
    from stream.core.room import Room
    from stream.core.rules import Rules
    from stream.core.saved.changelog import ChangeLog
    from stream.core.saved.entries import CartEntry, ChangeLogs, IdsEntry, OrderEntry, PresenceEntry, WindowEntry
    from stream.core.saved.generations import Generations

_BYTES_OF_KIND = 2  # "r|", "b|", ...
# Heads or blocks of members, and orders: some milliseconds.
ROOMS_IN_A_STEP = 100
ORDERS_IN_A_STEP = 5_000


class SavedRooms:
    """Collects records in log order, the last value of a key holds; then makes the rooms.

    `mechanics`: how these are saved and restored.
    """

    def __init__(self, logs: ChangeLogs) -> None:
        self._logs = logs
        self.mechanics = MechanicRecords(logs.rows)
        self._change_logs: dict[bytes, ChangeLog[Any]] = {
            log.prefix: log for log in (logs.windows, logs.ids, logs.orders, logs.presence, logs.carts, logs.rows)
        }
        self._heads: dict[bytes, bytes] = {}
        self._memories: dict[bytes, bytes] = {}
        self._blocks: dict[bytes, bytes] = {}

    def load(self, key: bytes, value: bytes | None) -> None:
        """Take one record; None is a tombstone."""
        kind = key[:_BYTES_OF_KIND]
        if kind == b"r|":
            _put(self._heads, key, value)
        elif kind == b"k|":
            _put(self._memories, key, value)
        elif kind in (b"b|", b"q|"):
            _put(self._blocks, key, value)
        elif (log := self._change_logs.get(kind)) is not None:
            log.load(key, value)
        elif kind == b"m|":
            self.mechanics.load(key, value)

    def give_to(
        self,
        rooms: dict[str, Room],
        dormant: dict[str, Memory],
        rules: Rules,
        shared: Shared,
        generations: Generations,
        orders_since_ms: int,
    ) -> Iterator[None]:
        """Make the rooms as of the clock in `shared`, in steps; nothing is kept here.

        Orders that have not changed since `orders_since_ms` are forgotten.

        A step is a few milliseconds: a partition with a million orders takes seconds, in which others are folded.

        Raises CorruptCheckpointError when a record cannot be read.
        """
        for count, key in enumerate(sorted(self._heads), 1):
            room = room_of(key, self._heads.pop(key), rules, shared)
            rooms[room.room_id] = room
            if count % ROOMS_IN_A_STEP == 0:
                yield
        for count, key in enumerate(sorted(self._memories), 1):
            memory = memory_of(key, self._memories.pop(key), rules, shared)
            dormant[memory.room_id] = memory
            if count % ROOMS_IN_A_STEP == 0:
                yield
        known: dict[str, Memory] = {**dormant, **rooms}
        yield from self._give_members(rooms)
        yield from self._give_changes(rooms, known, orders_since_ms)
        yield from self._give_ids(known, generations, shared.clock_ms)
        yield from self.mechanics.give_to(rooms, shared.installed)
        for memory in dormant.values():
            yield from finish_memory(memory)
        for room in rooms.values():
            yield from finish_restore(room, shared.clock_ms)

    def _give_members(self, rooms: dict[str, Room]) -> Iterator[None]:
        def place(key: bytes) -> tuple[bytes, int]:
            prefix, _, block = key.rpartition(b"|")
            return prefix, -1 if block == SKETCH else int(block)

        for count, key in enumerate(sorted(self._blocks, key=place), 1):
            room = rooms.get(key.split(b"|", 2)[1].decode())
            if room is not None:
                restore_members(room, key, self._blocks[key])
            if count % ROOMS_IN_A_STEP == 0:
                yield
        self._blocks = {}

    def _give_changes(self, rooms: dict[str, Room], known: dict[str, Memory], orders_since_ms: int) -> Iterator[None]:
        for window_entries in self._logs.windows.loaded():
            for window_entry in window_entries:
                if room := _room_about(rooms, window_entry):
                    restore_windows(room, window_entry)
            yield
        # A segment is forgotten when all of it is old: what the owner before us had forgotten may still lie in one.
        for order_entries in self._logs.orders.loaded():
            for order_entry in order_entries:
                if order_entry.changed_ms >= orders_since_ms and (memory := _memory_about(known, order_entry)):
                    restore_order(memory, order_entry)
            yield
        for presence_entries in self._logs.presence.loaded():
            for presence_entry in presence_entries:
                if room := _room_about(rooms, presence_entry):
                    room.presence.restore(presence_entry.sessions)
            yield
        yield from self._give_carts(rooms)

    def _give_carts(self, rooms: dict[str, Room]) -> Iterator[None]:
        for cart_entries in self._logs.carts.loaded():
            for cart_entry in cart_entries:
                if room := _room_about(rooms, cart_entry):
                    restore_carts(room, cart_entry)
            yield

    def _give_ids(self, known: dict[str, Memory], generations: Generations, clock_ms: int) -> Iterator[None]:
        entries: list[IdsEntry] = []
        for some in self._logs.ids.loaded():
            entries += some
            yield
        generations.restored(entries, clock_ms)
        present = generations.present
        for count, entry in enumerate(entries, 1):
            if count % ROOMS_IN_A_STEP == 0:
                yield
            room = _memory_about(known, entry)
            if room is None:
                continue
            room.ids.restore(entry, present)


def _room_about(rooms: dict[str, Room], entry: WindowEntry | PresenceEntry | CartEntry) -> Room | None:
    """The room that an entry is about; None when that session of it has ended."""
    room = rooms.get(entry.room_id)
    return room if room is not None and room.born_ms == entry.born_ms else None


def _memory_about(known: dict[str, Memory], entry: IdsEntry | OrderEntry) -> Memory | None:
    """What is known of the room that an entry is about; None when that was forgotten meanwhile."""
    memory = known.get(entry.room_id)
    return memory if memory is not None and memory.known_ms == entry.born_ms else None


def _put(records: dict[bytes, bytes], key: bytes, value: bytes | None) -> None:
    if value is None:
        records.pop(key, None)
    else:
        records[key] = value


# -- what is derived ---------------------------------------------------------------------------------------------------
def finish_restore(room: Room, clock_ms: int) -> Iterator[None]:
    """Everything that is derived, in steps: totals of windows, people of ledgers, unpaid orders, open sessions."""
    yield from finish_memory(room)
    bucket = clock_ms // 1_000
    for ledger in room.ledgers.values():
        ledger.carters_with_order = sum(1 for user_id in ledger.users if user_id in ledger.carters)
        if ledger.carts is not None:
            ledger.carts.restored(clock_ms)
        yield
    if room.cart_people is not None:
        room.cart_people.sweep()
        room.cart_people.sweep_holders()
    for audience in room.audiences:
        audience.keep_sample()
        audience.advance(bucket)
        audience.rebuild()
        audience.changed.clear()
        yield
    for tally in room.tallies():
        tally.advance(bucket)
        tally.recount()
    room.presence.rebuild()
    room.presence.advance(clock_ms)
    if room.suspects is not None:
        room.unseen.restore()
    yield


def finish_memory(memory: Memory) -> Iterator[None]:
    """What is derived of a room that is known: people of ledgers, unpaid orders."""
    unpaid = memory.unpaid
    for count, order in enumerate(memory.orders.values(), 1):
        is_unpaid = STANDINGS[order.mask & STANDS_BY].unpaid
        if memory.suspects is None and is_unpaid and order.user_id not in memory.strangers:
            unpaid[order.user_id] = unpaid.get(order.user_id, 0) + 1
        if count % ORDERS_IN_A_STEP == 0:
            yield
    for count, order in enumerate(memory.orders.values(), 1):
        _give_back_units(memory, order)
        if count % ORDERS_IN_A_STEP == 0:
            yield
    if memory.suspects is not None:
        yield from find_all(memory, memory.suspects)
    memory.ids.restored()


def _give_back_units(room: Memory, order: OrderState) -> None:
    _, _, _, held, sold, _, _ = STANDINGS[order.mask & STANDS_BY]
    if not (held or sold):
        return
    is_known = order.user_id not in room.strangers
    suspect = is_known and is_suspect(room, order)
    for sale_id, sku_id, quantity in order.lines:
        ledger = room.find((sale_id, sku_id))
        if ledger is not None:
            if is_known:
                ledger.add_units(order.user_id, held * quantity, sold * quantity)
                ledger.suspect_held += suspect * held * quantity
            ledger.owe(held * quantity, order.hold_until_ms)
