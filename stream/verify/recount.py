"""Records in, figures out: decode, account for every record, let each event count once.

Pure: no clock, no I/O. Feed it the records of each topic partition in log order; how the partitions are interleaved
does not matter, unless one event id was used in two topics of a room and a worker of old folded one of the two: it took
the one that it folded second for a repetition, and which that was no log says.
"""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from stream.contract.decode import DeadLetter, Decoder, Limits
from stream.contract.events import FIRST_EDITION, TOPIC_NAMES, Order, RoomClosed, RoomOpened
from stream.contract.kept import whole_bytes
from stream.verify.room_count import Assumptions, RoomCount
from stream.verify.rulebook import Rulebook
from stream.verify.seen_ids import ANY_TOPIC, SeenIds
from stream.verify.session_count import SessionCount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from stream.contract.events import RoomEvent
    from stream.contract.overlay import Session
    from stream.contract.recording import RecordedRecord
    from stream.verify.figures import DepartureFigures, RoomFigures


# After this many times `remember_ids_ms` an id that comes again is another event; the worker cannot know better.
FORGET_AFTER_GENERATIONS = 2
# Of a key or value: so much is in every dead letter. The contract takes a value of as much.
DIGEST_BYTES = 16 * 1024


class Refusal(NamedTuple):
    """A record that breaks the contract: where it is, why it is refused, and what it held (see `digest`)."""

    topic: str
    partition: int
    offset: int
    reason: str
    digest: str


def digest(key: bytes | None, value: bytes | None) -> str:
    """Stands for a record's key and value; a missing one is not an empty one.

    Of large ones the length and the beginning: a dead letter need not hold more of them.
    """
    said = (b"-" if part is None else b"%d:%s" % (whole_bytes(part), part[:DIGEST_BYTES]) for part in (key, value))
    return sha256(b"".join(said)).hexdigest()[:16]


class _Found(NamedTuple):
    """A record that the contract allows."""

    event: RoomEvent
    topic: str
    offset: int
    timestamp_ms: int
    rules: Assumptions


class Heard(NamedTuple):
    """A record that the contract allows, as the room took it.

    `session`: of the room; None: it belongs to none. `counts_ms`: when it counts; −1: it says nothing new.
    """

    room: RoomCount
    event: RoomEvent
    session: SessionCount | None
    counts_ms: int


class Accounts(Struct):
    """`received = applied + duplicate + dead_lettered`; `retimed` is a share of `applied`.

    `forgettable`: records that came again so late that the worker may rightly have forgotten their id. `in_two_topics`:
    of those that counted, how many had the event id of a record of another topic of their room, which counted too.
    """

    received: int = 0
    applied: int = 0
    duplicate: int = 0
    dead_lettered: Counter[str] = field(default_factory=Counter)
    retimed: int = 0
    forgettable: int = 0
    in_two_topics: int = 0


class Recount:
    """Counts records of the input topics by the contract's rules.

    Remembers everything, until it is told to `forget` what no figure of a later moment depends on.

    Args:
        assumptions: the settings of the worker, of whatever the rulebook does not know.
        limits: of the contract, whatever its edition; None: those of the edition that the worker read.
        rulebook: which record was folded under which settings.
    """

    def __init__(
        self,
        assumptions: Assumptions | None = None,
        limits: Limits | None = None,
        rulebook: Rulebook | None = None,
    ) -> None:
        self._rulebook = rulebook or Rulebook(assumptions or Assumptions())
        self._limits = limits
        self._decoders: dict[tuple[int, int, int, int], dict[str, Decoder]] = {}
        self._rooms: dict[str, RoomCount] = {}
        self._seen = SeenIds()
        self._waiting: dict[str, list[_Found]] = {}
        self.accounts = Accounts()
        # Records whose own time was ahead of the worker's clock. The log alone does not tell: their letters do, which
        # were written before that time had come.
        self.ahead_of_clock: set[tuple[str, int, int]] = set()
        self.refusals: list[Refusal] = []
        self.last_is_news = False  # whether the record that was added last may begin a session
        self.clock_ms = -1  # where the partition's clock stands, for whoever follows it; −1: records' times are taken
        self.heard: Callable[[Heard], None] | None = None  # is told of each record that the contract allows

    def add(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        timestamp_ms: int,
        *,
        partition: int = -1,
        offset: int = -1,
        headers: Sequence[tuple[str, bytes | None]] = (),
        wait: bool = False,
    ) -> str | None:
        """Count one record; its room, None when it is refused.

        Args:
            topic: logical or full name.
            value: of the record, and so on.
            key: the room.
            timestamp_ms: the record's, −1 when it has none.
            partition: where it is.
            offset: where it is; −1 where records come in the order in which they were folded: then silence and words
                end sessions as they come. Else documents say where sessions begin (`begins`).
            headers: of the record.
            wait: what it says counts when `release` asks for it: until then nobody knows of which session it is.
        """
        logical = topic.rpartition(".")[2]
        self.accounts.received += 1
        self.last_is_news = False
        rules = self._rulebook.at(partition, logical, offset)
        event = self._decoder(logical, partition, rules).decode(value, key, timestamp_ms, headers)
        reason: str | None
        if isinstance(event, DeadLetter):
            reason = event.reason.value
        elif (logical, partition, offset) in self.ahead_of_clock:
            reason = "ahead_of_clock"
        else:
            reason = self._count(_Found(event, logical, offset, timestamp_ms, rules), wait=wait)
            if reason is None:
                return event.room_id
        self.accounts.dead_lettered[reason] += 1
        self.refusals.append(Refusal(logical, partition, offset, reason, digest(key, value)))
        return None

    def _decoder(self, logical: str, partition: int, rules: Assumptions) -> Decoder:
        partitions = rules.murmur2_partitions
        place = rules.contract_edition, partition if partitions else 0, partitions, rules.signals_edition
        decoders = self._decoders.get(place)
        if decoders is None:
            limits = self._limits or Limits(
                edition=place[0], signals_edition=place[3], partition=place[1], partitions=partitions
            )
            catalogue = self._rulebook.mechanics.catalogue
            decoders = {name: Decoder(index, limits, catalogue) for index, name in enumerate(TOPIC_NAMES)}
            self._decoders[place] = decoders
        return decoders[logical]

    def add_record(self, record: RecordedRecord) -> None:
        """Count one record of a recording."""
        self.add(
            record.topic,
            record.value,
            record.key,
            record.timestamp,
            partition=record.partition,
            offset=record.offset,
            headers=record.headers,
        )

    def _count(self, found: _Found, *, wait: bool) -> str | None:
        """Count an event; why it is refused when it contradicts what its room knows."""
        event, timestamp_ms, rules = found.event, found.timestamp_ms, found.rules
        if self._says_nothing(found):
            self.accounts.duplicate += 1
            return None
        room_id, event_id, topic = event.room_id, event.event_id, found.topic if rules.ids_by_topic else ANY_TOPIC
        seen_ms = self._seen.last_ms(room_id, event_id, topic)
        if seen_ms is not None:
            age_ms = timestamp_ms - seen_ms
            if age_ms > rules.remember_ids_ms:
                self.accounts.forgettable += 1
            # The worker remembers ids in two generations: for one of them at least, for both at most.
            if age_ms <= FORGET_AFTER_GENERATIONS * rules.remember_ids_ms:
                if rules.contract_edition > FIRST_EDITION and self._says_something_new(found):
                    self._tell(event, -1)
                    return "event_id_conflict"
                self.accounts.duplicate += 1
                if rules.remember_sales_ms:  # it is remembered anew
                    self._seen.see(room_id, event_id, topic, max(timestamp_ms, seen_ms))
                    self._heard_of(found)
                self._tell(event, -1)
                return None
        room = self._room(room_id, rules)
        if rules.contract_edition > FIRST_EDITION and room.contradicts(event):
            self._tell(event, -1)
            return "order_conflict"
        self.last_is_news = room.is_news(event, rules.signals_edition)
        room.meet(event, rules.signals_edition)
        self._seen.see(room_id, event_id, topic, timestamp_ms)
        if rules.ids_by_topic:
            self.accounts.in_two_topics += self._seen.is_elsewhere(room_id, event_id, topic)
        if wait:
            self._waiting.setdefault(event.room_id, []).append(found)
        else:
            self._apply(found)
        return None

    def _room(self, room_id: str, rules: Assumptions) -> RoomCount:
        """What is known of a room; it is heard of now if it was not before."""
        room = self._rooms.get(room_id)
        if room is None:
            room = self._rooms[room_id] = self._new_room(room_id, rules)
        return room

    def _new_room(self, room_id: str, rules: Assumptions) -> RoomCount:
        return RoomCount(room_id, rules, self._rulebook.mechanics)

    def _says_nothing(self, found: _Found) -> bool:
        """A word about a show that goes on already, or does not go on: it is not even remembered."""
        event = found.event
        if found.offset >= 0 or not found.rules.remember_sales_ms or not isinstance(event, RoomOpened | RoomClosed):
            return False
        room = self._rooms.get(event.room_id)
        return isinstance(event, RoomClosed) if room is None else room.says_nothing(event, self._now_ms(found))

    def _now_ms(self, found: _Found) -> int:
        """When a record was folded: sessions end by the silence until then."""
        return found.timestamp_ms if self.clock_ms < 0 else self.clock_ms

    def _heard_of(self, found: _Found) -> None:
        """A repetition says nothing, but that there is somebody. Of a word it does not say even that."""
        room = self._rooms.get(found.event.room_id)
        if room is not None and found.offset < 0 and not isinstance(found.event, RoomOpened | RoomClosed):
            room.go_on(found.event, self._now_ms(found), is_news=False)

    def _apply(self, found: _Found) -> None:
        event, rules = found.event, found.rules
        effective_ms = _effective_ms(event.event_time_ms, found.timestamp_ms, rules.allowed_lateness_ms)
        room = self._room(event.room_id, rules)
        if rules.remember_sales_ms and found.offset < 0:
            room.go_on(event, self._now_ms(found), is_news=self.last_is_news)
        elif found.offset >= 0:
            room.go_to(event, found.topic, found.offset)
        is_new = room.apply(event, effective_ms, rules)
        self._tell(event, effective_ms if is_new else -1)
        if not is_new:
            self.accounts.duplicate += 1
            return
        self.accounts.applied += 1
        if effective_ms != event.event_time_ms:
            self.accounts.retimed += 1

    def _tell(self, event: RoomEvent, counts_ms: int) -> None:
        if self.heard is not None and (room := self._rooms.get(event.room_id)) is not None:
            self.heard(Heard(room, event, room.session, counts_ms))

    def _says_something_new(self, found: _Found) -> bool:
        """Whether a record with a used id is an order, and its room has not heard that the order came to this."""
        event = found.event
        if not isinstance(event, Order):
            return False
        room = self._rooms.get(event.room_id)
        return room is None or not room.has_heard(event, found.rules.signals_edition)

    def forget(self, clock_ms: int) -> list[str]:
        """Let go of what no figure from `clock_ms` on depends on; the rooms that have ended by their silence.

        Ids that would count anew, seconds that have left every window, and ended rooms, whose next record begins a new
        session. What stays grows with the ids of the memory, and with the people and orders of sessions that go on.
        """
        self._forget_ids(clock_ms)
        over = [room_id for room_id, room in self._rooms.items() if room.is_forgotten(clock_ms)]
        for room_id in over:
            del self._rooms[room_id]
        for room in self._rooms.values():
            room.forget(clock_ms)
        return over

    def settle(self, clock_ms: int) -> None:
        """The same, but for rooms and sessions: those that are over can still be asked for."""
        self._forget_ids(clock_ms)
        for room in self._rooms.values():
            room.settle(clock_ms)

    def _forget_ids(self, clock_ms: int) -> None:
        oldest_ms = clock_ms - FORGET_AFTER_GENERATIONS * self._rulebook.greatest("remember_ids_ms")
        self._seen.forget(oldest_ms)

    # -- sessions ------------------------------------------------------------------------------------------------------
    def begins(
        self,
        room_id: str,
        began_at_ms: int,
        first_offsets: Mapping[str, int],
        next_offsets: Mapping[str, int] | None = None,
    ) -> None:
        """A document says that a session of a room begins at these offsets, by logical topic, and where it ends."""
        room = self._rooms.get(room_id)
        if room is None:
            room = self._rooms[room_id] = self._new_room(room_id, self._rulebook.stated)
        room.begins(began_at_ms, first_offsets, next_offsets)

    def release(self, room_id: str, positions: Mapping[str, int]) -> None:
        """Count what waited of a room below these offsets, by logical topic."""
        waiting = self._waiting.pop(room_id, [])
        still = []
        for found in waiting:
            if found.offset < positions.get(found.topic, 0):
                self._apply(found)
            else:
                still.append(found)
        if still:
            self._waiting[room_id] = still

    def waiting_rooms(self) -> list[str]:
        """Rooms of which something waits."""
        return list(self._waiting)

    def remembered(self) -> dict[str, int]:
        """How much is in memory, by what."""
        rooms = self._rooms.values()
        return {
            "ids": len(self._seen),
            "rooms": len(self._rooms),
            "orders": sum(room.orders() for room in rooms),
            "seconds": sum(room.seconds() for room in rooms),
        }

    def room_ids(self) -> list[str]:
        """Every room that was heard of, in alphabetical order."""
        return sorted(self._rooms)

    def room(
        self, room_id: str, as_of_ms: int, rules: Assumptions | None = None, session: Session | None = None
    ) -> RoomFigures:
        """The figures of one room as of a moment; an unheard-of room has zeros.

        `rules`: of the owner who published what this is compared with; None: as last time. `session`: of the document
        that this is compared with; where records came in the order of the log, the newest one is meant.
        """
        room = self._rooms.get(room_id) or self._new_room(room_id, self._rulebook.stated)
        if rules is not None:
            room.assume(rules)
        room.look_at(session)
        return room.figures(as_of_ms)

    def departures(self, room_id: str, as_of_ms: int, rules: Assumptions | None = None) -> DepartureFigures:
        """How visits ended in the session whose figures were asked for last."""
        session = self._rooms[room_id].session if room_id in self._rooms else None
        timeout_ms = (rules or self._rulebook.stated).presence_timeout_ms
        return (session or SessionCount({})).departures(as_of_ms, timeout_ms)

    def last_second_ms(self, room_id: str) -> int:
        """When the room was last heard of, to the second; 0: never."""
        return self._rooms[room_id].last_second_ms() if room_id in self._rooms else 0

    def was_silent_too_long(
        self, room_id: str, room_idle_ms: int | None = None, session: Session | None = None
    ) -> bool:
        """Whether a session of the room may have ended and begun anew within these records, and nothing says so.

        `room_idle_ms`: the shortest silence that ended one; None: as the room's rules have it.
        """
        room = self._rooms.get(room_id)
        if room is None:
            return False
        room.look_at(session)
        return room.was_silent_too_long(room_idle_ms)


def _effective_ms(event_time_ms: int, append_time_ms: int, allowed_lateness_ms: int) -> int:
    if append_time_ms < 0:
        return event_time_ms
    return min(append_time_ms, max(event_time_ms, append_time_ms - allowed_lateness_ms))


def recount_records(records: Iterable[RecordedRecord], assumptions: Assumptions | None = None) -> Recount:
    """Count a whole recording."""
    recount = Recount(assumptions)
    for record in records:
        recount.add_record(record)
    return recount
