"""From planned events to deliveries: network latency, delayed events, repeated deliveries, a client that replays.

It works on a stream and remembers only what is still on its way: a show of twelve million events stays small.
A hash of (seed, n) decides whether event number n is delayed or repeated: it is the same in every run, and can be
counted without delivering.
"""

from __future__ import annotations

from functools import cache
from heapq import heappop, heappush
from typing import TYPE_CHECKING
from zlib import crc32

import msgspec
from msgspec import Struct, structs

from stream.contract.catalogue import topic_of
from stream.contract.events import RoomClosed, RoomOpened
from stream.shows.show import Delivery

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from stream.contract.events import Event

# From the client's tap to the broker, if nothing goes wrong (assumed).
LATENCY_MS = 20
# Nothing is disturbed in the last seconds, so that the show ends on time.
UNDISTURBED_TAIL_MS = 5_000
# The effect of these depends on their place among the other records, so they arrive at once and once.
_IN_PLACE = (RoomOpened, RoomClosed)

_encode = msgspec.json.Encoder().encode


class Replay(Struct, frozen=True, kw_only=True):
    """A client loses its connection and, once back, sends `count` of its events a second time under their old ids."""

    count: int
    first_ms: int
    lost_ms: int
    back_ms: int
    gap_ms: int = 1


class Disturbance(Struct, frozen=True, kw_only=True):
    """The faults between client and broker. Shares are per ten thousand events; ranges are [least, most) in ms.

    Nothing is disturbed before `from_ms`.
    """

    seed: int
    duration_ms: int
    repeated_per_10k: int
    held_back_per_10k: int
    from_ms: int = 0
    repeat_after_ms: tuple[int, int] = (50, 3_000)
    held_back_ms: tuple[int, int] = (300, 4_000)
    replay: Replay | None = None

    def _roll(self, purpose: str, number: int, sides: int) -> int:
        return crc32(b"%d/%d/%s" % (self.seed, number, purpose.encode())) % sides

    def _spared(self, event: Event) -> bool:
        in_time = self.from_ms <= event.event_time_ms < self.duration_ms - UNDISTURBED_TAIL_MS
        return not in_time or isinstance(event, _IN_PLACE)

    def delay_ms(self, number: int, event: Event) -> int:
        """The delay of event `number`; 0 for most events."""
        if self._spared(event) or self._roll("late", number, 10_000) >= self.held_back_per_10k:
            return 0
        least, most = self.held_back_ms
        return least + self._roll("how-late", number, most - least)

    def repeat_ms(self, number: int, event: Event) -> int:
        """The time from the first to the second delivery of event `number`; 0 for most events, which come once."""
        if self._spared(event) or self._roll("again", number, 10_000) >= self.repeated_per_10k:
            return 0
        least, most = self.repeat_after_ms
        return least + self._roll("when-again", number, most - least)

    def replayed(self, number: int, at_ms: int) -> bool:
        """Whether event `number` was sent by the client that will replay. That client serves one in twenty-five."""
        replay = self.replay
        return (
            replay is not None and replay.first_ms <= at_ms < replay.lost_ms and self._roll("client", number, 25) == 0
        )


class Disturbed(Struct, frozen=True):
    """The number of deliveries that a disturbance adds or moves."""

    redelivered: int
    replayed: int
    out_of_order: int


def count_disturbed(events: Iterable[Event], held_back_ms: Mapping[str, int], disturbance: Disturbance) -> Disturbed:
    """The counts of what `deliver` will do to these events."""
    redelivered = out_of_order = replayable = 0
    for number, event in enumerate(events):
        at_ms = event.event_time_ms
        redelivered += disturbance.repeat_ms(number, event) > 0
        out_of_order += disturbance.delay_ms(number, event) > 0 or event.event_id in held_back_ms
        replayable += disturbance.replayed(number, at_ms)
    wanted = disturbance.replay.count if disturbance.replay else 0
    return Disturbed(redelivered, min(wanted, replayable), out_of_order)


def deliver(
    events: Iterable[Event], held_back_ms: Mapping[str, int], disturbance: Disturbance, t0_ms: int
) -> Iterator[Delivery]:
    """The events, in order of event time, as deliveries in order of sending.

    Args:
        events: ordered by time, which counts from the show's beginning.
        held_back_ms: the delay by event id, for events that the scenario delivers late.
        disturbance: the other faults.
        t0_ms: the show's beginning, UTC epoch milliseconds.
    """
    on_the_way: list[tuple[int, int, Delivery]] = []  # ordered by time of sending, then by age
    kept: list[Delivery] = []
    pushed = 0
    for number, event in enumerate(events):
        at_ms = event.event_time_ms
        while on_the_way and on_the_way[0][0] < at_ms + LATENCY_MS:
            yield heappop(on_the_way)[2]
        delay_ms = held_back_ms.get(event.event_id) or disturbance.delay_ms(number, event)
        first = _delivery(event, at_ms + LATENCY_MS + delay_ms, t0_ms)
        heappush(on_the_way, (first.send_ms, pushed, first))
        pushed += 1
        repeat_ms = disturbance.repeat_ms(number, event)
        if repeat_ms:
            heappush(on_the_way, (first.send_ms + repeat_ms, pushed, first._replace(send_ms=first.send_ms + repeat_ms)))
            pushed += 1
        replay = disturbance.replay
        if replay is not None and len(kept) < replay.count and disturbance.replayed(number, at_ms):
            again = first._replace(send_ms=replay.back_ms + len(kept) * replay.gap_ms)
            kept.append(again)
            heappush(on_the_way, (again.send_ms, pushed, again))
            pushed += 1
    while on_the_way:
        yield heappop(on_the_way)[2]


def _delivery(event: Event, send_ms: int, t0_ms: int) -> Delivery:
    dated = _dated(event, t0_ms)
    return Delivery(
        send_ms, topic_of(type(event)), event.room_id.encode(), _encode(dated), event.event_id, dated.event_time_ms
    )


def _dated(event: Event, t0_ms: int) -> Event:
    """The event with its times moved from show time to UTC."""
    said = ((name, getattr(event, name)) for name in _times_of(type(event)))
    return structs.replace(event, **{name: at_ms + t0_ms for name, at_ms in said if at_ms is not None})


@cache
def _times_of(kind: type[Event]) -> tuple[str, ...]:
    """Fields that are moments: of the event itself, and all that are called `…_at_ms`."""
    return ("event_time_ms", *(name for name in kind.__struct_fields__ if name.endswith("_at_ms")))
