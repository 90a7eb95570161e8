"""Records in, figures out: decodes, accounts for every record, and counts each event once.

Pure: no clock, no I/O. The records of each topic partition must come in log order. The interleaving of partitions does
not matter, with one exception. If one event id was used in two topics of a room, an old worker took the record that it
folded second for a repetition, and no log tells which one that was.
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


# After this many times `remember_ids_ms` a repeated id is a new event: the worker has certainly forgotten the old one.
FORGET_AFTER_GENERATIONS = 2
# The part of a key or value that is in every dead letter. The contract accepts values up to this size.
DIGEST_BYTES = 16 * 1024


class Refusal(NamedTuple):
    """A record that breaks the contract: its place, the reason, and the digest of its content (see `digest`)."""

    topic: str
    partition: int
    offset: int
    reason: str
    digest: str


def digest(key: bytes | None, value: bytes | None) -> str:
    """A digest of a record's key and value. A missing one differs from an empty one.

    Of a large key or value only length and beginning count: a dead letter need not hold more.
    """
    said = (b"-" if part is None else b"%d:%s" % (whole_bytes(part), part[:DIGEST_BYTES]) for part in (key, value))
    return sha256(b"".join(said)).hexdigest()[:16]


class _Found(NamedTuple):
    """A record that the contract accepts."""

    event: RoomEvent
    topic: str
    offset: int
    timestamp_ms: int
    rules: Assumptions


class Heard(NamedTuple):
    """A record that the contract accepts, as the room took it.

    `session`: the record's session; None: it belongs to none. `counts_ms`: the time at which it counts; −1: it says
    nothing new.
    """

    room: RoomCount
    event: RoomEvent
    session: SessionCount | None
    counts_ms: int


class Accounts(Struct):
    """`received = applied + duplicate + dead_lettered`; `retimed` is a part of `applied`.

    `forgettable`: records repeated so late that the worker may rightly have forgotten their id. `in_two_topics`:
    counted records whose event id was also used by a counted record in another topic of their room.
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

    It remembers everything until `forget` drops what no later figure depends on.

    Args:
        assumptions: the settings of the worker, for what the rulebook does not know.
        limits: the limits of the contract in every edition; None: those of the edition that the worker used.
        rulebook: the settings under which each record was folded.
    """

    def __init__(
        self,
        assumptions: Assumptions | None = None,
        limits: Limits | None = None,
        rulebook: Rulebook | None = None,
    ) -> None:
        self._rulebook = rulebook or Rulebook(assumptions or Assumptions())
        self._limits = limits
        self._decoders: dict[tuple[int, int, int, int, tuple[str, ...]], dict[str, Decoder]] = {}
        self._rooms: dict[str, RoomCount] = {}
        self._seen = SeenIds()
        self._waiting: dict[str, list[_Found]] = {}
        self.accounts = Accounts()
        # Records whose own time was ahead of the worker's clock. The log alone does not show them. Their letters do:
        # these were written before that time had come.
        self.ahead_of_clock: set[tuple[str, int, int]] = set()
        self.refusals: list[Refusal] = []
        self.last_is_news = False  # whether the last added record may begin a session
        self.clock_ms = -1  # the partition's clock, for a caller that follows it; −1: records' times are used
        self.heard: Callable[[Heard], None] | None = None  # called with each record that the contract accepts

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
        """Count one record. Returns its room, or None if it is refused.

        Args:
            topic: logical or full name.
            value: the record's value.
            key: the record's key, the room.
            timestamp_ms: the record's time; −1: it has none.
            partition: the record's partition.
            offset: the record's offset; −1: records come in the order of their folding, and silence and hosts' words
            end sessions as they come. Otherwise documents tell where sessions begin (`begins`).
            headers: the record's headers.
            wait: count the record only when `release` asks for it: until then its session is unknown.
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
        mechanics = tuple(name for name, _ in rules.mechanics)
        place = rules.contract_edition, partition if partitions else 0, partitions, rules.signals_edition, mechanics
        decoders = self._decoders.get(place)
        if decoders is None:
            limits = self._limits or Limits(
                edition=place[0],
                signals_edition=place[3],
                partition=place[1],
                partitions=partitions,
                mechanics=mechanics,
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
        """Count an event. Returns the reason to refuse it if it contradicts its room, else None."""
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
            # The worker remembers ids in two generations: for the time of one at least, of both at most.
            if age_ms <= FORGET_AFTER_GENERATIONS * rules.remember_ids_ms:
                if rules.contract_edition > FIRST_EDITION and self._says_something_new(found):
                    self._tell(event, -1)
                    return "event_id_conflict"
                self.accounts.duplicate += 1
                if rules.remember_sales_ms:  # the id is remembered anew
                    self._seen.see(room_id, event_id, topic, max(timestamp_ms, seen_ms))
                    self._heard_of(found)
                self._tell(event, -1)
                return None
        room = self._room(room_id, rules)
        if rules.contract_edition > FIRST_EDITION and isinstance(event, Order) and room.met.contradicts(event):
            self._tell(event, -1)
            return "order_conflict"
        self.last_is_news = room.is_news(event, rules)
        room.meet(event, rules)
        self._seen.see(room_id, event_id, topic, timestamp_ms)
        if rules.ids_by_topic:
            self.accounts.in_two_topics += self._seen.is_elsewhere(room_id, event_id, topic)
        if wait:
            self._waiting.setdefault(event.room_id, []).append(found)
        else:
            self._apply(found)
        return None

    def _room(self, room_id: str, rules: Assumptions) -> RoomCount:
        """The room, which is made at its first record."""
        room = self._rooms.get(room_id)
        if room is None:
            room = self._rooms[room_id] = self._new_room(room_id, rules)
        return room

    def _new_room(self, room_id: str, rules: Assumptions) -> RoomCount:
        return RoomCount(room_id, rules, self._rulebook.mechanics)

    def _says_nothing(self, found: _Found) -> bool:
        """Whether a host's word opens a show that already goes on, or closes none. Such a word is not remembered."""
        event = found.event
        if found.offset >= 0 or not found.rules.remember_sales_ms or not isinstance(event, RoomOpened | RoomClosed):
            return False
        room = self._rooms.get(event.room_id)
        return isinstance(event, RoomClosed) if room is None else room.says_nothing(event, self._now_ms(found))

    def _now_ms(self, found: _Found) -> int:
        """The time of a record's folding: sessions end by the silence up to it."""
        return found.timestamp_ms if self.clock_ms < 0 else self.clock_ms

    def _heard_of(self, found: _Found) -> None:
        """Take a repetition as a sign of life of its room, unless it is a host's word."""
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
        """Whether a record with a used id is an order with a status or word that is new to its room."""
        event = found.event
        if not isinstance(event, Order):
            return False
        room = self._rooms.get(event.room_id)
        return room is None or not room.met.has_heard(event, found.rules)

    def forget(self, clock_ms: int) -> list[str]:
        """The rooms that have ended by silence. Drops what no figure from `clock_ms` on depends on.

        Dropped are ids that would count anew, seconds that have left every window, and ended rooms, whose next record
        begins a new session. The rest grows with the remembered ids, and with the people and orders of sessions that go
        on.
        """
        self._forget_ids(clock_ms)
        over = [room_id for room_id, room in self._rooms.items() if room.is_forgotten(clock_ms)]
        for room_id in over:
            del self._rooms[room_id]
        for room in self._rooms.values():
            room.forget(clock_ms)
        return over

    def settle(self, clock_ms: int) -> None:
        """Forget as `forget` does, but keep rooms and sessions: ended ones can still be asked for."""
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
        """Note from a document that a room's session begins at these offsets, by logical topic, and where it ends."""
        room = self._rooms.get(room_id)
        if room is None:
            room = self._rooms[room_id] = self._new_room(room_id, self._rulebook.stated)
        room.begins(began_at_ms, first_offsets, next_offsets)

    def release(self, room_id: str, positions: Mapping[str, int]) -> None:
        """Count a room's waiting records below these offsets, by logical topic."""
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
        """The rooms with waiting records."""
        return list(self._waiting)

    def remembered(self) -> dict[str, int]:
        """The numbers of remembered items, by kind."""
        rooms = self._rooms.values()
        return {
            "ids": len(self._seen),
            "rooms": len(self._rooms),
            "orders": sum(room.orders() for room in rooms),
            "seconds": sum(room.seconds() for room in rooms),
        }

    def room_ids(self) -> list[str]:
        """Every known room, in alphabetical order."""
        return sorted(self._rooms)

    def words_beyond(self, room_id: str) -> int:
        """How many words about terms of a room's sales newer ones have displaced."""
        room = self._rooms.get(room_id)
        return 0 if room is None else room.words_beyond

    def room(
        self, room_id: str, as_of_ms: int, rules: Assumptions | None = None, session: Session | None = None
    ) -> RoomFigures:
        """The figures of one room at a moment. An unknown room has zeros.

        `rules`: the rules of the owner that published the document to compare with; None: as last time. `session`: the
        session of that document; if records came in log order, the newest session is used.
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
        """The second of the room's last record, in ms; 0: there is none."""
        return self._rooms[room_id].last_second_ms() if room_id in self._rooms else 0

    def was_silent_too_long(
        self, room_id: str, room_idle_ms: int | None = None, session: Session | None = None
    ) -> bool:
        """Whether the room's session may have ended and begun anew within these records, with nothing to say so.

        `room_idle_ms`: the shortest silence that ended a session; None: as in the room's rules.
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
    """The recount of a whole recording."""
    recount = Recount(assumptions)
    for record in records:
        recount.add_record(record)
    return recount
