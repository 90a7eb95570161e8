"""Twins of a connection and of the follower, which do what they are told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from stream.contract.sight import State
from stream.serve.documents import NOTHING, Document, DocumentSight, read_document
from stream.serve.room_follower import FollowedRoom
from tests.support.serve import document

if TYPE_CHECKING:
    from collections.abc import Callable


class TransportTwin(asyncio.Transport):
    """A connection whose reader takes all, or nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.waiting_bytes = 0
        self.takes = True
        self.closed = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))
        if not self.takes:
            self.waiting_bytes += len(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting_bytes

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        del name
        return default

    def stop_taking(self) -> None:
        """From now on, what is written waits."""
        self.takes = False

    def take_all(self) -> None:
        """The reader has read what waited, and reads on."""
        self.takes, self.waiting_bytes = True, 0

    def revs(self) -> list[int]:
        """Of the live snapshots that were written."""
        return [int(text.split(b"id: 1-")[1].split(b"\n")[0]) for text in self.written if b"id: 1-" in text]


class FollowerTwin:
    """What is known is what the test says."""

    def __init__(self) -> None:
        self.rooms: dict[str, FollowedRoom] = {}
        self.away = False
        self.on_news: Callable[[FollowedRoom], None] = lambda _room: None

    def room(self, room_id: str) -> FollowedRoom:
        return self.rooms.setdefault(room_id, FollowedRoom(room_id))

    def say(self, room: FollowedRoom, rev: int | None, **changes: Any) -> None:
        """A document, or that there is none."""
        raw = msgspec.json.encode(document(room.room_id, rev=rev or 0, **changes))
        room.sight = NOTHING if rev is None else DocumentSight(read_document(room.room_id, raw))
        room.known.set()
        self.on_news(room)

    def say_raw(self, room: FollowedRoom, raw: bytes) -> None:
        """A document as a worker made it, in its own time: it is fresh for ever."""
        made = msgspec.json.encode(msgspec.json.decode(raw) | {"stale_after_ms": 2**50})
        room.sight = DocumentSight(read_document(room.room_id, made))
        room.known.set()
        self.on_news(room)

    def state(self, room: FollowedRoom, now_ms: int) -> State:
        return State.REDIS_AWAY if self.away or room.sight is None else room.sight.state(now_ms)

    def document(self, room: FollowedRoom) -> Document | None:
        return room.sight.document if room.sight is not None else None
