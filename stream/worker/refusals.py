"""How long Redis' guard has refused the documents of a partition's rooms: once is a repeat, again and again is a fault.

A lost answer leads to one refusal: the room's next document is newer, and the guard takes it. A room whose documents
are refused again and again is on no screen. No other check would notice: the old document runs out in Redis.
"""

from __future__ import annotations

from enum import StrEnum

# A room without refusals for this long is forgotten: it has ended, or another owner publishes it.
FORGET_S = 60.0


class Refusal(StrEnum):
    """Why the guard did not take a document."""

    STALE_EPOCH = "stale_epoch"  # an owner of a later epoch has written
    NOT_NEWER = "not_newer"  # this epoch has written the same revision, or a later one


class Refusals:
    """The refusals of one owner's documents. All times are monotonic seconds."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[Refusal, float, float]] = {}  # room → why, first and last time in a row

    def refused(self, room_id: str, why: Refusal, now_s: float) -> None:
        """Note that the guard refused a document of this room."""
        held = self._since.get(room_id)
        first_s = held[1] if held is not None and held[0] is why else now_s
        self._since[room_id] = (why, first_s, now_s)

    def taken(self, room_id: str) -> None:
        """Note that the guard took a document of this room."""
        if self._since:
            self._since.pop(room_id, None)

    def longest_s(self, why: Refusal, now_s: float) -> float:
        """Seconds from first to last refusal in a row, of the room that waits longest; 0.0 without a second one."""
        self._since = {room: held for room, held in self._since.items() if now_s - held[2] < FORGET_S}
        return max((last_s - first_s for held, first_s, last_s in self._since.values() if held is why), default=0.0)

    def example(self, why: Refusal) -> str | None:
        """The room that has waited longest."""
        rooms = [(first_s - last_s, room) for room, (held, first_s, last_s) in self._since.items() if held is why]
        return min(rooms)[1] if rooms else None
