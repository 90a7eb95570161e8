"""How the visits of one room's session ended, added up along the log: this shows whether leaving is heard of at all.

The rule is that of `docs/signals.md`, "Who is watching"; `session_count` works the same figures out from all facts.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple

MINUTE_MS = 60_000
LONG_MS = 5 * MINUTE_MS
SECOND_MS = 1_000
# Why the log does not tell how visits ended, where a worker took over from one that did not count it.
TOO_OLD = "a visit began so long before the upgrade that its worker may have forgotten it"
LEFT_AGAIN = "before the upgrade somebody left who had left already, and its worker may have forgotten the first time"


class _Ends(NamedTuple):
    """The visits of one name. `left`: those that were left; `long`: the long ones of these; `lost`: those given up.

    `open_ms`: the beginning of the last visit if it was not left, else −1.
    """

    left: int = 0
    long: int = 0
    lost: int = 0
    open_ms: int = -1


class VisitsSeen:
    """The visits of one session.

    Attributes:
        left: visits that were left; `left_long`: those longer than five minutes.
        given_up: visits that were silent for too long.
        last_left_ms: the time of the latest leave; −1: there was none.
        since_ms: the time from which a worker counted visits, where the session is older; −1: the session's beginning.
        unknown: the reason why the log does not tell that worker's counts; empty: the log tells them.
    """

    def __init__(self, timeout_ms: int) -> None:
        self.left = self.left_long = self.given_up = 0
        self.last_left_ms = self.since_ms = -1
        self.unknown = ""
        self._timeout_ms = timeout_ms
        self._moves: dict[str, list[tuple[int, bool]]] = {}
        self._ends: dict[str, _Ends] = {}
        self._ending: list[tuple[int, str]] = []
        self._expired: set[str] = set()
        self._views: Counter[int] = Counter()

    def view(self, at_ms: int) -> None:
        """Note a coming, of a known or an unknown name."""
        self._views[at_ms // SECOND_MS] += 1

    def move(self, name: str, at_ms: int, *, gone: bool) -> None:
        """Note a coming or a going of a known name."""
        if gone:
            self.last_left_ms = max(self.last_left_ms, at_ms)
        moves = self._moves.setdefault(name, [])
        insort(moves, (at_ms, gone))
        before, after = self._ends.get(name, _Ends()), self._visits(moves)
        self._ends[name] = after
        self.left += after.left - before.left
        self.left_long += after.long - before.long
        self.given_up += after.lost - before.lost - (name in self._expired)
        self._expired.discard(name)
        if after.open_ms >= 0:
            heappush(self._ending, (after.open_ms + self._timeout_ms, name))

    def taken_over(self, now_ms: int, *, heard: bool) -> VisitsSeen:
        """The visits as a worker has them who takes over from one that did not count how they end.

        Of each name that one kept when it came last and when it left last. So much is a visit that was left, or goes
        on; which of them was long, and when somebody left, counts from now on.

        Args:
            now_ms: the clock when the worker took over.
            heard: whether the session has any record of visits yet.
        """
        anew = VisitsSeen(self._timeout_ms)
        anew._views = self._views
        for name, moves in self._moves.items():
            if moves[0][0] < now_ms - self._timeout_ms:
                anew.unknown = TOO_OLD
            elif _left_again(moves):
                anew.unknown = anew.unknown or LEFT_AGAIN
            last = {gone: at_ms for at_ms, gone in moves}
            for at_ms, gone in sorted((at_ms, gone) for gone, at_ms in last.items()):
                anew.move(name, at_ms, gone=gone)
        anew.left_long, anew.last_left_ms = 0, -1
        anew.since_ms = now_ms if heard else -1
        return anew

    def _visits(self, moves: list[tuple[int, bool]]) -> _Ends:
        left = long = lost = 0
        came_ms = went_ms = -1
        for at_ms, gone in moves:
            if came_ms >= 0 and went_ms < 0 and at_ms >= came_ms + self._timeout_ms:
                lost += 1
                came_ms = -1
            elif came_ms >= 0 and went_ms >= 0 and at_ms > went_ms + MINUTE_MS:
                left, long = left + 1, long + (went_ms - came_ms > LONG_MS)
                came_ms = went_ms = -1
            if not gone:
                came_ms, went_ms = at_ms, -1
            elif came_ms >= 0:
                went_ms = at_ms
        if came_ms >= 0 and went_ms >= 0:
            return _Ends(left + 1, long + (went_ms - came_ms > LONG_MS), lost)
        return _Ends(left, long, lost, came_ms)

    def advance(self, clock_ms: int) -> None:
        """Give up visits that were silent for the time-out."""
        while self._ending and self._ending[0][0] <= clock_ms:
            until_ms, name = heappop(self._ending)
            if name not in self._expired and self._ends[name].open_ms + self._timeout_ms == until_ms:
                self._expired.add(name)
                self.given_up += 1
        oldest = (clock_ms - LONG_MS) // SECOND_MS
        if len(self._views) > 2 * LONG_MS // SECOND_MS:
            self._views = Counter({second: views for second, views in self._views.items() if second > oldest})

    def not_left(self, open_sessions: int, as_of_ms: int, window_ms: int) -> int:
        """The number of visits without a heard end, less those that may have begun in the window."""
        first = as_of_ms // SECOND_MS - window_ms // SECOND_MS + 1
        came = sum(views for second, views in self._views.items() if second >= first)
        return max(0, open_sessions - came) + self.given_up

    def silent_ms(self, as_of_ms: int) -> int:
        """The time since the latest leave; −1: there was none."""
        return as_of_ms - self.last_left_ms if self.last_left_ms >= 0 else -1


def _left_again(moves: list[tuple[int, bool]]) -> bool:
    """Whether a person left who had left more than a minute before, and not come since."""
    return any(
        gone and left_again and again_ms > at_ms + MINUTE_MS
        for (at_ms, gone), (again_ms, left_again) in pairwise(moves)
    )
