"""Events of one room and one topic, taken together; and how the records of a piece are sorted by room."""

from __future__ import annotations

from collections import defaultdict
from itertools import compress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

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

    def those(self, chosen: Sequence[bool]) -> Batch:
        """Returns the events that are chosen. `chosen` holds one answer for each event."""
        seconds = self.seconds if isinstance(self.seconds, int) else list(compress(self.seconds, chosen))
        return Batch(list(compress(self.events, chosen)), list(compress(self.at_ms, chosen)), seconds)


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
