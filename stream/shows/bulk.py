"""Parts of shows that are too large to plan event by event: pre-encoded events, and deliveries second by second.

A small show is a list of event objects (`plan.py`). Of fifteen million events nobody can afford the objects, so a large
show is arithmetic: who comes when is a formula, a record is a template filled in, and the figures that it adds up to
follow from the same formula without looking at a single record.
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

# Of each topic's events, the first one and then each so-manieth is delivered twice (assumed).
REPEATED_EACH = 250
REPEATED_AFTER_MS = 300

_encode = msgspec.json.Encoder().encode
_new = tuple.__new__  # a named tuple's own constructor costs as much as the rest of a record
_by_send_ms = itemgetter(0)


class Template:
    """One kind of event, encoded once; a record costs the filling in of its ids and its time.

    Args:
        event: its ids may hold `%x` and `%d`. The first must be in `event_id`; its time is filled in whatever it says.
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
        """One event. `number` makes its id, `at_ms` is show time, `ids` fill the template's other places in order."""
        topic, time_ms = template.topic, self._t0_ms + at_ms
        value = template.value % (number, time_ms, *ids)
        send_ms = at_ms + LATENCY_MS
        event_id = template.event_id % number
        self._records.append(_new(Delivery, (send_ms, topic, template.key, value, event_id, time_ms)))
        count = self._counts[topic]
        self._counts[topic] = count + 1
        if not count % REPEATED_EACH:
            # Within the same second: the next one is in order without looking back.
            send_ms = min(send_ms + REPEATED_AFTER_MS, at_ms - at_ms % 1_000 + 999 + LATENCY_MS)
            self._records.append(_new(Delivery, (send_ms, topic, template.key, value, event_id, time_ms)))

    def take(self) -> Iterable[Delivery]:
        """All of it in order of sending, and begin the next second."""
        records, self._records = self._records, []
        records.sort(key=_by_send_ms)
        return records


def repeated(records: Sequence[int]) -> int:
    """How many deliveries `Second` adds to so many events of each topic."""
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
    """`total` in whole parts, each as near to its weight's share as the sum allows; at least one each if they suffice.

    Raises:
        ValueError: there are fewer than weights.
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
    """How many of `total` have happened before each of `len(weights) + 1` moments, when each step has its weight."""
    return [0, *_ends(total, weights)]
