"""Shares counted again by the rules of README.md: who shared and by what is kept, and figures are made when asked.

Nothing here is shared with the fold.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from stream.contract.people import UNKNOWN_PEOPLE
from stream.mechanics.shares.events import Share
from stream.verify.recounted import Recounted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream.contract.events import Event
    from stream.contract.sections import Plain


class SharesAgain(Recounted):
    """The shares of one session."""

    NAME = "shares"
    KINDS = (Share,)
    LIMITS: ClassVar[Mapping[str, int]] = {"sharers_max": 65_536, "channels_max": 16}

    def __init__(self, limits: Mapping[str, int]) -> None:
        super().__init__(limits)
        self._people: set[str] = set()
        self._said = Counter[str | None]()  # every channel that was ever named, and None

    def note(self, event: Event, effective_ms: int) -> bool:  # noqa: ARG002 — no figure has to do with time
        """As `Recounted.note`."""
        if not isinstance(event, Share):
            return False
        self._people.add(event.user_id)
        self._said[event.channel] += 1
        return True

    def figures(self, as_of_ms: int) -> dict[str, Plain]:  # noqa: ARG002 — as above
        """As `Recounted.figures`."""
        if not self._said:
            return {}
        # By name are counted the shortest names, and of equally short ones the first.
        by_length = sorted(sorted(each for each in self._said if each is not None), key=len)
        named, beyond = by_length[: self.limits["channels_max"]], by_length[self.limits["channels_max"] :]
        figures: dict[str, Plain] = {
            "shares": self._said.total(),
            "sharers": len(self._people - UNKNOWN_PEOPLE),
            "not_said": self._said[None],
            "other": sum(self._said[each] for each in beyond),
        }
        # `named` is in the order that decides between equal ones, and sorting keeps it.
        for place, channel in enumerate(sorted(named, key=lambda each: self._said[each], reverse=True), 1):
            figures[f"channels.{place}.channel"] = channel
            figures[f"channels.{place}.shares"] = self._said[channel]
        return figures
