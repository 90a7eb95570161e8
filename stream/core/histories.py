"""The histories of the rooms of one partition: when a room is looked at, what is saved, and what Redis is to hold.

A room in which something happened is looked at when the clock comes to the next multiple of the step, and when its
session ends. A room in which nothing happens is not looked at. So a point follows from the log and the clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import msgspec
from msgspec import Struct

from stream.contract.history import HISTORY_SCHEMA, HistoryHead, encode_chunks, encode_head
from stream.core.history import SavedSession, Session, units_sold
from stream.core.saved.frames import CorruptCheckpointError, frame, unframe
from stream.core.saved.growth import grown_row
from stream.core.time import NEVER_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stream.core.memory import Shared
    from stream.core.room import Room
    from stream.core.rules import Rules

HISTORY_KIND = b"h|"
# How often histories are looked through for those that are over.
LOOK_MS = 600_000
# Of a restore: some milliseconds.
RECORDS_IN_A_STEP, ROOMS_IN_A_STEP = 1_000, 100
# In Redis a history lives so long at least, even where rooms are not remembered.
TTL_MIN_MS = 3_600_000
# Of one room, until its history is written next. What lies in Redis of others runs out by itself.
FORGOTTEN_MAX = 100


class SavedHistory(Struct, array_like=True):
    """The sessions of a room that are kept, oldest first, without their chunks."""

    fields_1: ClassVar[int] = 1

    sessions: list[SavedSession]


_head_decoder = msgspec.msgpack.Decoder(SavedHistory)
_chunk_decoder = msgspec.msgpack.Decoder(bytes)


class Charted(NamedTuple):
    """One room's history, ready for Redis: the value of `history_key`, and by session those of `chunks_key`.

    `forgotten`: sessions whose `chunks_key` no head names any more.
    """

    room_id: str
    head: bytes
    closed: dict[int, bytes]
    ttl_ms: int
    forgotten: tuple[int, ...] = ()


class Histories:
    """Those of one partition.

    Args:
        rules: of the core; with a step of 0 nothing is kept.
        shared: what the rooms share.
        positions: where the fold stands; the caller's own list.
        orders: the place of topic `orders` in it.

    Attributes:
        dropped: chunks and rooms beyond their bounds, since this object was made.
    """

    def __init__(self, rules: Rules, shared: Shared, positions: Sequence[int], orders: int) -> None:
        self.dropped = 0
        self._rules = rules
        self._step_ms = rules.history_step_ms
        self._shared = shared
        self._positions = positions
        self._orders = orders
        self._kept: dict[str, list[Session]] = {}
        self._pending: dict[str, Room] = {}
        self._due_ms = NEVER_MS
        self._unsaved: dict[str, None] = {}
        self._gone: list[bytes] = []
        # Room → sessions of which the closed chunks are to be written too.
        self._due: dict[str, set[int]] = {}
        # Room → sessions that are not kept any more, and may still lie in Redis.
        self._forgotten: dict[str, list[int]] = {}
        self._looked_ms = -1
        self._loaded: dict[bytes, bytes] = {}

    # -- what happens --------------------------------------------------------------------------------------------------
    def changed(self, room: Room) -> None:
        """Something happened in a room: it is looked at when the clock comes to the next multiple of the step."""
        step_ms = self._step_ms
        if not step_ms or room.room_id in self._pending:
            return
        clock_ms = self._shared.clock_ms
        self._due_ms = ((clock_ms if clock_ms >= 0 else max(room.last_append_ms, 0)) // step_ms + 1) * step_ms
        room.point_due_ms = self._due_ms
        self._pending[room.room_id] = room

    def next_ms(self) -> int:
        """Returns when rooms are to be looked at next."""
        return self._due_ms

    def elapse(self) -> None:
        """The clock stands at a moment, of which everything else has happened."""
        if self._due_ms > self._shared.clock_ms:
            return
        pending, self._pending, at_ms, self._due_ms = self._pending, {}, self._due_ms, NEVER_MS
        for room in pending.values():
            self._look(room, at_ms)

    def moved(self, room: Room) -> None:
        """A level of a room has moved."""
        if self._step_ms:
            session = self._session(room)
            if session.look_at_level(room, self._shared.clock_ms):
                self._note(room.room_id, session)

    def began(self, room: Room) -> None:
        """A session has begun."""
        if self._step_ms:
            self._session(room)

    def ended(self, room: Room) -> None:
        """A session ends now; the room is as it was."""
        if not self._step_ms:
            return
        clock_ms = max(self._shared.clock_ms, 0)
        self._pending.pop(room.room_id, None)
        if not self._pending:
            self._due_ms = NEVER_MS
        session = self._look(room, clock_ms)
        self._end(room.room_id, session, clock_ms)

    def _look(self, room: Room, at_ms: int) -> Session:
        room.advance(at_ms)
        session = self._session(room)
        closed = len(session.chunks)
        if session.look(room, at_ms, self._positions[self._orders]):
            self._note(room.room_id, session, closed=len(session.chunks) != closed)
        elif session.changed:
            self._note(room.room_id, session)
        return session

    def _note(self, room_id: str, session: Session, *, closed: bool = False) -> None:
        self._unsaved[room_id] = None
        due = self._due.setdefault(room_id, set())
        if closed or session.dropped:
            due.add(session.session_ms)
        self.dropped += session.dropped
        session.dropped = 0

    def _end(self, room_id: str, session: Session, ended_ms: int) -> None:
        session.end(ended_ms)
        self._note(room_id, session, closed=True)

    def _session(self, room: Room) -> Session:
        """The session of a room, made where there is none; one before it that did not end has ended."""
        sessions = self._kept.get(room.room_id)
        if sessions is not None and sessions[-1].session_ms == room.born_ms:
            return sessions[-1]
        if sessions is None:
            self._make_room()
            sessions = self._kept[room.room_id] = []
        elif sessions[-1].ended_ms < 0:
            self._end(room.room_id, sessions[-1], sessions[-1].last_ms())
        session = Session(room.born_ms, units_sold(room) if room.later else 0)
        sessions.append(session)
        while len(sessions) > self._rules.history_sessions:
            self._forget(room.room_id, sessions.pop(0))
        self._note(room.room_id, session)
        return session

    def _forget(self, room_id: str, session: Session) -> None:
        self._gone += [_chunk_key(room_id, session.session_ms, from_ms) for from_ms in session.chunks]
        if session.from_ms >= 0:
            self._gone.append(_chunk_key(room_id, session.session_ms, session.from_ms))
        self._due.get(room_id, set()).discard(session.session_ms)
        forgotten = self._forgotten.setdefault(room_id, [])
        if len(forgotten) < FORGOTTEN_MAX:
            forgotten.append(session.session_ms)

    def _make_room(self) -> None:
        """Forget a hundredth of the rooms where there are too many, those first that have been silent for longest."""
        most = self._rules.rooms_max
        if len(self._kept) < most:
            return
        silent = sorted(
            (sessions[-1].ended_ms < 0, sessions[-1].last_ms(), each) for each, sessions in self._kept.items()
        )
        for _, _, room_id in silent[: len(silent) - most + max(1, most // 100)]:
            self._drop(room_id)
            self.dropped += 1

    def _drop(self, room_id: str) -> None:
        for session in self._kept.pop(room_id):
            self._forget(room_id, session)
        self._gone.append(_head_key(room_id))
        self._due.pop(room_id, None)
        self._forgotten.pop(room_id, None)  # what lies in Redis runs out with the head
        self._unsaved.pop(room_id, None)

    def _forget_old(self, clock_ms: int) -> None:
        """Forget the rooms of which nothing was noted for too long."""
        if clock_ms - self._looked_ms < LOOK_MS:
            return
        self._looked_ms = clock_ms
        before_ms = clock_ms - self._rules.remember_sales_ms
        for room_id in [
            each
            for each, sessions in self._kept.items()
            if sessions[-1].ended_ms >= 0 and sessions[-1].ended_ms < before_ms
        ]:
            self._drop(room_id)

    # -- publish -------------------------------------------------------------------------------------------------------
    def take_due(self, limit: int | None = None) -> list[Charted]:
        """Returns histories that Redis does not hold as they are now, at most so many."""
        taken = [*self._due][:limit]
        return [self._charted(room_id, self._due.pop(room_id)) for room_id in taken]

    def again(self, room_ids: Sequence[str] | None = None) -> None:
        """Redis may have lost the histories of these rooms; None: all."""
        for room_id in self._kept if room_ids is None else room_ids:
            if (sessions := self._kept.get(room_id)) is not None:
                self._due[room_id] = {session.session_ms for session in sessions}

    def _charted(self, room_id: str, with_closed: set[int]) -> Charted:
        sessions = self._kept[room_id]
        head = HistoryHead(
            HISTORY_SCHEMA, room_id, self._step_ms, [each.row() for each in sessions], sessions[-1].open_chunk()
        )
        closed = {
            each.session_ms: encode_chunks([*each.chunks.values()])
            for each in sessions
            if each.session_ms in with_closed
        }
        ttl_ms = max(self._rules.remember_sales_ms, TTL_MIN_MS)
        kept = {each.session_ms for each in sessions}
        forgotten = tuple(each for each in self._forgotten.pop(room_id, ()) if each not in kept)
        return Charted(room_id, encode_head(head), closed, ttl_ms, forgotten)

    # -- checkpoint ----------------------------------------------------------------------------------------------------
    def records(self) -> Iterator[tuple[bytes, bytes | None]]:
        """What is to be saved since the last call: chunks that changed, and what is kept beside them."""
        if not self._step_ms:
            return
        self._forget_old(self._shared.clock_ms)
        gone, self._gone = self._gone, []
        for key in gone:
            yield key, None
        unsaved, self._unsaved = self._unsaved, {}
        for room_id in sorted(unsaved):
            yield from self._records_of(room_id)

    def _records_of(self, room_id: str) -> Iterator[tuple[bytes, bytes | None]]:
        sessions = self._kept[room_id]
        if any(session.changed for session in sessions):
            yield _head_key(room_id), frame(grown_row(SavedHistory([session.saved() for session in sessions])))
        for session in sessions:
            session.changed = False
            unsaved, session.unsaved = session.unsaved, {}
            for from_ms in unsaved:
                chunk = session.chunk(from_ms)
                key = _chunk_key(room_id, session.session_ms, from_ms)
                yield key, None if chunk is None else frame(chunk)

    def load(self, key: bytes, value: bytes | None) -> None:
        """Take one record of a restore, in log order: the last value of a key holds."""
        if value is None:
            self._loaded.pop(key, None)
        else:
            self._loaded[key] = value

    def restored(self, rooms: Mapping[str, Room]) -> Iterator[None]:
        """Make the histories of what was loaded, behind the rooms, in steps of some milliseconds.

        Raises:
            CorruptCheckpointError: a record cannot be read.
        """
        heads: dict[str, SavedHistory] = {}
        chunks: dict[tuple[str, int], dict[int, bytes]] = {}
        yield from self._read_loaded(heads, chunks)
        if not self._step_ms:
            return
        for count, (room_id, head) in enumerate(sorted(heads.items()), 1):
            try:
                self._kept[room_id] = [
                    Session.restored(each, chunks.pop((room_id, each.session_ms), {})) for each in head.sessions
                ]
            except (msgspec.MsgspecError, ValueError) as error:
                raise CorruptCheckpointError(f"the history of room {room_id} cannot be read: {error}") from error
            if count % ROOMS_IN_A_STEP == 0:
                yield
        # Chunks of sessions that nobody knows.
        for (room_id, session_ms), of_session in chunks.items():
            self._gone += [_chunk_key(room_id, session_ms, from_ms) for from_ms in of_session]
        for room in rooms.values():
            self._go_on(room, self._shared.clock_ms)
        for room_id, sessions in self._kept.items():
            if room_id not in rooms and sessions[-1].ended_ms < 0:
                self._end(room_id, sessions[-1], sessions[-1].last_ms())
        self.again()
        yield

    def _read_loaded(
        self, heads: dict[str, SavedHistory], chunks: dict[tuple[str, int], dict[int, bytes]]
    ) -> Iterator[None]:
        loaded, self._loaded = self._loaded, {}
        for count, (key, value) in enumerate(loaded.items() if self._step_ms else (), 1):
            room_id, *of_chunk = key[len(HISTORY_KIND) :].decode().split("|")
            if of_chunk:
                session_ms, from_ms = map(int, of_chunk)
                chunks.setdefault((room_id, session_ms), {})[from_ms] = unframe(key, value, _chunk_decoder)
            else:
                heads[room_id] = unframe(key, value, _head_decoder)
            if count % RECORDS_IN_A_STEP == 0:
                yield

    def _go_on(self, room: Room, clock_ms: int) -> None:
        """A room came back; one that was saved by a worker that keeps no history has a gap."""
        if room.point_due_ms < 0:
            session = self._session(room)
            session.gap(self._rules, max(clock_ms, 0))
            self._note(room.room_id, session)
            self.changed(room)
        elif room.point_due_ms > clock_ms:
            self.changed(room)


def _head_key(room_id: str) -> bytes:
    return HISTORY_KIND + room_id.encode()


def _chunk_key(room_id: str, session_ms: int, from_ms: int) -> bytes:
    return b"%b%b|%d|%d" % (HISTORY_KIND, room_id.encode(), session_ms, from_ms)
