"""How the rooms of a partition come and go: sessions begin and end, and what is known of a room stays or is forgotten.

The caller folds. A room in `rooms` has a session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.contract.events import RoomClosed, RoomOpened
from stream.core.conflicts import note_conflicts, said_between
from stream.core.dormant import Dormant, Rising
from stream.core.ended import Ended
from stream.core.folds import settle
from stream.core.room import Room
from stream.core.saved.generations import Generations
from stream.core.saved.rows import log_ids
from stream.core.time import effective_time_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stream.contract.decode import Record
    from stream.contract.events import RoomEvent
    from stream.contract.overlay import EndedBy
    from stream.core.conflicts import Noted, Outcome
    from stream.core.counters import Counters
    from stream.core.histories import Histories
    from stream.core.memory import Memory, Shared
    from stream.core.publishing import Publishing
    from stream.core.rules import Rules
    from stream.core.saved.entries import ChangeLogs
    from stream.core.timers import Timers


class Lifecycle:
    """Of one partition.

    Attributes:
        unsaved: rooms that changed since the last cut.
        touched: rooms of which records are in the piece that is being folded.
        generations: of remembered event ids.
        rising: what no session may fall below.
        dormant: rooms between two sessions.
        ended: sessions that have ended.
    """

    def __init__(
        self,
        rules: Rules,
        shared: Shared,
        rooms: dict[str, Room],
        counters: Counters,
        publishing: Publishing,
        timers: Timers,
        logs: ChangeLogs,
        histories: Histories,
    ) -> None:
        self.unsaved: dict[str, Room] = {}
        self.touched: dict[str, Room] = {}
        self.generations = Generations(rules)
        self.rising = Rising()
        self.dormant = Dormant(rules, self.generations, counters, self.rising)
        self.ended = Ended(rules, counters, self.rising)
        self._rules = rules
        self._shared = shared
        self._rooms = rooms
        self._counters = counters
        self._publishing = publishing
        self._timers = timers
        self._logs = logs
        self._histories = histories

    def begin(self, room_id: str, positions: Sequence[int]) -> Room:
        """Returns a new session of a room. Sessions of other rooms end if the bound on rooms is reached."""
        clock_ms, rising = self._shared.clock_ms, self.rising
        memory = self.dormant.take(room_id, clock_ms)
        if len(self._rooms) + len(self.dormant.rooms) >= self._rules.rooms_max:
            self._make_room(positions)
        # Later than any that has ended: entries of the change logs tell sessions apart by this.
        room = Room(room_id, self._rules, self._shared, max(clock_ms, rising.born_ms + 1))
        room.touched_ms = clock_ms
        room.rev, room.rev_saved, room.later = rising.rev, rising.saved_rev, rising.lost
        if memory is None:
            room.ids.generation, room.lost = self.generations.present, rising.lost
        else:
            room.begin_with(memory, clock_ms)
        self._rooms[room_id] = room
        self._timers.began(room)
        self._histories.began(room)
        return room

    def touch(self, room_id: str, positions: Sequence[int]) -> Room:
        """Returns a room of the piece that is folded: made if it is not there, and brought to the clock once."""
        room = self.touched.get(room_id)
        if room is not None:
            return room
        room = self._rooms.get(room_id) or self.begin(room_id, positions)
        self.turn_ids(room)
        room.touched_ms = self._shared.clock_ms
        self._counters.orders_forgotten += settle(room, room.touched_ms)
        self.touched[room_id] = room
        return room

    def fold_word(
        self,
        topic_index: int,
        record: Record,
        event: RoomOpened | RoomClosed,
        positions: Sequence[int],
        noted: list[Noted],
    ) -> None:
        """A host begins a show or ends one, and so a session: see `docs/contract.md`.

        Args:
            topic_index: where the record lies.
            record: the record.
            event: what it says.
            positions: where the fold stood when it began with this piece.
            noted: takes what contradicts it.
        """
        self.generations.ids += 1
        room = self._rooms.get(event.room_id)
        goes_on = room is not None and room.show_id == event.show_id
        if isinstance(event, RoomClosed) != goes_on or self.is_known(event):
            self._counters.duplicate[topic_index] += 1  # it says nothing new
            return
        here = [*positions]
        if room is not None and isinstance(event, RoomOpened):
            here[topic_index] = record.offset
            self.end(room, "word", here)
        room = self.touch(event.room_id, positions)
        room.note(topic_index, record.offset, record.timestamp)
        room.remember(event)
        note_conflicts(self._shared, self._counters, noted, topic_index, [record], [event])
        room.show_id = event.show_id
        if isinstance(event, RoomClosed):
            here[topic_index] = record.offset + 1
            self.end(room, "word", here)
        at_ms = effective_time_ms(event.event_time_ms, record.timestamp, self._rules.allowed_lateness_ms)
        self._counters.applied[topic_index] += 1
        self._counters.retimed += at_ms != event.event_time_ms

    def _make_room(self, positions: Sequence[int]) -> None:
        """Drop a hundredth of the rooms, because the bound on rooms is reached. One search then serves many new rooms.

        Dormant rooms go first, then those that have been silent for longest. A room of the piece that is being folded
        never goes: the result would depend on the order in which the piece is gone through.
        """
        rooms = len(self._rooms) + len(self.dormant.rooms)
        count = rooms - self._rules.rooms_max + max(1, rooms // 100)
        count -= self.dormant.evict(count)
        silent = [room for room in self._rooms.values() if room.room_id not in self.touched]
        silent.sort(key=lambda room: (room.touched_ms, room.room_id))
        for room in silent[: max(0, count)]:
            self.end(room, "bound", positions)
            self._counters.rooms_evicted += 1

    def end(self, room: Room, ended_by: EndedBy, positions: Sequence[int]) -> None:
        """End a session. What the room knows stays, unless the bound on rooms ended it."""
        self._histories.ended(room)
        del self._rooms[room.room_id]
        self.unsaved.pop(room.room_id, None)
        self.touched.pop(room.room_id, None)
        self._timers.ended(room)
        self._keep(room, ended_by, positions)
        room.let_go()

    def _keep(self, room: Room, ended_by: EndedBy, positions: Sequence[int]) -> None:
        """What stays of a session that ends now."""
        if not self._rules.remembers_rooms:
            self.ended.add(room, None)
            return
        self.ended.add(room, self._publishing.last(room, ended_by, positions))
        if ended_by == "bound":
            self.rising.lost = True
            self._counters.rooms_displaced += 1
        else:
            self._counters.rooms_closed += ended_by == "word"
            self.dormant.add(room.memory(), self._shared.clock_ms)

    def memories(self) -> Iterator[Memory]:
        """Yields what is known of every room, with a session or without."""
        yield from self._rooms.values()
        yield from self.dormant.rooms.values()

    # -- event ids -----------------------------------------------------------------------------------------------------
    def turn_ids(self, memory: Memory) -> None:
        """Event ids are remembered in the present generation from here on."""
        if memory.ids.generation != self.generations.present:
            log_ids(memory, self._logs)
            self._counters.ids_forgotten += memory.ids.begin_generation(self.generations.present)

    def between(self, event: RoomEvent) -> tuple[Memory, Outcome] | None:
        """What becomes of a record between two sessions of its room that begins none; None: of any other record."""
        room_id = event.room_id
        if room_id in self._rooms or (memory := self.dormant.known(room_id, self._shared.clock_ms)) is None:
            return None
        self.turn_ids(memory)
        outcome = said_between(memory, event)
        if outcome is None:
            return None
        self.dormant.unsaved[room_id] = memory
        return memory, outcome

    def is_known(self, event: RoomOpened | RoomClosed) -> bool:
        """Whether this very record was folded before. If so, it is remembered anew."""
        room_id = event.room_id
        memory = self._rooms.get(room_id) or self.dormant.get(room_id)
        if memory is None:
            return False
        self.turn_ids(memory)
        if not memory.ids.knows(event):
            return False
        memory.ids.renew(event)
        if room_id not in self._rooms:
            self.dormant.unsaved[room_id] = memory
        return True
