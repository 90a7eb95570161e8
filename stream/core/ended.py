"""Sessions that have ended: the last document of each, for Redis and for the log, and the keys to delete with it.

A last document is made as its session ends. Its revision follows from how many documents were published; a replay
learns that number from the journal. Last documents of the last minutes are kept and saved: a new owner writes them
again, and so does the owner after a loss of Redis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from stream.core.publishing import Published
from stream.core.saved.frames import frame, unframe
from stream.core.saved.growth import TOPICS_1, grown
from stream.core.saved.heads import tombstones

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from stream.contract.overlay import Overlay
    from stream.core.counters import Counters
    from stream.core.dormant import Rising
    from stream.core.room import Room
    from stream.core.rules import Rules

LAST_KIND = b"e|"
# Revision, when the session ended, the document.
_decoder = msgspec.msgpack.Decoder(tuple[int, int, bytes])


class Last:
    """The last document of a session. `rev_saved`: as `Room.rev_saved`; `rev`: its own."""

    __slots__ = ("_overlay", "_positions", "_ttl_ms", "ended_ms", "rev", "rev_saved", "room_id")

    def __init__(self, overlay: dict[str, Any], rev_saved: int, rev: int, ttl_ms: int) -> None:
        self.room_id: str = overlay["room_id"]
        self.ended_ms: int = overlay["as_of_ms"]
        self.rev_saved = rev_saved
        self.rev = rev
        self._positions: list[int] = overlay["session"]["next_offsets"]
        self._overlay = overlay
        self._ttl_ms = ttl_ms

    def published(self, epoch: int) -> Published:
        """Ready for Redis, and for the log."""
        overlay = self._overlay
        overlay["epoch"], overlay["rev"] = epoch, self.rev
        made_of = tuple(grown(self._positions, TOPICS_1, 0))
        return Published(self.room_id, self.rev, msgspec.json.encode(overlay), self._ttl_ms, -1, made_of, last=True)


class Ended:
    """Those of one partition. `unsaved`: since the last cut."""

    def __init__(self, rules: Rules, counters: Counters, rising: Rising) -> None:
        self._rules = rules
        self._counters = counters
        self._rising = rising
        self._tombstones: list[tuple[bytes, bytes | None]] = []
        self.unsaved: list[Last] = []
        self._kept: dict[str, Last] = {}
        self._due: list[Last] = []

    def add(self, room: Room, overlay: Overlay | None) -> None:
        """A session has ended; `overlay`: its last document, None where there is none."""
        self._tombstones += tombstones(room)
        if overlay is None:
            return
        last = Last(msgspec.to_builtins(overlay), room.rev_saved, room.rev + 1, self._rules.ended_ttl_ms)
        self._kept.pop(last.room_id, None)
        self._kept[last.room_id] = last
        self.unsaved.append(last)
        self._due.append(last)
        self._rising.ended(last.rev, room.born_ms)

    # -- publish -------------------------------------------------------------------------------------------------------
    def take_due(self, epoch: int, limit: int | None) -> list[Published]:
        """The last documents that are due: to be shown before those of the sessions that follow."""
        taken = self._due[:limit]
        del self._due[: len(taken)]
        self._counters.snapshots += len(taken)
        return [last.published(epoch) for last in taken]

    def due_again(self, rooms: Collection[str]) -> int:
        """Redis may have lost them: all that are kept are due but where another session goes on; how many."""
        self._due = [last for room_id, last in self._kept.items() if room_id not in rooms]
        return len(self._due)

    # -- checkpoint ----------------------------------------------------------------------------------------------------
    def cut(self, epoch: int, published: list[int], revisions: Sequence[int] | None) -> Iterator[Published]:
        """The documents for the log, whole. Arguments: as `PartitionFold.cut`; to `published` is added what it says."""
        for last in self.unsaved:
            if revisions is not None:
                last.rev = last.rev_saved + revisions[len(published)] + 1
            published.append(last.rev - 1 - last.rev_saved)
            self._rising.saved(last.rev)
            yield last.published(epoch)

    def tombstones(self) -> list[tuple[bytes, bytes | None]]:
        """What is to be deleted since the last call."""
        tombstones, self._tombstones = self._tombstones, []
        return tombstones

    def records(self, rooms: Collection[str], clock_ms: int) -> Iterator[tuple[bytes, bytes | None]]:
        """What is to be saved of those that are kept; behind `cut`."""
        unsaved, self.unsaved = self.unsaved, []
        for last in unsaved:
            if self._kept.get(last.room_id) is last:
                yield _key(last.room_id), frame((last.rev, last.ended_ms, last.published(0).document))
        before_ms = clock_ms - self._rules.ended_again_ms
        over = [each.room_id for each in self._kept.values() if each.ended_ms < before_ms or each.room_id in rooms]
        for room_id in over:
            del self._kept[room_id]
            yield _key(room_id), None

    def load(self, key: bytes, value: bytes | None) -> None:
        """Take one record of a restore. Raises CorruptCheckpointError when it cannot be read."""
        if value is None:
            self._kept.pop(key[len(LAST_KIND) :].decode(), None)
        else:
            rev, _, document = unframe(key, value, _decoder)
            last = Last(msgspec.json.decode(document), rev - 1, rev, self._rules.ended_ttl_ms)
            self._kept[last.room_id] = last


def _key(room_id: str) -> bytes:
    return LAST_KIND + room_id.encode()
