"""Follows counted again by the rules of README.md: every word is kept, and people are looked at when asked.

Nothing here is shared with the fold.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from stream.contract.people import UNKNOWN_PEOPLE
from stream.mechanics.follows.events import Follow, Unfollow
from stream.verify.recounted import Recounted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream.contract.events import Event
    from stream.contract.sections import Plain


class _Said(NamedTuple):
    """A word; the later one by time, then by id."""

    time_ms: int
    event_id: str
    follows: bool


class FollowsAgain(Recounted):
    """The follows of one session."""

    NAME = "follows"
    KINDS = (Follow, Unfollow)
    LIMITS: ClassVar[Mapping[str, int]] = {"people_max": 200_000}

    def __init__(self, limits: Mapping[str, int]) -> None:
        super().__init__(limits)
        self._said: dict[str, list[_Said]] = {}

    def note(self, event: Event, effective_ms: int) -> bool:  # noqa: ARG002 — events are ordered by what they say
        """As `Recounted.note`."""
        if not isinstance(event, Follow | Unfollow):
            return False
        said = _Said(event.event_time_ms, event.event_id, type(event) is Follow)
        self._said.setdefault(event.user_id, []).append(said)
        return True

    def figures(self, as_of_ms: int) -> dict[str, Plain]:  # noqa: ARG002 — time alone changes nothing
        """As `Recounted.figures`."""
        if not self._said:
            return {}
        people = [user for user in self._said if user not in UNKNOWN_PEOPLE]
        # Least checksums are kept; of equal ones the greater id.
        people.sort(reverse=True)
        people.sort(key=lambda user: zlib.crc32(user.encode("utf-8")))
        kept, others = people[: self.limits["people_max"]], people[self.limits["people_max"] :]
        changes = [(min(self._said[user]).follows, max(self._said[user]).follows) for user in kept]
        gained, lost = changes.count((True, True)), changes.count((False, False))
        return {
            "gained": gained,
            "lost": lost,
            "net": gained - lost,
            "beyond": sum(len(self._said[user]) for user in others),
            "unknown": sum(len(said) for user, said in self._said.items() if user in UNKNOWN_PEOPLE),
        }
