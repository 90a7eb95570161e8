"""Which orders are forgotten: those that are too old, or, beyond the bound, the least recently changed first.

The cut-off time of the second rule is saved, so that a new owner forgets the same orders.
"""

from __future__ import annotations

from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from stream.core.orders import forget_orders
from stream.core.saved.frames import frame, unframe
from stream.core.standing import KEPT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from stream.core.counters import Counters
    from stream.core.memory import Memory
    from stream.core.rules import Rules

FORGETTING_KEY = b"f|"
# Beyond the bound so much of it more is forgotten than must be: the search is then paid once for these.
MORE = 1 / 64
_decoder = msgspec.msgpack.Decoder(int)


class Forgetting:
    """Of one partition."""

    def __init__(self, rules: Rules) -> None:
        self._remember_ms = rules.remember_orders_ms
        self._most = rules.remember_orders_max
        self._bound_ms = -1  # what has not changed since then was forgotten for want of room

    def since_ms(self, clock_ms: int) -> int:
        """Orders that have not changed since this moment are forgotten."""
        return max(clock_ms - self._remember_ms, self._bound_ms)

    def forget(
        self,
        rooms: Collection[Memory],
        clock_ms: int,
        counters: Counters,
        changed: Callable[[Memory], None] = lambda _: None,
    ) -> Iterator[tuple[bytes, bytes]]:
        """Forget orders. Yields the records that save the cut-off time.

        `changed`: called with each room of which orders were forgotten.
        """
        orders, by_age_ms = 0, clock_ms - self._remember_ms
        for room in rooms:
            if room.orders:
                if count := forget_orders(room, by_age_ms):
                    counters.orders_forgotten += count
                    changed(room)
                orders += len(room.orders)
        if orders > self._most:
            self._bound_ms = _oldest_kept_ms(rooms, orders - self._most + int(self._most * MORE), clock_ms)
            for room in rooms:
                if count := forget_orders(room, self._bound_ms):
                    counters.orders_displaced += count
                    room.orders_displaced += count
                    changed(room)
            yield FORGETTING_KEY, frame(self._bound_ms)

    @property
    def bound_ms(self) -> int:
        """Orders that have not changed since were forgotten for want of room; −1: none was."""
        return self._bound_ms

    def load(self, value: bytes | None) -> None:
        """Take the record of a checkpoint. Raises CorruptCheckpointError when it cannot be read."""
        if value is not None:
            self._bound_ms = unframe(FORGETTING_KEY, value, _decoder)


def _oldest_kept_ms(rooms: Collection[Memory], count: int, clock_ms: int) -> int:
    """When the first order changed that stays if the `count` oldest go, and with them those of one moment.

    One that holds units stays, and so does what changed after it: somebody has to give them back. But not one that may
    hold for days: its units are free when it goes.
    """
    last_ms = -1
    by_age = merge(*[room.orders.values() for room in rooms if room.orders], key=attrgetter("changed_ms"))
    for number, order in enumerate(by_age):
        if (order.has_hold and not order.mask & KEPT) or (number >= count and order.changed_ms > last_ms):
            return order.changed_ms
        last_ms = order.changed_ms
    return clock_ms
