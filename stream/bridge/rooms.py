"""What is remembered of rooms: when the bridge connected, and the newest event; and what gifts cost.

TikTok and Douyin send a room's last messages on each connect. Without a cut they would count as of now.
"""

from __future__ import annotations

from msgspec import Struct

MAX_ROOMS = 10_000
# A platform has some thousand kinds of gifts.
MAX_PRICES = 20_000
# In `library | snapup bridge` the library connects while this program still starts: seconds on a loaded machine. Clocks
# agree to within that too, and what is that old is news.
FIRST_SLACK_MS = 10_000
# Between the last event before a break and the first after it, messages overtake each other by less.
AGAIN_SLACK_MS = 60_000


class _Room(Struct):
    """`floor_ms`: what is older is backlog; None: nothing is known. `newest_ms`: the greatest event time."""

    floor_ms: int | None
    newest_ms: int = 0


class Rooms:
    """The rooms of a bridge, at most `MAX_ROOMS`; beyond, the one that was silent for longest is let go.

    Attributes:
        forgotten: how many were let go.
    """

    def __init__(self, limit: int = MAX_ROOMS) -> None:
        self._rooms: dict[str, _Room] = {}
        self._limit = limit
        self._prices: dict[str, int] = {}
        self._connected_ms: int | None = None
        self.forgotten = 0

    def connect(self, arrived_ms: int | None, room_id: str | None = None) -> None:
        """The bridge connected: for the first time, or again. Without a room: to all of its rooms."""
        if room_id is None:
            self._connected_ms = arrived_ms if self._connected_ms is None else self._connected_ms
            again = list(self._rooms.values())
        else:
            again = [self._rooms[room_id]] if room_id in self._rooms else []
            if not again:
                self._add(room_id, arrived_ms)
        for room in again:
            if room.newest_ms:
                floor_ms = room.newest_ms - AGAIN_SLACK_MS
                room.floor_ms = floor_ms if room.floor_ms is None else max(room.floor_ms, floor_ms)

    def is_backlog(self, room_id: str, time_ms: int, arrived_ms: int | None) -> bool:
        """Whether an event is older than the connection. Notes the time of an event that is not."""
        room = self._rooms.pop(room_id, None)
        if room is None:
            room = self._add(room_id, arrived_ms if self._connected_ms is None else self._connected_ms)
        else:
            self._rooms[room_id] = room  # heard of last
        if room.floor_ms is not None and time_ms < room.floor_ms:
            return True
        room.newest_ms = max(room.newest_ms, time_ms)
        return False

    def newest_ms(self, room_id: str) -> int | None:
        """The greatest event time of a room; None where there is none."""
        room = self._rooms.get(room_id)
        return None if room is None or not room.newest_ms else room.newest_ms

    def coins_each(self, gift_id: str, said: int | None) -> int | None:
        """What one gift costs: as a message says it, else as an earlier one said it; None where none did.

        Not every message of a combo holds its gift, and the last one would set the whole combo to 0 coins.
        """
        if said is None:
            return self._prices.get(gift_id)
        if gift_id in self._prices or len(self._prices) < MAX_PRICES:
            self._prices[gift_id] = said
        return said

    def _add(self, room_id: str, since_ms: int | None) -> _Room:
        if len(self._rooms) >= self._limit:
            del self._rooms[next(iter(self._rooms))]
            self.forgotten += 1
        room = self._rooms[room_id] = _Room(None if since_ms is None else since_ms - FIRST_SLACK_MS)
        return room
