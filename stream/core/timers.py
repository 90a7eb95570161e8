"""What the clock alone does to the rooms of a partition, and the next moment at which it does something.

Three kinds of timers: holds that run out, sessions that are over by their silence, and levels of urgency, which move on
whole seconds. Only rooms with a sale in which something happened lately are looked at each second; the others sleep
until the next start or end of a sale. So rooms without sales, and ended sales, cost nothing.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from stream.core.sale import awake_ms, move_urgencies, next_status_ms
from stream.core.time import BUCKET_MS, NEVER_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.core.memory import Shared
    from stream.core.room import Room
    from stream.core.rules import Rules


class Timers:
    """The timers of one partition's rooms. An entry of a heap is valid while its room names the same moment."""

    def __init__(self, rooms: dict[str, Room], rules: Rules, shared: Shared) -> None:
        self._rooms = rooms
        self._shared = shared
        self._awake_ms = awake_ms(rules)
        self._looks_at_all = rules.second_signals
        self._idle_ms = rules.room_idle_ms
        self._show_idle_ms = max(rules.show_idle_ms, rules.room_idle_ms)
        self._awake: dict[str, Room] = {}
        self._alarms: list[tuple[int, str]] = []  # heap of (when the status of a sale changes, room id)
        self._silences: list[tuple[int, str]] = []  # heap of (when the session may be over, room id)

    def next_ms(self) -> int:
        """Returns the next moment at which time alone changes something."""
        holds, silences = self._shared.holds, self._silences
        moment_ms = holds[0][0] if holds else NEVER_MS
        if silences and silences[0][0] < moment_ms:
            moment_ms = silences[0][0]
        dues = self._shared.dues
        if dues and dues[0][0] < moment_ms:
            moment_ms = dues[0][0]
        return min(moment_ms, self._next_second_ms())

    def _next_second_ms(self) -> int:
        after_ms = (self._shared.clock_ms // BUCKET_MS + 1) * BUCKET_MS
        if self._awake:
            return after_ms
        if self._alarms:
            return max(after_ms, (self._alarms[0][0] // BUCKET_MS + 1) * BUCKET_MS)
        return NEVER_MS

    # -- rooms come and go ---------------------------------------------------------------------------------------------
    def began(self, room: Room) -> None:
        """A room began."""
        room.over_ms = self._over_ms(room)
        heappush(self._silences, (room.over_ms, room.room_id))

    def _over_ms(self, room: Room) -> int:
        """Returns when the session ends if nothing comes. A show that a host has opened may be silent for longer."""
        return room.touched_ms + (self._idle_ms if room.show_id is None else self._show_idle_ms) + 1

    def wake(self, room: Room) -> None:
        """Something happened in a room with a sale: its levels may move."""
        room.awake_until_ms = max(self._shared.clock_ms, room.last_append_ms) + self._awake_ms
        self._awake[room.room_id] = room

    def ended(self, room: Room) -> None:
        """A room is gone."""
        self._awake.pop(room.room_id, None)

    def restored(self) -> None:
        """All rooms came back from a checkpoint; the clock stands where it was saved."""
        second_ms = self._shared.clock_ms // BUCKET_MS * BUCKET_MS
        for room in self._rooms.values():
            room.over_ms = self._over_ms(room)
            self._silences.append((room.over_ms, room.room_id))
            if not room.ledgers:
                continue
            if self._looks_at_all:  # levels may be those of the first edition
                self._awake[room.room_id] = room
            elif room.awake_until_ms < 0:  # saved by a version that did not know
                self.wake(room)
            elif room.awake_until_ms >= second_ms:
                self._awake[room.room_id] = room
            else:
                self._sleep(room, second_ms)
        heapify(self._silences)

    def elapsed(self) -> Iterator[Room]:
        """Let mechanics know that their time has come, in the order of their moments. Yields rooms that changed."""
        dues, clock_ms = self._shared.dues, self._shared.clock_ms
        while dues and dues[0][0] <= clock_ms:
            due_ms, room_id, name = heappop(dues)
            room = self._rooms.get(room_id)
            if room is not None and room.engaged is not None and room.engaged.elapse(name, due_ms):
                yield room

    # -- what has happened by the clock as it stands -------------------------------------------------------------------
    def over(self) -> Iterator[Room]:
        """Yields rooms that have been silent for too long; the caller ends them."""
        silences, clock_ms = self._silences, self._shared.clock_ms
        while silences and silences[0][0] <= clock_ms:
            moment_ms, room_id = heappop(silences)
            room = self._rooms.get(room_id)
            if room is None or room.over_ms != moment_ms:
                continue
            room.over_ms = self._over_ms(room)
            if room.over_ms <= clock_ms:
                yield room
            else:
                heappush(silences, (room.over_ms, room_id))

    def moved(self) -> Iterator[Room]:
        """Yields, on a whole second, the rooms in which a level moved in the second before."""
        clock_ms = self._shared.clock_ms
        if clock_ms % BUCKET_MS:
            return
        alarms = self._alarms
        while alarms and alarms[0][0] < clock_ms:
            moment_ms, room_id = heappop(alarms)
            room = self._rooms.get(room_id)
            if room is not None and room.alarm_ms == moment_ms:
                self._awake[room_id] = room
        for room in list(self._awake.values()):
            if move_urgencies(room, clock_ms - BUCKET_MS):
                yield room
            if room.awake_until_ms < clock_ms:
                del self._awake[room.room_id]
                self._sleep(room, clock_ms)

    def _sleep(self, room: Room, second_ms: int) -> None:
        alarm_ms = next_status_ms(room, second_ms - 1)
        if alarm_ms is not None and alarm_ms != room.alarm_ms:
            room.alarm_ms = alarm_ms
            heappush(self._alarms, (alarm_ms, room.room_id))
