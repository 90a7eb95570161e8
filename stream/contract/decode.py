"""Stage 1: bytes of a record → an event, or a dead letter with the reason. Total: any bytes have an answer.

A good record costs one typed msgspec pass and a few cheap tests. Only a refused record is looked at again, in the fixed
order of `Reason`: the reason then does not depend on where msgspec happened to stop.

One exception passes through: RecursionError when the *caller* has all but used up Python's stack. That is broken
machinery, no fault of the record, and must not become a dead letter.
"""

from __future__ import annotations

from collections.abc import Collection
from operator import attrgetter, sub
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from stream.contract import cloudevents
from stream.contract.catalogue import BUILT_IN, Catalogue
from stream.contract.events import (
    EDITION,
    FIRST_EDITION,
    MAX_AGE_MS,
    MAX_AHEAD_MS,
    MAX_RECORD_BYTES,
    CartRemove,
    Order,
)
from stream.contract.forms import Scanning, form_of
from stream.contract.ids import are_id_chars, id_check, ids_check, pointer_to_bad_id
from stream.contract.kept import Unreadable, whole_bytes
from stream.contract.order_words import is_odd, odd_order
from stream.contract.overlay import FIRST_SIGNALS, SIGNALS_EDITION
from stream.contract.partitioner import partition_of
from stream.contract.plausible import impossible_time
from stream.contract.refusal import DeadLetter, Reason, refuse, violation
from stream.contract.wire import MAX_DEPTH, check_bytes, is_too_deep, is_utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream.contract.events import RoomEvent
    from stream.contract.forms import Columns, Scannable

__all__ = ["DeadLetter", "Decoded", "Decoder", "Limits", "Reason", "Record"]

# The size of the smallest good record plus the brackets of MAX_DEPTH levels: the smallest is a `leave` with ids of one
# character, and a level takes two bytes. No record up to this size can be too deep, so its depth is not tested.
CANNOT_BE_DEEP_BYTES = 2 * MAX_DEPTH + 72

# Bound on the rooms whose key has been checked. A full table is emptied: each room then costs one slower check again.
MAX_KNOWN_ROOMS = 4_096

# Topics whose records may be had in columns, because their folds take columns: nearly all records are on these.
IN_COLUMNS = frozenset(("comments", "likes", "cart-adds", "visits"))

# Types of the second edition of signals: unknown to the first.
_SECOND_SIGNALS = frozenset((CartRemove,))


class _Head(Struct):
    """The `type` of a refused record."""

    type: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_headers_of = attrgetter("headers")
_head_of = msgspec.json.Decoder(_Head).decode
_str_of = msgspec.json.Decoder(str).decode


class Record(Protocol):
    """The parts of a Kafka record that are read. `timestamp` is the append time in ms (−1: none)."""

    @property
    def value(self) -> bytes | None:
        """The event, as bytes; None is a tombstone."""
        ...

    @property
    def key(self) -> bytes | None:
        """The room id, as bytes."""
        ...

    @property
    def offset(self) -> int:
        """The record's place in the log."""
        ...

    @property
    def timestamp(self) -> int:
        """The append time in ms; −1: none."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """The record's headers."""
        ...


class Decoded(NamedTuple):
    """Good records as columns of equal length, in log order.

    `ahead_ms`: the least and the greatest of event time − append time. `refused`: the places of the records that are
    not among them, each with the reason.
    """

    events: list[RoomEvent]
    room_ids: list[str]
    event_time_ms: list[int]
    append_time_ms: list[int]
    ahead_ms: tuple[int, int]
    refused: Sequence[tuple[int, DeadLetter]] = ()


class Limits(Struct, frozen=True):
    """The limits of the contract; other values are for recordings that never heard of it.

    `edition`: of the contract; an older one reads what was written under it as it was read then. `signals_edition`:
    under an older one there were fewer types. `mechanics`: whose kinds are known; None: all of the catalogue's.
    `partition` and `partitions`: where the records lie, and among how many;
    0 of them: whether a key belongs there is not asked.
    """

    max_record_bytes: int = MAX_RECORD_BYTES
    max_ahead_ms: int = MAX_AHEAD_MS
    max_age_ms: int = MAX_AGE_MS
    edition: int = EDITION
    signals_edition: int = SIGNALS_EDITION
    partition: int = 0
    partitions: int = 0
    mechanics: Collection[str] | None = None


_CONTRACT_LIMITS = Limits()


class Decoder:
    """Decodes the records of one input topic. All it keeps is which rooms it has seen, and that changes no answer.

    Events of the mechanics' kinds, on `interactions`, come out under the name of `RoomEvent` too: who asks for their
    type asks the catalogue.
    """

    __slots__ = (
        "_event_of",
        "_form",
        "_id_checks",
        "_ids_checks",
        "_looks_at_orders",
        "_looks_at_times",
        "_max_age_ms",
        "_max_ahead_ms",
        "_max_record_bytes",
        "_partition",
        "_partitions",
        "_rooms",
        "_second_signals",
        "_topic",
        "_topic_of_type",
    )

    def __init__(self, topic_index: int, limits: Limits = _CONTRACT_LIMITS, catalogue: Catalogue = BUILT_IN) -> None:
        if limits.mechanics is not None:
            catalogue = catalogue.only(limits.mechanics)
        self._topic, kinds = catalogue.topics[topic_index]
        unknown = _SECOND_SIGNALS.intersection(kinds) if limits.signals_edition <= FIRST_SIGNALS else ()
        kinds = tuple(kind for kind in kinds if kind not in unknown)
        # All types, on every topic: a union of one would accept a record without `type`, and a wrong topic has its own
        # reason.
        self._event_of: Callable[[bytes], RoomEvent] = catalogue.decode  # type: ignore[assignment] # see `Decoder`
        self._topic_of_type = {name: topic for name, (topic, kind) in catalogue.types.items() if kind not in unknown}
        self._id_checks = {kind: id_check(kind) for kind in kinds}
        self._ids_checks = {kind: ids_check(kind) for kind in kinds}
        self._max_record_bytes = limits.max_record_bytes
        self._max_ahead_ms = limits.max_ahead_ms
        self._max_age_ms = limits.max_age_ms
        self._looks_at_times = limits.edition > FIRST_EDITION and self._topic == "sales"
        self._looks_at_orders = self._topic == "orders"
        self._second_signals = limits.signals_edition > FIRST_SIGNALS
        self._partition = limits.partition
        self._partitions = limits.partitions
        self._rooms: dict[bytes | None, str] = {}
        self._form = form_of(kinds) if self._topic in IN_COLUMNS else None

    def decode(  # noqa: PLR0911 — one for each kind of refusal
        self,
        value: bytes | None,
        key: bytes | None,
        append_time_ms: int,
        headers: Sequence[tuple[str, bytes | None]] = (),
    ) -> RoomEvent | DeadLetter:
        """The event of one record, or the dead letter with the reason for refusing it.

        Args:
            value: the record's value. None is a tombstone, which no input topic has.
            key: the record's key, which must equal the `room_id`.
            append_time_ms: the record's time. If negative, the record has none, and the event's time is not compared.
            headers: the record's headers. Only `content-type` and the CloudEvents headers are read.
        """
        if value is None or headers or len(value) > self._max_record_bytes:
            plain = self._plain(value, headers)
            if isinstance(plain, DeadLetter):
                return plain
            value = plain
        try:
            event = self._event_of(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._refusal(value)
        are_ids = self._id_checks.get(type(event))
        if (
            are_ids is None
            or (len(value) > CANNOT_BE_DEEP_BYTES and is_too_deep(value))
            # msgspec does not check the UTF-8 of fields that it skips.
            or not (value.isascii() or is_utf8(value))
            or not are_ids(event)
            or (self._looks_at_orders and self._is_odd(event))
        ):
            return self._refusal(value)
        if self._rooms.get(key) != event.room_id and (refused := self._meet_room(event, key)):
            return refused
        if append_time_ms >= 0 and not (
            -self._max_age_ms <= event.event_time_ms - append_time_ms <= self._max_ahead_ms
        ):
            return self._untimely(event.event_time_ms - append_time_ms)
        if self._looks_at_times and (impossible := impossible_time(event)):
            return impossible
        return event

    def decode_all(self, records: Sequence[Record]) -> Decoded | None:
        """The events of many records as columns; None if any record needs a look by itself, which `decode` then gives.

        Costs a quarter of decoding one at a time: every test but the decoding runs over whole columns. This method may
        only be stricter than `decode`: no record passes here that `decode` refuses.
        """
        values = [record.value for record in records]
        try:
            events: list[RoomEvent] = [*map(self._event_of, values)]  # type: ignore[arg-type] # None raises TypeError
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):
            return None
        keys, named = [record.key for record in records], [event.room_id for event in events]
        room_ids = [*map(self._rooms.get, keys)]
        if room_ids != named:  # an unknown room is None, which equals no id
            if not self._are_met(keys, named, events):
                return None
            room_ids = [*map(self._rooms.get, keys)]
            if room_ids != named:
                return None  # the batch has more rooms than the cache holds
        event_time_ms = [event.event_time_ms for event in events]
        append_time_ms = [record.timestamp for record in records]
        ahead_ms = [*map(sub, event_time_ms, append_time_ms)]
        least_ms, most_ms = min(ahead_ms), max(ahead_ms)
        if (
            any(map(_headers_of, records))
            or min(append_time_ms) < 0
            or least_ms < -self._max_age_ms
            or most_ms > self._max_ahead_ms
            or not self._are_well_formed(values, events)  # type: ignore[arg-type] # decoded: none of them is None
        ):
            return None
        return Decoded(events, room_ids, event_time_ms, append_time_ms, (least_ms, most_ms))  # type: ignore[arg-type]

    def decode_each(self, records: Sequence[Record]) -> Decoded | None:
        """The same by `decode`, record by record: refused ones are apart. None: a good one has no time."""
        events: list[RoomEvent] = []
        times, refused = list[int](), list[tuple[int, DeadLetter]]()
        for place, record in enumerate(records):
            event = self.decode(record.value, record.key, record.timestamp, record.headers)
            if isinstance(event, DeadLetter):
                refused.append((place, event))
            else:
                events.append(event)
                times.append(record.timestamp)
        if min(times, default=0) < 0:
            return None
        event_time_ms = [event.event_time_ms for event in events]
        ahead_ms = [*map(sub, event_time_ms, times)] or [0]
        room_ids = [event.room_id for event in events]
        return Decoded(events, room_ids, event_time_ms, times, (min(ahead_ms), max(ahead_ms)), refused)

    def are_good(self, values: Sequence[bytes], events: Sequence[RoomEvent], append_time_ms: int) -> bool:
        """Whether `decode` takes each of these values, if it is stored at that time under the room of its event.

        As `decode_all`, this method may only be stricter than `decode`.

        Args:
            values: the records' values, one at least.
            events: what the catalogue reads them as, of any types.
            append_time_ms: the time of all records.
        """
        times_ms = [event.event_time_ms for event in events]
        rooms = {event.room_id: event for event in events}
        return (
            append_time_ms - self._max_age_ms <= min(times_ms)
            and max(times_ms) <= append_time_ms + self._max_ahead_ms
            and self._are_well_formed(values, events)
            and self._are_met([*map(str.encode, rooms)], [*rooms], [*rooms.values()])
        )

    def in_columns(self, records: Scannable, lateness_ms: int) -> Columns | None:
        """The columns of many records; None if too many need a look by themselves, or their topic has no columns.

        As strict as `decode_all`: what is not checked by the scan, the partition of each room, is checked here.
        `lateness_ms`: see `stream.core.time.effective_time_ms`.
        """
        if self._form is None:
            return None
        how = Scanning(self._form, self._max_record_bytes, self._max_age_ms, self._max_ahead_ms, lateness_ms)
        columns = records.columns(how)
        are_at_home = columns is not None and all(self._is_at_home(part.room_id) for part in columns.rooms)
        return columns if are_at_home else None

    @property
    def kinds_in_columns(self) -> Sequence[type]:
        """What the kinds of the columns are."""
        return () if self._form is None else [kind.event for kind in self._form.kinds]

    def event_in_columns(self, value: bytes) -> RoomEvent:
        """The event of a record that columns hold, which is good."""
        return self._event_of(value)

    def _is_at_home(self, room_id: str) -> bool:
        """Whether a room whose records have the right key belongs in this partition. Remembers that it does."""
        key = room_id.encode()
        if key in self._rooms:
            return True
        if self._partitions and partition_of(key, self._partitions) != self._partition:
            return False
        self._remember(key, room_id)
        return True

    def _remember(self, key: bytes, room_id: str) -> None:
        if len(self._rooms) >= MAX_KNOWN_ROOMS:
            self._rooms.clear()
        self._rooms[key] = room_id

    def _is_odd(self, event: RoomEvent) -> bool:
        return isinstance(event, Order) and is_odd(event, second_signals=self._second_signals)

    def _are_well_formed(self, values: Sequence[bytes], events: Sequence[RoomEvent]) -> bool:
        """Whether sizes, nesting, UTF-8, types, id characters, orders and times of sales of all records are right."""
        kinds = set(map(type, events))
        for kind in kinds:
            are_ids = self._ids_checks.get(kind)
            of_kind = events if len(kinds) == 1 else [event for event in events if type(event) is kind]
            if are_ids is None or not are_ids(of_kind):
                return False
        longest = max(map(len, values))
        if longest > self._max_record_bytes:
            return False
        if longest > CANNOT_BE_DEEP_BYTES and any(map(is_too_deep, values)):
            return False
        # The line break between values keeps the start of one from completing a character cut off at the end of
        # another.
        together = b"\n".join(values)
        return (
            (together.isascii() or is_utf8(together))
            and not (self._looks_at_orders and any(map(self._is_odd, events)))
            and not (self._looks_at_times and any(map(impossible_time, events)))
        )

    def _plain(self, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> bytes | DeadLetter:
        """The record as bare JSON: CloudEvents headers become fields, other headers are ignored."""
        if isinstance(headers, Unreadable):
            return refuse(Reason.UNREADABLE_RECORD, headers.why)
        if value is None:
            return refuse(Reason.NOT_JSON, "the record has no value (a tombstone)")
        if len(value) > self._max_record_bytes:
            detail = f"the record has {whole_bytes(value)} bytes, the most is {self._max_record_bytes}"
            return refuse(Reason.TOO_LARGE, detail)
        return cloudevents.plain_record(value, headers)

    def _are_met(self, keys: Sequence[bytes | None], named: Sequence[str], events: Sequence[RoomEvent]) -> bool:
        """Whether all keys are right. Checks the rooms that the cache lacks and adds them."""
        pairs = dict(zip(zip(keys, named, strict=True), events, strict=True))
        return not any(
            self._rooms.get(key) != room_id and self._meet_room(event, key) for (key, room_id), event in pairs.items()
        )

    def _meet_room(self, event: RoomEvent, key: bytes | None) -> DeadLetter | None:
        """The refusal of a wrong key; None if the key is right, which the cache then remembers."""
        if not are_id_chars(event.room_id):
            return _bad_id(event)
        if key != event.room_id.encode():
            said = "no key" if key is None else f"the key {key.decode(errors='replace')!r}"
            return refuse(Reason.KEY_MISMATCH, f"room_id is {event.room_id!r}, but the record has {said}", "/room_id")
        if self._partitions and (home := partition_of(key, self._partitions)) != self._partition:
            return refuse(
                Reason.MISPLACED_KEY,
                f"the key {event.room_id!r} belongs in partition {home} of {self._partitions} (murmur2), the record is "
                f"in partition {self._partition}",
            )
        self._remember(key, event.room_id)
        return None

    def _untimely(self, ahead_ms: int) -> DeadLetter:
        if ahead_ms > 0:
            detail = f"the event is {ahead_ms} ms ahead of the record's append time, the most is {self._max_ahead_ms}"
            return refuse(Reason.AHEAD_OF_CLOCK, detail, "/event_time_ms")
        detail = f"the event is {-ahead_ms} ms older than the record's append time, the most is {self._max_age_ms}"
        return refuse(Reason.TOO_OLD, detail, "/event_time_ms")

    def _refusal(self, value: bytes) -> DeadLetter:
        """The first reason, in the order of `Reason`, why these bytes are no event of this topic."""
        if refused := check_bytes(value) or self._check_type(value):
            return refused
        try:
            event = self._event_of(value)
        except msgspec.DecodeError as error:
            return violation(str(error))
        if isinstance(event, Order) and (refused := odd_order(event, value, second_signals=self._second_signals)):
            return refused
        return _bad_id(event)

    def _check_type(self, value: bytes) -> DeadLetter | None:
        """The refusal for a wrong `type`, which decides what else is checked. The value must be JSON."""
        try:
            head = _head_of(value)
        except msgspec.ValidationError as not_an_object:
            return violation(str(not_an_object))
        if isinstance(head.type, msgspec.UnsetType):
            return refuse(Reason.SCHEMA_VIOLATION, "Object missing required field `type`", "/type")
        try:
            name = _str_of(head.type)
        except msgspec.ValidationError as not_a_string:
            return refuse(Reason.SCHEMA_VIOLATION, str(not_a_string), "/type")
        topic = self._topic_of_type.get(name)
        if topic is None:
            return refuse(Reason.UNKNOWN_TYPE, f"no event type is called {name!r}", "/type")
        if topic != self._topic:
            detail = f"events of type {name!r} belong on {topic!r}, not on {self._topic!r}"
            return refuse(Reason.WRONG_TOPIC, detail, "/type")
        return None


def _bad_id(event: RoomEvent) -> DeadLetter:
    pointer = pointer_to_bad_id(event)
    return refuse(Reason.SCHEMA_VIOLATION, "an id may hold letters, digits and . _ : - only", pointer)


def ahead_of_clock(ahead_ms: int) -> DeadLetter:
    """The refusal of a record whose own time, set by its producer, lies too far ahead of the reader's clock."""
    detail = f"the record's time is {ahead_ms} ms ahead of the clock, the most is {MAX_AHEAD_MS}"
    return refuse(Reason.AHEAD_OF_CLOCK, detail)
