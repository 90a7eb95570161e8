"""Events of one room and one topic, taken together; and how the records of a piece are sorted by room."""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from functools import cached_property
from itertools import compress
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from stream.contract.forms import RoomPart
from stream.core.time import BUCKET_MS, NEVER_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from stream.contract.forms import Columns

    Seconds = int | Sequence[int]

K = TypeVar("K", bound="Hashable")
T = TypeVar("T")


class Batch(NamedTuple):
    """Events of one room and one topic, in the order of the log.

    Attributes:
        events: the events.
        at_ms: the effective time of each, in ms.
        seconds: the second of each; one number if all of them have the same.
    """

    events: Sequence[Any]
    at_ms: Sequence[int]
    seconds: Seconds

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.events)

    def column(self, name: str) -> list[Any]:
        """One field of each event."""
        return [*map(attrgetter(name), self.events)]

    def are(self, kind: type) -> list[bool]:
        """Of each whether it is of this kind."""
        return [type(event) is kind for event in self.events]

    def retimed(self) -> int:
        """How many have another effective time than their own."""
        return sum(event.event_time_ms != at_ms for event, at_ms in zip(self.events, self.at_ms, strict=True))

    def those(self, chosen: Sequence[bool]) -> Batch:
        """Returns the events that are chosen. `chosen` holds one answer for each event."""
        seconds = self.seconds if isinstance(self.seconds, int) else list(compress(self.seconds, chosen))
        return Batch(list(compress(self.events, chosen)), list(compress(self.at_ms, chosen)), seconds)


class Apart(NamedTuple):
    """An event of a record that is in no column; `place`: of the record in the piece; `append_ms`: its append time."""

    place: int
    event: Any
    at_ms: int
    append_ms: int


class ColumnBatch:
    """The same of records that were scanned into columns: it makes an event only for whoever asks for events.

    Args:
        columns: of the whole piece.
        part: the room's part of them.
        event_at: the event of the record at a place in the piece.
        kinds: what the columns' kinds are.
        apart: the room's events that are in no column, in the order of the log.

    Attributes:
        part: what is known of all of the room's records, those apart too; `begin` and `end` are of the columns.
    """

    def __init__(
        self,
        columns: Columns,
        part: RoomPart,
        event_at: Callable[[int], Any],
        kinds: Sequence[type],
        apart: Sequence[Apart] = (),
    ) -> None:
        self._columns, self._event_at, self._kinds = columns, event_at, kinds
        self._apart: Sequence[tuple[int, Apart]] = ()  # each with its place in the batch
        if apart:
            of_columns = columns.places(part)
            self._apart = [(bisect(of_columns, each.place) + before, each) for before, each in enumerate(apart)]
            part = _grown(part, apart)
        self.part = part

    def _with_apart(self, of_columns: Sequence[Any], value_of: Callable[[Apart], Any]) -> Sequence[Any]:
        if not self._apart:
            return of_columns
        whole = [*of_columns]
        for at, each in self._apart:
            whole.insert(at, value_of(each))
        return whole

    @property
    def size(self) -> int:
        """How many there are."""
        return self.part.end - self.part.begin + len(self._apart)

    @cached_property
    def places(self) -> Sequence[int]:
        """The place of each record in the piece."""
        return self._with_apart(self._columns.places(self.part), attrgetter("place"))

    @cached_property
    def events(self) -> Sequence[Any]:
        """The events."""
        events = [*map(self._event_at, self._columns.places(self.part))]
        return self._with_apart(events, attrgetter("event"))

    @cached_property
    def at_ms(self) -> Sequence[int]:
        """The effective time of each, in ms."""
        return self._with_apart(self._columns.at_ms(self.part), attrgetter("at_ms"))

    @cached_property
    def seconds(self) -> Seconds:
        """The second of each; one number if all of them have the same."""
        second = self.part.least_ms // BUCKET_MS
        if self.part.most_ms // BUCKET_MS == second:
            return second
        return [at_ms // BUCKET_MS for at_ms in self.at_ms]

    def column(self, name: str) -> Sequence[Any]:
        """One field of each event."""
        return self._with_apart(self._columns.column(self.part, name), lambda each: getattr(each.event, name, None))

    def are(self, kind: type) -> list[bool]:
        """Of each whether it is of this kind."""
        if len(self._kinds) == 1:
            return [self._kinds[0] is kind] * self.size
        of_columns = [self._kinds[number] is kind for number in self._columns.kinds(self.part)]
        return [*self._with_apart(of_columns, lambda each: type(each.event) is kind)]

    def retimed(self) -> int:
        """How many have another effective time than their own."""
        return self.part.retimed

    def those(self, chosen: Sequence[bool]) -> ChosenBatch:
        """Returns the events that are chosen. `chosen` holds one answer for each event."""
        return ChosenBatch(self, chosen)


class ChosenBatch:
    """Some events of a `ColumnBatch`."""

    def __init__(self, whole: ColumnBatch | ChosenBatch, chosen: Sequence[bool]) -> None:
        self._whole, self._chosen = whole, chosen
        self.size = sum(chosen)

    @property
    def events(self) -> list[Any]:
        """The events."""
        return list(compress(self._whole.events, self._chosen))

    @cached_property
    def at_ms(self) -> list[int]:
        """The effective time of each, in ms."""
        return list(compress(self._whole.at_ms, self._chosen))

    @property
    def seconds(self) -> Seconds:
        """The second of each; one number if all of them have the same."""
        seconds = self._whole.seconds
        return seconds if isinstance(seconds, int) else list(compress(seconds, self._chosen))

    def column(self, name: str) -> list[Any]:
        """One field of each event."""
        return list(compress(self._whole.column(name), self._chosen))

    def are(self, kind: type) -> list[bool]:
        """Of each whether it is of this kind."""
        return list(compress(self._whole.are(kind), self._chosen))

    def retimed(self) -> int:
        """How many have another effective time than their own."""
        own_ms = self.column("event_time_ms")
        return sum(own != at_ms for own, at_ms in zip(own_ms, self.at_ms, strict=True))

    def those(self, chosen: Sequence[bool]) -> ChosenBatch:
        """Returns the events that are chosen of these."""
        return ChosenBatch(self, chosen)


AnyBatch = Batch | ColumnBatch | ChosenBatch


def no_part(room_id: str, first_place: int) -> RoomPart:
    """The part of a room that has no records in columns."""
    return RoomPart(room_id, 0, 0, first_place, 0, -1, NEVER_MS, -1)


def _grown(part: RoomPart, apart: Sequence[Apart]) -> RoomPart:
    times = [each.at_ms for each in apart]
    return part._replace(
        first_place=min(part.first_place, apart[0].place),
        retimed=part.retimed + sum(each.event.event_time_ms != each.at_ms for each in apart),
        newest_ms=max(part.newest_ms, *(each.append_ms for each in apart)),
        least_ms=min(part.least_ms, *times),
        most_ms=max(part.most_ms, *times),
    )


def by_room(room_ids: Sequence[K], items: Sequence[T]) -> dict[K, list[T]]:
    """Returns the items of each room in their order. The key may be any value that tells items apart."""
    if room_ids and room_ids.count(room_ids[0]) == len(room_ids):
        return {room_ids[0]: list(items)}
    found: defaultdict[K, list[T]] = defaultdict(list)
    for room_id, item in zip(room_ids, items, strict=True):
        found[room_id].append(item)
    return found


def newest_by_room(room_ids: Sequence[str], append_time_ms: list[int]) -> dict[str, int]:
    """Returns the greatest append time of each room.

    It is that of the room's last record, unless producers set the times themselves.
    """
    if sorted(append_time_ms) == append_time_ms:
        return dict(zip(room_ids, append_time_ms, strict=True))
    return {room_id: max(times) for room_id, times in by_room(room_ids, append_time_ms).items()}
