"""The history of one session of a room: its points, its marks, and how both become chunks.

A point is made of what a room says at a moment. It is kept where it says something else than the last one. Marks follow
from the state at two moments: what came and went between them leaves none. An episode has one mark, with the highest
count that was seen in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec
from msgspec import Struct

from stream.contract.history import CHUNK_MS, COLUMNS, NO_LEVEL, MarkRow, Point, SessionRow, decode_chunk, encode_chunk
from stream.contract.levels import place_of_level
from stream.core.audiences import CLICKERS, PAYERS, VIEWERS
from stream.core.urgency import UrgencyState, leading

if TYPE_CHECKING:
    from stream.core.ledger import Ledger
    from stream.core.memory import SaleKey
    from stream.core.room import Room
    from stream.core.rules import Rules

_OFFSET = COLUMNS.index("orders_next_offset")
_ORDERS = COLUMNS.index("orders")
_OPEN, _ENDED = "open", "ended"
# Levels of a sale that are marked by their own names.
_MARKED_LEVELS = ("all_taken", "sold_out")


class SaleSeen(Struct, array_like=True):
    """What was last seen of one SKU of a sale. Of episodes: when it began (−1: there is none), the highest count."""

    fields_1: ClassVar[int] = 12

    sale_id: str
    sku_id: str
    status: str = ""
    rounds: int = 1
    restocked: int = 0
    level: str = ""
    oversold_ms: int = -1
    oversold: int = 0
    over_limit_ms: int = -1
    over_limit: int = 0
    brushing_ms: int = -1
    brushing: int = 0


class SavedSession(Struct, array_like=True):
    """What is saved of a session beside its chunks. `level`: the place of the leading one; `seen`: while it goes on."""

    fields_1: ClassVar[int] = 8

    session_ms: int
    ended_ms: int
    show_id: str | None
    units_before: int
    level: int
    orders: int
    money: dict[str, int]
    seen: list[SaleSeen]


class Session:
    """One session.

    Args:
        session_ms: when it began.
        units_before: units of sales that were sold before it began.

    Attributes:
        chunks: the closed ones, by their beginnings, oldest first.
        from_ms: of the open chunk; −1: none is open.
        unsaved: beginnings of chunks that are to be saved; None as value: they are gone.
        changed: what is saved beside the chunks has changed.
        dropped: chunks beyond the bound, since this object was made.
    """

    __slots__ = (
        *("changed", "chunks", "dropped", "ended_ms", "from_ms", "left_out", "level", "marks", "money", "orders"),
        *("points", "seen", "session_ms", "show_id", "units_before", "unsaved", "_last"),
    )

    def __init__(self, session_ms: int, units_before: int = 0) -> None:
        self.session_ms = session_ms
        self.units_before = units_before
        self.ended_ms = -1
        self.show_id: str | None = None
        self.orders = 0
        self.money: dict[str, int] = {}
        self.level = NO_LEVEL
        self.seen: dict[SaleKey, SaleSeen] = {}
        self.chunks: dict[int, bytes] = {}
        self.from_ms = -1
        self.points: list[Point] = []
        self.marks: dict[tuple[int, str, str, str], MarkRow] = {}
        self.left_out = 0
        self.dropped = 0
        self.changed = True
        self.unsaved: dict[int, bool] = {}
        self._last: Point | None = None

    # -- what happens --------------------------------------------------------------------------------------------------
    def look(self, room: Room, at_ms: int, orders_next_offset: int) -> bool:
        """Look at a room that was advanced to a moment. Returns whether there is a new point or mark."""
        changed = self.look_at_level(room, at_ms)
        for key in sorted(room.ledgers):
            changed |= self._look_at_sale(room, key, room.ledgers[key], at_ms)
        if room.show_id != self.show_id:
            self.show_id, self.changed = room.show_id, True
        point = self._point(room, at_ms, orders_next_offset)
        last = self._last
        if last is not None and last.values[:_OFFSET] == point.values[:_OFFSET] and last.money == point.money:
            return changed
        self._open(at_ms, room.rules)
        if self.points and self.points[-1].at_ms == at_ms:
            self.points.pop()  # something happened at that very moment, behind the point
        self.points.append(point)
        self.unsaved[self.from_ms] = True
        self._last = point
        self.orders, self.money = point.values[_ORDERS], point.money
        return True

    def _point(self, room: Room, at_ms: int, orders_next_offset: int) -> Point:
        audiences = room.audiences
        values = (
            room.presence.open_sessions,
            audiences[VIEWERS].session.count(),
            audiences[CLICKERS].session.count(),
            audiences[PAYERS].session.count(),
            room.likes,
            room.comments,
            room.cart_adds,
            room.orders_placed,
            room.orders_paid,
            units_sold(room) - self.units_before,
            self.level,
            orders_next_offset,
        )
        return Point(at_ms, values, {currency: paid for currency, (_, paid, _) in room.money.items() if paid})

    def look_at_level(self, room: Room, now_ms: int) -> bool:
        """Look whether the leading level is another one. Returns whether that is a mark."""
        lead, urgency = leading({key: room.urgencies.get(key, _NOTHING) for key in room.ledgers})
        level = NO_LEVEL if lead is None else place_of_level(urgency.level)
        if lead is None or level == self.level:
            return False
        self.level, self.changed = level, True
        return level != _UNKNOWN and self._mark(
            room.rules, now_ms, MarkRow(self._within(urgency.since_ms, now_ms), "level", *lead, level)
        )

    def _look_at_sale(self, room: Room, key: SaleKey, ledger: Ledger, now_ms: int) -> bool:
        seen = self.seen.get(key)
        if seen is None:
            seen = self.seen[key] = SaleSeen(*key)
            if room.later and ledger.said_ms < self.session_ms:  # it goes on from a session before
                seen.restocked, seen.over_limit = ledger.restocked, ledger.over_limit
            self.changed = True
        before = msgspec.structs.astuple(seen)
        for mark in self._marks_of(room, seen, ledger, now_ms):
            self._mark(room.rules, now_ms, mark)
        if msgspec.structs.astuple(seen) == before:
            return False
        self.changed = True
        return True

    def _marks_of(self, room: Room, seen: SaleSeen, ledger: Ledger, now_ms: int) -> list[MarkRow]:
        """The marks that follow from what is seen of a sale now and was seen of it before; `seen` is brought to now."""
        key = (ledger.sale_id, ledger.sku_id)
        marks: list[MarkRow] = []
        status, ends_at_ms, _ = room.status_of(ledger, now_ms)
        if status == _OPEN and (seen.status != _OPEN or ledger.rounds != seen.rounds) and ledger.opened is not None:
            marks.append(MarkRow(self._within(ledger.opened.starts_at_ms, now_ms), "sale_opened", *key))
        elif status == _ENDED != seen.status:
            ended_ms = now_ms if ends_at_ms is None else ends_at_ms
            marks.append(MarkRow(self._within(ended_ms, now_ms), "sale_ended", *key))
        seen.status, seen.rounds = status, ledger.rounds
        if ledger.restocked > seen.restocked:
            marks.append(MarkRow(now_ms, "restocked", *key, ledger.restocked - seen.restocked))
        seen.restocked = ledger.restocked
        urgency = room.urgencies.get(key, _NOTHING)
        if urgency.level != seen.level and urgency.level in _MARKED_LEVELS:
            marks.append(MarkRow(self._within(urgency.since_ms, now_ms), urgency.level, *key))
        seen.level = urgency.level
        available = ledger.available
        oversold = 0 if available is None else max(0, -available)
        seen.oversold_ms, seen.oversold = _episode(
            marks, "oversold", key, now_ms, (seen.oversold_ms, seen.oversold), oversold
        )
        seen.brushing_ms, seen.brushing = _episode(
            marks, "brushing", key, now_ms, (seen.brushing_ms, seen.brushing), ledger.suspect_held
        )
        if ledger.over_limit > seen.over_limit:
            if seen.over_limit_ms < 0:
                seen.over_limit_ms = now_ms
            seen.over_limit = ledger.over_limit
            marks.append(MarkRow(seen.over_limit_ms, "over_limit", *key, seen.over_limit))
        return marks

    def _within(self, at_ms: int, now_ms: int) -> int:
        return max(self.session_ms, min(at_ms, now_ms))

    def gap(self, rules: Rules, until_ms: int) -> None:
        """What happened between the last point and a moment was folded by a worker that keeps no history."""
        since_ms = self.session_ms if self._last is None else self._last.at_ms
        self._mark(rules, until_ms, MarkRow(since_ms, "gap", "", "", until_ms=until_ms))

    def end(self, ended_ms: int) -> None:
        """The session has ended, behind its last look."""
        self.ended_ms, self.changed = ended_ms, True
        self.close()
        self.seen = {}

    # -- chunks --------------------------------------------------------------------------------------------------------
    def _mark(self, rules: Rules, now_ms: int, mark: MarkRow) -> bool:
        self._open(now_ms, rules)
        key = (mark.at_ms, mark.kind, mark.sale_id, mark.sku_id)
        if key in self.marks or len(self.marks) < rules.history_marks:
            self.marks[key] = mark
        else:
            self.left_out += 1
        self.unsaved[self.from_ms] = True
        return True

    def _open(self, now_ms: int, rules: Rules) -> None:
        from_ms = now_ms // CHUNK_MS * CHUNK_MS
        if from_ms == self.from_ms:
            return
        self.close()
        self.from_ms = from_ms
        while len(self.chunks) >= rules.history_chunks:
            oldest_ms = next(iter(self.chunks))
            del self.chunks[oldest_ms]
            self.unsaved[oldest_ms] = False
            self.dropped += 1

    def close(self) -> None:
        """Close the open chunk, if there is one."""
        if self.from_ms >= 0:
            self.chunks[self.from_ms] = self.open_chunk()
            self.from_ms, self.points, self.marks, self.left_out = -1, [], {}, 0

    def open_chunk(self) -> bytes:
        """Returns the bytes of the open chunk; empty: none is open."""
        if self.from_ms < 0:
            return b""
        return encode_chunk(self.from_ms, self.points, [*self.marks.values()], self.left_out)

    def chunk(self, from_ms: int) -> bytes | None:
        """Returns the bytes of a chunk; None: it is kept no more."""
        return self.open_chunk() if from_ms == self.from_ms else self.chunks.get(from_ms)

    def last_ms(self) -> int:
        """Returns when something was last noted, or the session began."""
        return self.session_ms if self._last is None else self._last.at_ms

    # -- what is saved and shown ---------------------------------------------------------------------------------------
    def row(self) -> SessionRow:
        """Returns the session as readers list it."""
        from_ms = next(iter(self.chunks), self.from_ms)
        from_ms = max(from_ms, self.session_ms)
        return SessionRow(self.session_ms, from_ms, self.ended_ms, self.show_id, self.orders, self.money)

    def saved(self) -> SavedSession:
        """Returns what is saved beside the chunks."""
        seen = [*self.seen.values()]
        head = (self.session_ms, self.ended_ms, self.show_id, self.units_before, self.level)
        return SavedSession(*head, self.orders, self.money, seen)

    @classmethod
    def restored(cls, saved: SavedSession, chunks: dict[int, bytes]) -> Session:
        """Returns a session as it was saved. Raises what `decode_chunk` raises."""
        session = cls(saved.session_ms, saved.units_before)
        session.ended_ms, session.show_id, session.level = saved.ended_ms, saved.show_id, saved.level
        session.orders, session.money = saved.orders, saved.money
        session.seen = {(seen.sale_id, seen.sku_id): seen for seen in saved.seen}
        session.chunks = {from_ms: chunks[from_ms] for from_ms in sorted(chunks)}
        session.changed = False
        if session.ended_ms < 0 and session.chunks:
            session._reopen()
        return session

    def _reopen(self) -> None:
        """Open the newest chunk again, as it was open when it was saved."""
        newest = decode_chunk(next(reversed(self.chunks.values())))
        del self.chunks[newest.from_ms]
        points = newest.points
        for raw in reversed(self.chunks.values()):  # a chunk may hold marks only
            points = points or decode_chunk(raw).points
            if points:
                break
        if points:
            self._last = points[-1]
            self.orders, self.money = self._last.values[_ORDERS], self._last.money
        self.from_ms, self.points, self.left_out = newest.from_ms, newest.points, newest.left_out
        self.marks = {(mark.at_ms, mark.kind, mark.sale_id, mark.sku_id): mark for mark in newest.marks}


_NOTHING = UrgencyState()
_UNKNOWN = place_of_level("unknown")


def units_sold(room: Room) -> int:
    """Returns the units of sales that are bought and not undone, in all ledgers that a room knows."""
    return sum(ledger.sold for ledger in room.ledgers.values()) + sum(ledger.sold for ledger in room.past.values())


def _episode(
    marks: list[MarkRow], kind: str, key: SaleKey, now_ms: int, known: tuple[int, int], count: int
) -> tuple[int, int]:
    """Returns when the episode began that a count above 0 is in, and the highest count in it; (−1, 0): there is none.

    Adds to the marks where the episode begins, rises or ends.
    """
    since_ms, highest = known
    if count <= 0:
        if since_ms >= 0:
            marks.append(MarkRow(since_ms, kind, *key, highest, now_ms))
        return -1, 0
    if since_ms < 0:
        since_ms = now_ms
    if count > highest:
        marks.append(MarkRow(since_ms, kind, *key, count))
    return since_ms, max(count, highest)
