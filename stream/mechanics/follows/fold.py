"""Follows as the worker counts them.

Rows: one for each person (key: the user). Beyond the bound those are kept whose ids have the least checksums: that
depends on who spoke, and never on who spoke first.
"""

from __future__ import annotations

from heapq import heapify, heappush, heappushpop
from typing import TYPE_CHECKING, ClassVar
from zlib import crc32

from msgspec import Struct

from stream.core.mechanic import Batch, Mechanic, Scope
from stream.mechanics.follows.events import Follow, Unfollow
from stream.mechanics.follows.section import Follows

if TYPE_CHECKING:
    from collections.abc import Mapping

# (event time, event id, whether the person follows): words compare as the README decides.
Word = tuple[int, str, bool]


class FollowRow(Struct, array_like=True, frozen=True):
    """A person's earliest and latest word, and how many words there were."""

    first: Word
    last: Word
    words: int

    def standing(self) -> int:
        """1: gained, -1: lost, 0: as before the session."""
        return self.last[2] - (not self.first[2])


class SavedFollows(Struct, array_like=True):
    """Events that are in no row: of people beyond the bound, and of unknown people."""

    beyond: int = 0
    unknown: int = 0


class FollowFold(Mechanic):
    """Follows of one session."""

    NAME = "follows"
    KINDS = (Follow, Unfollow)
    SAVED = SavedFollows
    ROW = FollowRow
    LIMITS: ClassVar[Mapping[str, int]] = {"people_max": 200_000}

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self.gained = self.lost = self.beyond = self.unknown = 0
        self.people: dict[str, FollowRow] = {}
        self._people_max = scope.limit("people_max")
        self._greatest: list[tuple[int, str]] = []  # a heap of all people: who goes next is first

    # -- what happens --------------------------------------------------------------------------------------------------
    def fold(self, batch: Batch) -> None:
        """As `Mechanic.fold`: every word is new, if only as one more."""
        for event in batch.events:
            if event.user_id in self.scope.strangers:
                self.unknown += 1
            else:
                self._take(event.user_id, (event.event_time_ms, event.event_id, isinstance(event, Follow)))

    def _take(self, user_id: str, word: Word) -> None:
        before = self.people.get(user_id)
        if before is not None:
            self._count(before, -1)
            row = FollowRow(min(before.first, word), max(before.last, word), before.words + 1)
        else:
            if not self._admit(user_id):
                self.beyond += 1
                return
            row = FollowRow(word, word, 1)
        self._count(row, 1)
        self.people[user_id] = row
        self.touch(user_id)

    def _admit(self, user_id: str) -> bool:
        """Whether somebody new is kept. Beyond the bound somebody else goes for them, or they are not kept."""
        place = _place(user_id)
        if len(self.people) < self._people_max:
            heappush(self._greatest, place)
            return True
        self.scope.beyond("people_max")
        _, gone = heappushpop(self._greatest, place)
        if gone == user_id:
            return False
        row = self.people.pop(gone)
        self._count(row, -1)
        self.beyond += row.words
        self.touch(gone)
        return True

    def _count(self, row: FollowRow, times: int) -> None:
        standing = row.standing()
        if standing > 0:
            self.gained += times
        elif standing < 0:
            self.lost += times

    # -- what is shown -------------------------------------------------------------------------------------------------
    def section(self, as_of_ms: int) -> Follows:  # noqa: ARG002 — time alone changes nothing
        """As `Mechanic.section`."""
        return Follows(self.gained, self.lost, self.gained - self.lost, self.beyond, self.unknown)

    # -- what is saved -------------------------------------------------------------------------------------------------
    def saved(self) -> SavedFollows:
        """As `Mechanic.saved`."""
        return SavedFollows(self.beyond, self.unknown)

    def row(self, key: str) -> FollowRow | None:
        """As `Mechanic.row`."""
        return self.people.get(key)

    def restore(self, saved: SavedFollows, rows: Mapping[str, FollowRow]) -> None:
        """As `Mechanic.restore`."""
        self.beyond, self.unknown = saved.beyond, saved.unknown
        self.people = dict(rows)
        for row in rows.values():
            self._count(row, 1)
        self._greatest = [_place(user_id) for user_id in rows]
        heapify(self._greatest)


def _place(user_id: str) -> tuple[int, str]:
    """The least place goes first: the greatest checksum, and of equal ones the least id."""
    return -crc32(user_id.encode()), user_id
