"""The number of people at the end of each time step, from comings and goings in log order.

A person is there from coming until going or, without a going, until the time-out has passed in silence. This is the
rule of `SessionCount.watching`, applied at the end of every step.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

NEVER_MS = -1


class _Person(Struct):
    """`absent_from`: the first step at whose end the person is no longer there; −1: the person never came."""

    entered_ms: int = NEVER_MS
    left_ms: int = NEVER_MS
    absent_from: int = -1


class WatchingCurve:
    """Takes comings and goings. Memory grows with people and steps, not with records.

    Args:
        timeout_ms: the silence after which a person counts as gone.
        step_ms: the length of a step. Steps begin at multiples of it.
    """

    def __init__(self, timeout_ms: int, step_ms: int) -> None:
        self._timeout_ms = timeout_ms
        self._step_ms = step_ms
        self._people: dict[str, _Person] = {}
        self._changes: Counter[int] = Counter()  # by step: the change from the end of the step before

    def enter(self, name: str, at_ms: int) -> None:
        """Note a coming, or a further one."""
        person = self._people.setdefault(name, _Person())
        if at_ms <= person.entered_ms:
            return
        step = at_ms // self._step_ms
        person.entered_ms = at_ms
        # A known going is later than this coming, and only arrived earlier. A going at the end of a step belongs to the
        # next step, but whoever is timed out at the end of a step is not there at that end.
        until = at_ms + self._timeout_ms - 1 if at_ms > person.left_ms else person.left_ms
        if person.absent_from > step:
            self._changes[person.absent_from] += 1
        else:
            self._changes[step] += 1
        person.absent_from = until // self._step_ms
        self._changes[person.absent_from] -= 1

    def leave(self, name: str, at_ms: int) -> None:
        """Note a going."""
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
        """The steps at whose end the number differs from the step before."""
        return {step for step, change in self._changes.items() if change}

    def at_ends(self, steps: Iterable[int]) -> list[int]:
        """The numbers of people at the ends of these steps, which must ascend."""
        changes = sorted(self._changes.items(), reverse=True)
        there, found = 0, []
        for step in steps:
            while changes and changes[-1][0] <= step:
                there += changes.pop()[1]
            found.append(there)
        return found
