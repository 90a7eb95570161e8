"""When a coupon that was taken expires, and which of those that may still be used expire next."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from stream.core.mechanic import NEVER_MS

SPARE = 64


def expires_at_ms(taken_at_ms: int, valid_s: int | None) -> int:
    """Returns the first moment at which a coupon may not be used any more; `NEVER_MS`: it may be used without end."""
    return NEVER_MS if valid_s is None else taken_at_ms + 1_000 * valid_s


class Expiries:
    """Takes that expire at some moment, earliest first.

    A take that goes before its moment stays in the heap as an entry that means nothing. Such entries are dropped when
    they come first, and all of them when they are more than the others.
    """

    __slots__ = ("_heap", "_moments")

    def __init__(self) -> None:
        self._moments: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def add(self, take_id: str, at_ms: int) -> None:
        """A take expires at this moment. It must not be there."""
        self._moments[take_id] = at_ms
        heappush(self._heap, (at_ms, take_id))

    def discard(self, take_id: str) -> bool:
        """A take does not expire any more. Returns whether it was there."""
        if self._moments.pop(take_id, None) is None:
            return False
        if len(self._heap) > 2 * len(self._moments) + SPARE:
            self._heap = [(at_ms, each) for each, at_ms in self._moments.items()]
            heapify(self._heap)
        return True

    def next_ms(self) -> int:
        """Returns the moment of the first of them; `NEVER_MS`: there are none."""
        while self._heap and self._moments.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else NEVER_MS

    def take_due(self, now_ms: int) -> list[str]:
        """Returns the takes that expired until now, and drops them."""
        due = []
        while self.next_ms() <= now_ms:
            _, take_id = heappop(self._heap)
            del self._moments[take_id]
            due.append(take_id)
        return due

    @property
    def entries(self) -> int:
        """How much is kept."""
        return len(self._heap)
