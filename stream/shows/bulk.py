"""Parts of shows too large to plan event by event: pre-encoded events, and deliveries second by second.

A small show is a list of event objects (`plan.py`). The objects of fifteen million events would cost too much, so a
large show is arithmetic: a formula gives who comes when, a record is a filled-in template, and the totals follow from
the same formula without looking at a record.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec

from stream.contract.catalogue import topic_of
from stream.contract.events import TOPIC_NAMES, Event
from stream.shows.delivery import LATENCY_MS
from stream.shows.show import Delivery, Expected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from stream.shows.show import ExpectedRoom

# Of each topic's events, the first and then every 250th is delivered twice (assumed).
REPEATED_EACH = 250
REPEATED_AFTER_MS = 300

_encode = msgspec.json.Encoder().encode
_new = tuple.__new__  # a named tuple's own constructor costs as much as the rest of a record
_by_send_ms = itemgetter(0)


class Template:
    """One kind of event, encoded once. A record then costs only the filling in of its ids and its time.

    Args:
        event: its ids may hold `%x` and `%d`, the first of them in `event_id`. Its time is replaced in any case.
    """

    __slots__ = ("event_id", "key", "topic", "value")

    def __init__(self, event: Event) -> None:
        self.topic = topic_of(type(event))
        self.key = event.room_id.encode()
        self.event_id = event.event_id
        said = b'"event_time_ms":%d,' % event.event_time_ms
        self.value = _encode(event).replace(said, b'"event_time_ms":%d,', 1)


class Second:
    """Collects what is sent in one second of a show, and repeats some of it."""

    def __init__(self, t0_ms: int) -> None:
        self._t0_ms = t0_ms
        self._counts = dict.fromkeys(TOPIC_NAMES, 0)
        self._records: list[Delivery] = []

    def add(self, template: Template, number: int, at_ms: int, *ids: int) -> None:
        """Add one event. `number` makes its id, `at_ms` is show time, `ids` fill the other places in order."""
        topic, time_ms = template.topic, self._t0_ms + at_ms
        value = template.value % (number, time_ms, *ids)
        send_ms = at_ms + LATENCY_MS
        event_id = template.event_id % number
        self._records.append(_new(Delivery, (send_ms, topic, template.key, value, event_id, time_ms)))
        count = self._counts[topic]
        self._counts[topic] = count + 1
        if not count % REPEATED_EACH:
            # Kept within the same second: the next second then needs no look back for its order.
            send_ms = min(send_ms + REPEATED_AFTER_MS, at_ms - at_ms % 1_000 + 999 + LATENCY_MS)
            self._records.append(_new(Delivery, (send_ms, topic, template.key, value, event_id, time_ms)))

    def take(self) -> Iterable[Delivery]:
        """All deliveries of the second in order of sending. The next second begins."""
        records, self._records = self._records, []
        records.sort(key=_by_send_ms)
        return records


def repeated(records: Sequence[int]) -> int:
    """The number of deliveries that `Second` adds to these numbers of events of each topic."""
    return sum(-(-count // REPEATED_EACH) for count in records)


def expected_of(rooms: list[ExpectedRoom], records: Sequence[int], duration_ms: int) -> Expected:
    """The show's own figures. `records`: events of each topic, in any order."""
    return Expected(
        rooms=sorted(rooms, key=lambda room: room.room_id),
        deliveries=sum(records) + repeated(records),
        applied=sum(records),
        redelivered=repeated(records),
        replayed=0,
        repeated_statuses=0,
        out_of_order=0,
        duration_ms=duration_ms,
    )


def shared_out(total: int, weights: Sequence[float]) -> list[int]:
    """`total` in whole parts, each as near to its weight's share as the sum allows, each at least one.

    Raises:
        ValueError: `total` is less than the number of weights.
    """
    spare = total - len(weights)
    if spare < 0:
        raise ValueError(f"{total} cannot be shared by {len(weights)}")
    ends = list(_ends(spare, weights))
    return [1 + end - begin for begin, end in zip([0, *ends], ends, strict=False)]


def _ends(total: int, weights: Sequence[float]) -> Iterator[int]:
    whole, reached = sum(weights), 0.0
    for weight in weights[:-1]:
        reached += weight
        yield int(total * reached / whole)
    yield total


def curve(total: int, weights: Sequence[float]) -> list[int]:
    """The part of `total` that has happened before each of `len(weights) + 1` moments, if each step has its weight."""
    return [0, *_ends(total, weights)]
