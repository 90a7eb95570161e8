"""One partition: everything pure that a worker does with it. Slices in, overlay documents and checkpoint records out.

The caller says what time it is and in which order slices come; given the same of both, everything that comes out is the
same, to the byte. State and positions move together inside `fold`; `cut` takes both at one moment.
"""

from __future__ import annotations

from heapq import heapify, heappop
from typing import TYPE_CHECKING, ClassVar, Literal

from stream.contract.events import TOPIC_NAMES
from stream.core.bounds import bounds_used
from stream.core.counters import Counters
from stream.core.dormant import RISING_KEY
from stream.core.ended import LAST_KIND
from stream.core.histories import HISTORY_KIND, Histories
from stream.core.intake import Intake
from stream.core.lifecycle import Lifecycle
from stream.core.mechanic import NO_MECHANICS
from stream.core.memory import Shared
from stream.core.orders import expire_hold
from stream.core.publishing import Cut, Publishing, Refused
from stream.core.saved import heads, members, rows
from stream.core.saved.entries import ChangeLogs
from stream.core.saved.forgetting import FORGETTING_KEY, Forgetting
from stream.core.saved.frames import CorruptCheckpointError
from stream.core.saved.generations import GENERATION_KEY
from stream.core.saved.growth import TOPICS_1, VERSION_1, VERSION_2, fitted
from stream.core.saved.journal import Journal
from stream.core.saved.restore import SavedRooms
from stream.core.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stream.contract.decode import Limits, Record
    from stream.contract.overlay import Overlay
    from stream.core.conflicts import Noted
    from stream.core.histories import Charted
    from stream.core.mechanic import Installed
    from stream.core.memory import Memory
    from stream.core.publishing import Published
    from stream.core.room import Room
    from stream.core.rules import Rules
    from stream.core.saved.journal import Base


class PartitionFold:
    """The rooms of one partition, and where in each input topic their state stands."""

    # After this many records, encode what the next cut needs. A cut cannot be interrupted: this keeps it short.
    early_records: ClassVar[int] = 20_000

    def __init__(
        self,
        partition: int,
        rules: Rules,
        topic_names: Sequence[str],
        limits: Limits | None = None,
        mechanics: Installed = NO_MECHANICS,
    ) -> None:
        self.partition = partition
        self.rules = rules
        self.topic_names = tuple(topic_names)
        self.positions = [0] * len(self.topic_names)
        self.version = VERSION_1
        self.rooms: dict[str, Room] = {}
        self.counters = Counters(len(self.topic_names))
        self.shared = Shared(mechanics.under(rules))
        self._publishing = Publishing(
            partition, rules, self.topic_names, self.rooms, self.positions, self.shared, self.counters
        )
        self._since_early = 0
        self._cut_positions: tuple[int, ...] = ()
        self._logs = ChangeLogs()
        self._saved = SavedRooms(self._logs)
        self._forgetting = Forgetting(rules)
        self._timers = Timers(self.rooms, rules, self.shared)
        self._histories = Histories(rules, self.shared, self.positions, TOPIC_NAMES.index("orders"))
        self._life = Lifecycle(
            rules, self.shared, self.rooms, self.counters, self._publishing, self._timers, self._logs, self._histories
        )
        self._intake = Intake(partition, rules, self.shared, self.positions, self.counters, self._life, limits)
        self._begin_journal()

    @property
    def clock_ms(self) -> int:
        """The partition's clock; −1 before anything is known."""
        return self.shared.clock_ms

    @property
    def clock_source(self) -> Literal["tick", "log"]:
        """What moved the clock last."""
        return self._publishing.clock_source

    @clock_source.setter
    def clock_source(self, source: Literal["tick", "log"]) -> None:
        self._publishing.clock_source = source

    @property
    def refused(self) -> list[Refused]:
        """Refused records since the last cut."""
        return self._intake.refused

    @property
    def refused_bytes(self) -> int:
        """How large they are."""
        return self._intake.refused_bytes

    @property
    def noted(self) -> list[Noted]:
        """The first records that contradicted what is known, since the last `take_noted`."""
        return self._intake.noted

    def take_refused(self) -> list[Refused]:
        """Returns `refused` and lets go of it."""
        return self._intake.take_refused()

    def take_noted(self) -> list[Noted]:
        """Returns `noted` and lets go of it."""
        noted, self._intake.noted = self._intake.noted, []
        return noted

    # -- fold -------------------------------------------------------------------------------------------------------
    def fold(self, topic_index: int, records: Sequence[Record], latest_ms: int | None = None) -> None:
        """Fold one contiguous piece of one topic. Total: bad records wait in `refused`, nothing raises.

        Records of a time beyond `latest_ms` are refused: their producers' clocks are wrong. None: any time may be.
        """
        if not records:
            return
        is_ahead = self._intake.fold(topic_index, records, latest_ms)
        if topic_index >= TOPICS_1 or self.shared.cart_removed or self.shared.sources_named:
            self.needs(VERSION_2)
        self.positions[topic_index] = end = records[-1].offset + 1
        self.journal.folded(topic_index, records[0].offset, end, latest_ms if is_ahead else None)
        self._note_changes()
        self._expire_holds()
        self._elapse()
        self._since_early += len(records)
        if self._since_early >= self.early_records:
            self.encode_early()

    def needs(self, version: int) -> None:
        """From the next cut on the checkpoint holds what only a Snapup that knows this version reads rightly."""
        self.version = max(self.version, version)

    def _note_changes(self) -> None:
        """The rooms of the piece just folded are to be saved, and published at their pace."""
        for room in self._life.touched.values():
            self._changed(room)
            if room.ledgers:
                self._timers.wake(room)

    def _changed(self, room: Room) -> None:
        self._life.unsaved[room.room_id] = room
        self._publishing.changed(room)
        self._histories.changed(room)

    # -- time -------------------------------------------------------------------------------------------------------
    def advance(self, clock_ms: int, source: Literal["tick", "log"], most_ends: int | None = None) -> bool:
        """Move the clock, never back: holds run out, levels move, sessions end, old event ids begin to be forgotten.

        Each at its own moment and in the order of these, so it is the same whether the clock moves in one step or in
        a hundred: only where it stands when something is folded or cut has to be known to repeat a run.

        `most_ends`: stop behind the moment at which so many sessions have ended. False: it did, and is not there yet.
        """
        self.clock_source = source
        if clock_ms <= self.shared.clock_ms:
            self.journal.clock(self.shared.clock_ms, source)
            return True
        self._life.generations.turn_by_number(self.shared.clock_ms)
        timers, ends, is_there = self._timers, 0, True
        while (moment_ms := min(timers.next_ms(), self._histories.next_ms())) <= clock_ms:
            if most_ends is not None and ends >= most_ends and moment_ms > self.shared.clock_ms:
                clock_ms, is_there = self.shared.clock_ms, False
                break
            self.shared.clock_ms = max(self.shared.clock_ms, moment_ms)
            for room in timers.moved():  # in the second that ended with this moment, so before what happens at it
                self._changed(room)
                self._histories.moved(room)
            self._expire_holds()
            self._elapse()
            self._histories.elapse()
            for room in timers.over():
                self._life.end(room, "silence", self.positions)
                self.counters.rooms_ended += 1
                ends += 1
        self.shared.clock_ms = clock_ms
        self.journal.clock(clock_ms, source)
        self._life.generations.turn_by_time(clock_ms)
        return is_there

    def _expire_holds(self) -> None:
        shared = self.shared
        holds, clock_ms = shared.holds, shared.clock_ms
        while holds and holds[0][0] <= clock_ms:
            until_ms, room_id, order_id = heappop(holds)
            room = self.rooms.get(room_id)
            if room is None:
                self.counters.holds_expired += self._life.dormant.expire_hold(room_id, order_id, until_ms)
            elif expire_hold(room, order_id, until_ms):
                self.counters.holds_expired += 1
                self._changed(room)
                if room.ledgers:
                    self._timers.wake(room)

    def _elapse(self) -> None:
        for room in self._timers.elapsed():
            self._changed(room)

    # -- publish ----------------------------------------------------------------------------------------------------
    def publish(
        self, wall_ms: int | None, epoch: int, *, everything: bool = False, limit: int | None = None
    ) -> list[Published]:
        """Returns documents of the rooms that are due, as of the clock.

        Args:
            wall_ms: now, for the pace and the published lag; None: the partition's clock is all there is (replay).
            epoch: of the owner that publishes.
            everything: all rooms, whether due or not.
            limit: at most so many documents; what is left stays due.
        """
        published = self._life.ended.take_due(epoch, limit)
        left = None if limit is None else limit - len(published)
        return published + self._publishing.publish(wall_ms, epoch, everything=everything, limit=left)

    def last_again(self, room_id: str = "") -> None:
        """Redis lacks documents: this room's is due at once; else the last ones of sessions that ended lately are."""
        self._publishing.again(room_id) or self._life.ended.due_again(self.rooms)

    def take_histories(self, limit: int | None = None) -> list[Charted]:
        """Returns histories of rooms as Redis is to hold them, of those that changed, at most so many."""
        return self._histories.take_due(limit)

    def histories_again(self, room_ids: Sequence[str] | None = None) -> None:
        """Redis lacks the histories of these rooms, or of all: they are due at once."""
        self._histories.again(room_ids)

    def histories_dropped(self) -> int:
        """Chunks of histories that found no place, since this process has the partition."""
        return self._histories.dropped

    def overlay(self, room_id: str, epoch: int = 0) -> Overlay | None:
        """One room as of the clock, for a look: no revision is used up."""
        room = self.rooms.get(room_id)
        return None if room is None else self._publishing.look(room, epoch)

    def oversold_units(self) -> int:
        """Units committed beyond what there is, over all rooms."""
        return sum(
            max(0, -available)
            for room in self.rooms.values()
            for ledger in room.ledgers.values()
            if (available := ledger.available) is not None
        )

    def remembered_ids(self) -> int:
        """Event ids in memory."""
        return sum(len(each.ids) for each in self._life.memories())

    def remembered_orders(self) -> int:
        """Orders in memory."""
        return sum(len(each.orders) for each in self._life.memories())

    def unsaved_ends(self) -> int:
        """Sessions that have ended since the last cut."""
        return len(self._life.ended.unsaved)

    def dormant_rooms(self) -> int:
        """Rooms that are known and in which nothing goes on."""
        return len(self._life.dormant.rooms)

    def bounds_used(self) -> dict[str, float]:
        """The share that is used of each bound."""
        return bounds_used(self.rules, self.rooms.values(), self.remembered_orders(), self._life.generations.ids)

    # -- checkpoint -------------------------------------------------------------------------------------------------
    def encode_early(self) -> None:
        """Encode for the next cut what has become much since the last: people of windows and event ids."""
        for room in self._life.unsaved.values():
            rows.log_people(room, self._logs, self.clock_ms)
            self._saved.mechanics.log_rows(room, self.clock_ms)
        self._since_early = 0

    def cut(self, epoch: int, revisions: Sequence[int] | None = None) -> Cut:
        """Everything that changed since the last cut, and the positions that it reflects.

        Args:
            epoch: of the owner that saves.
            revisions: in a replay, what the journal says of the documents that were published meanwhile.
        """
        records: list[tuple[bytes, bytes | None]] = []
        signals: list[Published] = []
        published: list[int] = []
        clock_ms = self.clock_ms
        # What a forgotten order had done to others is undone first, for heads must say so: the order will be gone.
        forgotten = [*self._forget_orders(clock_ms)] if self.rules.second_signals else None
        records.extend(self._life.ended.tombstones())
        signals += [self._publishing.for_log(last, epoch) for last in self._life.ended.cut(epoch, published, revisions)]
        for room_id in sorted(self._life.unsaved):
            room = self._life.unsaved[room_id]
            if revisions is not None:
                room.rev = room.rev_saved + revisions[len(published)]
            published.append(room.rev - room.rev_saved)
            signals.append(self._publishing.signal(room, epoch))
            rows.log_people(room, self._logs, clock_ms)
            rows.log_orders(room, self._logs, clock_ms)
            records.extend(members.member_records(room))
            records.append(heads.head_record(room))
            self._saved.mechanics.log_rows(room, clock_ms)
            records.extend(self._saved.mechanics.records(room))
        changed = bool(self._life.unsaved or self._life.dormant.unsaved)
        records.extend(self._life.dormant.records(self._logs, clock_ms))
        records.extend(self._life.ended.records(self.rooms, clock_ms))
        records.extend(self._life.rising.record())
        records.extend(self._histories.records())
        if self._life.rising.rev or self.shared.uses_second:
            self.needs(VERSION_2)
        if changed:
            records.extend(self._life.generations.record())
        self._life.unsaved.clear()
        self._since_early = 0
        records.extend(self._forget_orders(clock_ms) if forgotten is None else forgotten)
        self.shared.orders_bound_ms = self._forgetting.bound_ms
        records += self._logs.windows.cut(clock_ms - 1_800_000 - 2 * self.rules.allowed_lateness_ms)
        records += self._logs.ids.cut(self._life.generations.present - 1)
        records += self._logs.orders.cut(self._forgetting.since_ms(clock_ms))
        records += self._logs.presence.cut(clock_ms - self.rules.presence_timeout_ms - self.rules.allowed_lateness_ms)
        if self.rules.second_signals:
            records += self._logs.carts.cut(clock_ms - self.rules.cart_max_age_ms - 2 * self.rules.allowed_lateness_ms)
        records += self._saved.mechanics.cut_rows(self.rooms, clock_ms)
        refused = self.take_refused()
        positions, steps = tuple(self.positions), None
        if records or refused or signals or positions != self._cut_positions:
            self._cut_positions = positions
            steps = self.journal.take(clock_ms, published)
            self._note_base()
        notices = self._intake.misplaced.take(clock_ms, steps)
        return Cut(records, positions, clock_ms, refused, signals, steps, self.version, notices)

    def _forget_orders(self, clock_ms: int) -> Iterator[tuple[bytes, bytes]]:
        def changed(memory: Memory) -> None:
            room = self.rooms.get(memory.room_id)
            if room is memory and self.rules.second_signals:
                self._life.unsaved[room.room_id] = room
            elif room is None and memory.orders_displaced:
                self._life.dormant.unsaved[memory.room_id] = memory

        with_orders: list[Memory] = [*self.rooms.values(), *self._life.dormant.with_orders()]
        return self._forgetting.forget(with_orders, clock_ms, self.counters, changed)

    # -- restore ----------------------------------------------------------------------------------------------------
    def load(self, key: bytes, value: bytes | None) -> None:
        """Take one state record of the checkpoint, in log order: the last value of a key holds."""
        if key == GENERATION_KEY:
            self._life.generations.load(value)
        elif key == FORGETTING_KEY:
            self._forgetting.load(value)
        elif key == RISING_KEY:
            self._life.rising.load(value)
        elif key.startswith(LAST_KIND):
            self._life.ended.load(key, value)
        elif key.startswith(HISTORY_KIND):
            self._histories.load(key, value)
        else:
            self._saved.load(key, value)

    def loaded(self, positions: Sequence[int], clock_ms: int, version: int = VERSION_1) -> None:
        """End of the restore: everything derived is computed anew, as of the clock that was saved.

        Raises CorruptCheckpointError when a record cannot be read: nothing may be folded then.
        """
        any(self.loading(positions, clock_ms, version))  # each step gives None

    def loading(self, positions: Sequence[int], clock_ms: int, version: int = VERSION_1) -> Iterator[None]:
        """`loaded` in steps of some milliseconds, all of which must be taken before anything else is done."""
        try:
            yield from self._loading(positions, clock_ms, version)
        except CorruptCheckpointError:
            raise
        except Exception as error:  # whatever it is: the same records would give the same again, for ever
            raise CorruptCheckpointError(f"its records do not fit together: {error!r}") from error

    def _loading(self, positions: Sequence[int], clock_ms: int, version: int) -> Iterator[None]:
        self.go_on_at(positions)
        self.version = version
        self.shared.clock_ms = clock_ms
        orders_since_ms = self._forgetting.since_ms(clock_ms)
        self.shared.orders_bound_ms = self._forgetting.bound_ms
        yield from self._saved.give_to(
            self.rooms, self._life.dormant.rooms, self.rules, self.shared, self._life.generations, orders_since_ms
        )
        for memory in self._life.memories():
            for order_id, order in memory.orders.items():
                if order.has_hold:
                    self.shared.holds.append((order.hold_until_ms, memory.room_id, order_id))
            yield
        for room in self.rooms.values():
            self._publishing.due_at_once(room)
        self._life.dormant.restored(clock_ms)
        yield from self._histories.restored(self.rooms)
        self.last_again()
        heapify(self.shared.holds)
        heapify(self.shared.dues)
        self._timers.restored()
        self._begin_journal()

    def let_go(self) -> None:
        """Break what refers back to rooms, so that their memory goes with the fold, which must not be used any more."""
        for memory in self._life.memories():
            memory.let_go()

    def letting_go(self) -> Iterator[None]:
        """Free the memory of the rooms, in steps of some milliseconds; behind `let_go`."""
        for rooms in (self.rooms, self._life.dormant.rooms):
            while rooms:
                yield from rooms.popitem()[1].letting_go()

    def go_on_at(self, positions: Sequence[int]) -> None:
        """Stand elsewhere in the logs: what is saved may know fewer topics."""
        self.positions[:] = fitted(positions, len(self.topic_names), 0)

    def begin_at(self, positions: Sequence[int], clock_ms: int, base: Base) -> None:
        """Begin where a partition without rooms stood: the beginning of a replay."""
        self.go_on_at(positions)
        self.shared.clock_ms = clock_ms
        self.clock_source = base.source
        self._life.generations.begin(base.generation)
        self._life.rising.begin(base.ended)
        self._begin_journal()

    def _begin_journal(self) -> None:
        self.journal = Journal(self.positions, self.shared.clock_ms)
        self._cut_positions = tuple(self.positions)
        self._note_base()

    def _note_base(self) -> None:
        """Where nothing is known of any room a replay may begin."""
        if not self.rooms and not self._life.dormant.rooms:
            self.journal.begins_empty(self._life.generations.state(), self._life.rising.state())
