"""How many were there at the end of each step of time, from comings and goings in the order of the log.

Somebody is there from coming on, until the going or, without one, until nothing was heard for the time-out: the rule of
`SessionCount.watching`, asked at the end of every step.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

NEVER_MS = -1


class _Person(Struct):
    """`absent_from`: the first step at whose end the person is not there any more; −1: never came."""

    entered_ms: int = NEVER_MS
    left_ms: int = NEVER_MS
    absent_from: int = -1


class WatchingCurve:
    """Takes comings and goings. What stays grows with people and steps, not with records.

    Args:
        timeout_ms: who says nothing for so long is gone.
        step_ms: from one end to the next; steps begin at multiples of it.
    """

    def __init__(self, timeout_ms: int, step_ms: int) -> None:
        self._timeout_ms = timeout_ms
        self._step_ms = step_ms
        self._people: dict[str, _Person] = {}
        self._changes: Counter[int] = Counter()  # by step: more or fewer than at the end of the one before

    def enter(self, name: str, at_ms: int) -> None:
        """Somebody came, or came again."""
        person = self._people.setdefault(name, _Person())
        if at_ms <= person.entered_ms:
            return
        step = at_ms // self._step_ms
        person.entered_ms = at_ms
        # A going that is known already is later: it came first, by another road.
        until = at_ms + self._timeout_ms if at_ms > person.left_ms else person.left_ms
        if person.absent_from > step:
            self._changes[person.absent_from] += 1
        else:
            self._changes[step] += 1
        person.absent_from = until // self._step_ms
        self._changes[person.absent_from] -= 1

    def leave(self, name: str, at_ms: int) -> None:
        """Somebody went."""
        person = self._people.setdefault(name, _Person())
        if at_ms <= person.left_ms:
            return
        person.left_ms = at_ms
        absent_from = max(at_ms, person.entered_ms) // self._step_ms
        if person.entered_ms <= at_ms and person.entered_ms >= 0 and absent_from < person.absent_from:
            self._changes[person.absent_from] += 1
            self._changes[absent_from] -= 1
            person.absent_from = absent_from

    def changes(self) -> set[int]:
        """The steps at whose end there are more or fewer than before."""
        return {step for step, change in self._changes.items() if change}

    def at_ends(self, steps: Iterable[int]) -> list[int]:
        """How many were there at the end of each of these steps, which ascend."""
        changes = sorted(self._changes.items(), reverse=True)
        there, found = 0, []
        for step in steps:
            while changes and changes[-1][0] <= step:
                there += changes.pop()[1]
            found.append(there)
        return found
