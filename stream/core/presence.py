"""Who is watching now: sessions that are open, never "the last hour".

A session is open when its latest `enter` is later than its latest `leave` (equal: it left), both by effective time, so
the order in which they arrive does not matter. A session that has said nothing for `timeout_ms` is taken as gone:
clients crash without leaving. A closed one is remembered for `closed_ms`, longer than the allowed lateness, so that no
late `enter` from before can open it again.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NEVER = -1


class Presence:
    """The sessions of one room."""

    __slots__ = (
        "_due",
        "_entered",
        "_left",
        "_seconds",
        "_waiting",
        "changed",
        "closed_ms",
        "open_sessions",
        "timeout_ms",
    )

    def __init__(self, timeout_ms: int, closed_ms: int) -> None:
        self.timeout_ms = timeout_ms
        self.closed_ms = closed_ms
        # Session → latest enter, latest leave: two dictionaries, for most never leave and a pair each is memory.
        self._entered: dict[str, int] = {}
        self._left: dict[str, int] = {}
        self.open_sessions = 0
        self.changed: dict[str, tuple[int, int]] = {}
        # Second → sessions that time out in it; the seconds as a heap. One that changed since stands in another, too.
        self._waiting: dict[int, list[str]] = {}
        self._seconds: list[int] = []
        self._due: list[tuple[int, str]] = []  # heap of those whose second has begun

    @property
    def sessions(self) -> dict[str, tuple[int, int]]:
        """All that are remembered: session → latest (enter, leave)."""
        return {session: self._times(session) for session in self._entered | self._left}

    def _times(self, session: str) -> tuple[int, int]:
        return self._entered.get(session, NEVER), self._left.get(session, NEVER)

    def enter(self, session: str, at_ms: int) -> None:
        """A session was opened."""
        entered_ms = self._entered.get(session, NEVER)
        if at_ms > entered_ms:
            self._entered[session] = at_ms
            left_ms = self._left.get(session, NEVER)
            self._changed(session, entered_ms > left_ms, at_ms, left_ms)

    def leave(self, session: str, at_ms: int) -> None:
        """A session was closed."""
        entered_ms, left_ms = self._times(session)
        if at_ms > left_ms:
            self._left[session] = at_ms
            self._changed(session, entered_ms > left_ms, entered_ms, at_ms)

    def _changed(self, session: str, was_open: bool, entered_ms: int, left_ms: int) -> None:  # noqa: FBT001
        self.changed[session] = (entered_ms, left_ms)
        if entered_ms > left_ms:
            self.open_sessions += not was_open
            self._wait(session, (entered_ms + self.timeout_ms) // 1_000)
        else:
            self.open_sessions -= was_open
            self._wait(session, (left_ms + self.closed_ms) // 1_000)

    def _wait(self, session: str, second: int) -> None:
        waiting = self._waiting.get(second)
        if waiting is None:
            self._waiting[second] = [session]
            heappush(self._seconds, second)
        else:
            waiting.append(session)

    def _expires_ms(self, entered_ms: int, left_ms: int) -> int:
        return entered_ms + self.timeout_ms if entered_ms > left_ms else left_ms + self.closed_ms

    def advance(self, clock_ms: int) -> bool:
        """Drop what timed out. Returns whether the number of open sessions changed."""
        before = self.open_sessions
        seconds, due = self._seconds, self._due
        while seconds and seconds[0] * 1_000 <= clock_ms:
            second = heappop(seconds)
            for session in self._waiting.pop(second):
                expires_ms = self._expires_ms(*self._times(session))
                if expires_ms // 1_000 == second:
                    heappush(due, (expires_ms, session))
        while due and due[0][0] <= clock_ms:
            _, session = heappop(due)
            entered_ms, left_ms = self._times(session)
            if self._expires_ms(entered_ms, left_ms) <= clock_ms:
                # Not out of `changed`: what was saved of it may still say that it is open.
                self._entered.pop(session, None)
                self._left.pop(session, None)
                self.open_sessions -= entered_ms > left_ms
        return self.open_sessions != before

    def take_changed(self) -> dict[str, tuple[int, int]]:
        """Sessions changed since the last call, those that are over as they last were."""
        changed, self.changed = self.changed, {}
        return changed

    def restore(self, sessions: Mapping[str, tuple[int, int]]) -> None:
        """Take back saved sessions; `rebuild` must follow."""
        for session, (entered_ms, left_ms) in sessions.items():
            for times, at_ms in ((self._entered, entered_ms), (self._left, left_ms)):
                if at_ms == NEVER:
                    times.pop(session, None)
                else:
                    times[session] = at_ms

    def rebuild(self) -> None:
        """The number of open sessions and the order of time-outs anew, after a restore."""
        self._waiting, self._seconds, self._due = {}, [], []
        self.open_sessions = 0
        for session, (entered_ms, left_ms) in self.sessions.items():
            self.open_sessions += entered_ms > left_ms
            self._wait(session, self._expires_ms(entered_ms, left_ms) // 1_000)
