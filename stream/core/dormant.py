"""Rooms between two sessions: what each still knows, and what of a partition rises from session to session.

A room is known until nothing was heard of it for `remember_sales_ms` and no order of it is remembered. Beyond the bound
on rooms the longest silent ones go first. Nothing that a later session shows depends on when this file forgets: a room
that wakes forgets what is too old by then.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

import msgspec

from stream.core.orders import forget_orders, release_hold
from stream.core.saved.frames import frame, unframe
from stream.core.saved.heads import memory_key, memory_record
from stream.core.saved.rows import log_ids, order_entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.core.counters import Counters
    from stream.core.memory import Memory
    from stream.core.rules import Rules
    from stream.core.saved.entries import ChangeLogs
    from stream.core.saved.generations import Generations

RISING_KEY = b"v|"
# What is over is looked for so often in each room; all of it is small.
LOOK_MS = 3_600_000
_decoder = msgspec.msgpack.Decoder(tuple[int, int, bool])


class Rising:
    """What no session of a partition may fall below, though the room that it is of is forgotten.

    Attributes:
        rev: greatest revision of a session that has ended; 0: none has.
        saved_rev: the same as of the last cut. A replay knows no other.
        born_ms: greatest beginning of one: the next begins later, so no two are taken for the same.
        lost: rooms were forgotten, so one that is new here may have been here before.
    """

    def __init__(self) -> None:
        self.rev = self.saved_rev = 0
        self.born_ms = -1
        self.lost = False
        self._saved = self.state()

    def state(self) -> tuple[int, int, bool]:
        """All there is to it, as of the last cut."""
        return self.saved_rev, self.born_ms, self.lost

    def begin(self, state: tuple[int, int, bool]) -> None:
        """Go on from what `state` gave."""
        self.saved_rev, self.born_ms, self.lost = self._saved = state
        self.rev = self.saved_rev

    def ended(self, rev: int, born_ms: int) -> None:
        """A session has ended whose last document has this revision."""
        self.rev, self.born_ms = max(self.rev, rev), max(self.born_ms, born_ms)

    def saved(self, rev: int) -> None:
        """The same, as of a cut."""
        self.saved_rev = max(self.saved_rev, rev)
        self.rev = max(self.rev, rev)

    def record(self) -> Iterator[tuple[bytes, bytes]]:
        """Its state, if that has changed since the last call."""
        if self.state() != self._saved:
            self._saved = self.state()
            yield RISING_KEY, frame(self._saved)

    def load(self, value: bytes | None) -> None:
        """Take the record of a checkpoint. Raises CorruptCheckpointError when it cannot be read."""
        if value is not None:
            self.begin(unframe(RISING_KEY, value, _decoder))


class Dormant:
    """The rooms of one partition in which nothing goes on.

    Attributes:
        rooms: by room id.
        unsaved: of these, those that changed since the last cut.
        gone: rooms that are dormant no more, and may have been when they were saved last.
    """

    def __init__(self, rules: Rules, generations: Generations, counters: Counters, rising: Rising) -> None:
        self.rooms: dict[str, Memory] = {}
        self.unsaved: dict[str, Memory] = {}
        self.gone: dict[str, None] = {}
        self._rules = rules
        self._generations = generations
        self._counters = counters
        self._rising = rising
        self._with_orders: dict[str, Memory] = {}
        self._looks: list[tuple[int, str]] = []  # heap of (when to look through it, room id)

    def add(self, memory: Memory, clock_ms: int) -> None:
        """A session has ended."""
        room_id = memory.room_id
        self.rooms[room_id] = self.unsaved[room_id] = memory
        if memory.orders:
            self._with_orders[room_id] = memory
        heappush(self._looks, (clock_ms + LOOK_MS, room_id))

    def restored(self, clock_ms: int) -> None:
        """All of them came back from a checkpoint."""
        self._with_orders = {room_id: memory for room_id, memory in self.rooms.items() if memory.orders}
        self._looks = [(clock_ms + LOOK_MS, room_id) for room_id in self.rooms]
        heapify(self._looks)

    def take(self, room_id: str, clock_ms: int) -> Memory | None:
        """What a room that begins a session still knows; None if it is not known."""
        memory = self.known(room_id, clock_ms)
        if memory is not None:
            self._remove(room_id)
            self._bring_to(memory, clock_ms)
        return memory

    def known(self, room_id: str, clock_ms: int) -> Memory | None:
        """What a room still knows of orders and event ids; None if it is not known, or if something goes on in it."""
        memory = self.rooms.get(room_id)
        if memory is None or not self._is_over(memory, clock_ms):
            return memory
        self._remove(room_id)
        self._rising.lost = True
        return None

    def get(self, room_id: str) -> Memory | None:
        """What a room knows; None if it is not known, or if something goes on in it."""
        return self.rooms.get(room_id)

    def expire_hold(self, room_id: str, order_id: str, until_ms: int) -> bool:
        """A hold has run out. Returns whether that changed anything."""
        memory = self.rooms.get(room_id)
        if memory is None or not release_hold(memory, order_id, until_ms):
            return False
        self.unsaved[room_id] = memory
        return True

    def with_orders(self) -> list[Memory]:
        """Those that remember orders."""
        return list(self._with_orders.values())

    def evict(self, count: int) -> int:
        """Forget so many, those first that have been silent for longest. Returns how many there were."""
        known = sorted((memory.touched_ms, room_id) for room_id, memory in self.rooms.items())
        for _, room_id in known[:count]:
            self._remove(room_id)
            self._rising.lost = True
        self._counters.rooms_displaced += len(known[:count])
        return len(known[:count])

    def look_through(self, clock_ms: int) -> None:
        """Forget what is over, in the rooms whose turn it is."""
        looks = self._looks
        while looks and looks[0][0] <= clock_ms:
            _, room_id = heappop(looks)
            memory = self.rooms.get(room_id)
            if memory is None:
                continue
            if self.known(room_id, clock_ms) is None:
                self._counters.rooms_forgotten += 1
                continue
            self._bring_to(memory, clock_ms)
            if not memory.orders:
                self._with_orders.pop(room_id, None)
            heappush(looks, (clock_ms + LOOK_MS, room_id))

    def _is_over(self, memory: Memory, clock_ms: int) -> bool:
        """Whether nothing of it is to be known any more: no order is remembered, and it was silent for too long."""
        self._counters.orders_forgotten += forget_orders(memory, clock_ms - self._rules.remember_orders_ms)
        return not memory.orders and memory.touched_ms < clock_ms - self._rules.remember_sales_ms

    def _bring_to(self, memory: Memory, clock_ms: int) -> None:
        """Forget event ids and sales whose time is over."""
        present = self._generations.present
        if memory.ids.generation != present and not memory.ids.new:
            self._counters.ids_forgotten += memory.ids.begin_generation(present)
        memory.forget_sales(clock_ms)

    # -- checkpoint ----------------------------------------------------------------------------------------------------
    def records(self, logs: ChangeLogs, clock_ms: int) -> Iterator[tuple[bytes, bytes | None]]:
        """What changed since the last call; first, what is over is forgotten."""
        self.look_through(clock_ms)
        for room_id in self.gone:
            if room_id not in self.rooms:
                yield memory_key(room_id), None
        self.gone = {}
        for room_id in sorted(self.unsaved):
            memory = self.unsaved[room_id]
            log_ids(memory, logs)
            logs.orders.extend(order_entries(memory), clock_ms)
            yield memory_record(memory)
        self.unsaved = {}

    def _remove(self, room_id: str) -> None:
        del self.rooms[room_id]
        self.unsaved.pop(room_id, None)
        self._with_orders.pop(room_id, None)
        self.gone[room_id] = None
