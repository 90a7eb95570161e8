"""Who is watching now: sessions that are open, never "the last hour".

A session is open when its latest `enter` is later than its latest `leave` (equal: it left), both by effective time, so
the order in which they arrive does not matter. A session that has said nothing for `timeout_ms` is taken as gone:
clients crash without leaving. A closed one is remembered for `closed_ms`, longer than the allowed lateness, so that no
late `enter` from before can open it again. That is by the room's own visits too, not by the clock alone: other topics
may have moved the clock on while visits of minutes ago are still to be read.

Whether leaving is heard of at all is another question: a platform may send no `leave`, or few. So visits are counted by
how they ended (`departures`). A visit that was left is over when its session is forgotten, or enters again more than
`AGAIN_MS` later; nothing of before can arrive by then, so this does not depend on the order of arrival either (but
where one session goes, comes and goes within two minutes and its words overtake each other: that is one visit or two).
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream.core.rules import Rules

NEVER = -1
# A person who comes back sooner has not been away. No late `enter` is dated so long before a forgotten leave.
AGAIN_MS = 60_000
LONG_VISIT_MS = 300_000
HOUR_MS = 3_600_000
# (as of, left, left after a long visit, given up, the latest leave, counted since)
SavedDepartures = tuple[int, int, int, int, int, int]


class Departures(NamedTuple):
    """How the visits of one room ended.

    Attributes:
        open_sessions: visits without a known end.
        left: visits that ended with a `leave`; `left_long`: those of them that lasted longer than five minutes.
        timed_out: visits that were given up after a long silence.
        silent_ms: time since the latest `leave`; −1: there was none.
        came_lately: views of the last minute; `came`: views of the last five minutes.
        since_ms: beginning of this counting, where it is later than the session's; else −1.
    """

    open_sessions: int
    left: int
    left_long: int
    timed_out: int
    silent_ms: int
    came_lately: int
    came: int
    since_ms: int

    @property
    def not_left(self) -> int:
        """Visits without a `leave`, less those that may have begun in the last minute."""
        return max(0, self.open_sessions - self.came_lately) + self.timed_out

    @property
    def not_left_long(self) -> int:
        """Visits without a `leave`, less those that may have begun in the last five minutes."""
        return max(0, self.open_sessions - self.came) + self.timed_out

    def are_heard_of(self, rules: Rules) -> bool:
        """Return whether enough visits ended with a `leave` to take the open sessions for people who are there.

        A share of all visits must have ended with a `leave`, and a share of the long ones (unless long ones are few
        among the open sessions). Since the latest `leave` fewer leaves may be missing than would have come if each of
        the people said to be there stayed for an hour.
        """
        if self.left < rules.leaves_min or self.left < rules.leaves_share_min * (self.left + self.not_left):
            return False
        if self.silent_ms >= rules.leaves_silent_ms and (
            self.silent_ms * self.open_sessions >= rules.leaves_missing_max * HOUR_MS
        ):
            return False
        long_visits = self.left_long + self.not_left_long
        return (
            self.not_left_long <= rules.leaves_long_open_max * self.open_sessions
            or self.left_long >= rules.leaves_long_share_min * long_visits
        )


class Presence:
    """The sessions of one room."""

    __slots__ = (
        "_behind",
        "_due",
        "_entered",
        "_given_up",
        "_left",
        "_saved",
        "_seconds",
        "_waiting",
        "as_of_ms",
        "changed",
        "closed_ms",
        "counts_ends",
        "heard_ms",
        "last_left_ms",
        "left",
        "left_long",
        "open_sessions",
        "since_ms",
        "timed_out",
        "timeout_ms",
    )

    def __init__(self, timeout_ms: int, closed_ms: int, *, counts_ends: bool = True) -> None:
        self.timeout_ms = timeout_ms
        self.closed_ms = closed_ms
        self.counts_ends = counts_ends
        # Session → latest enter, and latest leave. Most never leave: two dictionaries take less memory than pairs.
        self._entered: dict[str, int] = {}
        self._left: dict[str, int] = {}
        self.open_sessions = 0
        self.changed: dict[str, tuple[int, int]] = {}
        # Second → sessions that time out in it; the seconds as a heap. A session that changed since stands twice.
        self._waiting: dict[int, list[str]] = {}
        self._seconds: list[int] = []
        self._due: list[tuple[int, str]] = []  # heap of the sessions whose second has begun
        # Heap of the sessions that the clock has passed and the visits have not: older visits may still be read. A
        # silent session is given up at once nevertheless.
        self._behind: list[tuple[int, str]] = []
        self._given_up: set[str] = set()
        self.heard_ms = NEVER  # effective time of the latest enter, or of the leave where the enter is forgotten
        # As of `as_of_ms`: left visits of forgotten sessions; left visits that were long; visits that were given up.
        self.left = self.left_long = self.timed_out = 0
        self.as_of_ms = self.last_left_ms = self.since_ms = NEVER
        self._saved: SavedDepartures | None = None

    @property
    def sessions(self) -> dict[str, tuple[int, int]]:
        """The remembered sessions: session → latest (enter, leave)."""
        return {session: self._times(session) for session in self._entered | self._left}

    def _times(self, session: str) -> tuple[int, int]:
        return self._entered.get(session, NEVER), self._left.get(session, NEVER)

    def enter(self, session: str, at_ms: int) -> None:
        """A session was opened."""
        entered_ms = self._entered.get(session, NEVER)
        if at_ms > entered_ms:
            if at_ms > self.heard_ms:  # noqa: PLR1730 — a call for each visit
                self.heard_ms = at_ms
            self._entered[session] = at_ms
            left_ms = self._left.get(session, NEVER)
            was_open = entered_ms > left_ms and not (self._given_up and self._come_back(session))
            if entered_ms > NEVER and not self._ended(entered_ms, left_ms, at_ms) and entered_ms <= left_ms:
                self.left_long -= left_ms - entered_ms > LONG_VISIT_MS  # the same visit goes on
            self.left_long += left_ms - at_ms > LONG_VISIT_MS
            self._changed(session, was_open, at_ms, left_ms)

    def leave(self, session: str, at_ms: int) -> None:
        """A session was closed."""
        entered_ms, left_ms = self._times(session)
        if at_ms > left_ms:
            self._left[session] = at_ms
            if at_ms > self.last_left_ms:  # noqa: PLR1730 — a call for each visit
                self.last_left_ms = at_ms
            was_open = entered_ms > left_ms and not (self._given_up and self._come_back(session))
            if entered_ms > NEVER:
                if self.counts_ends and self._ended(entered_ms, left_ms, at_ms):
                    del self._entered[session]
                    entered_ms = NEVER
                else:
                    self.left_long += (at_ms - entered_ms > LONG_VISIT_MS) - (left_ms - entered_ms > LONG_VISIT_MS)
            self._changed(session, was_open, entered_ms, at_ms)

    def _come_back(self, session: str) -> bool:
        """Return whether a session was given up; the session is then no longer counted as given up."""
        if session not in self._given_up:
            return False
        self._given_up.discard(session)
        self.timed_out -= 1
        return True

    def _ended(self, entered_ms: int, left_ms: int, at_ms: int) -> bool:
        """Return whether a visit was over at this moment while its session is still known. Counts an ended visit."""
        if entered_ms > left_ms:
            is_over = at_ms >= entered_ms + self.timeout_ms
            self.timed_out += is_over
        else:
            is_over = at_ms > left_ms + AGAIN_MS
            self.left += is_over
        return is_over

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
        self.as_of_ms = max(self.as_of_ms, clock_ms)
        seconds, due = self._seconds, self._due
        while seconds and seconds[0] * 1_000 <= clock_ms:
            second = heappop(seconds)
            for session in self._waiting.pop(second):
                expires_ms = self._expires_ms(*self._times(session))
                if expires_ms // 1_000 == second:
                    heappush(due, (expires_ms, session))
        behind, passed_ms = self._behind, clock_ms
        if self.counts_ends:
            # With few visits, no session is remembered for longer than a silent one.
            passed_ms = min(clock_ms, max(self.heard_ms, self.last_left_ms, clock_ms - self.timeout_ms))
        while (due and due[0][0] <= clock_ms) or (behind and behind[0][0] <= passed_ms):
            _, session = heappop(due if due and due[0][0] <= clock_ms else behind)
            entered_ms, left_ms = self._times(session)
            expires_ms = self._expires_ms(entered_ms, left_ms)
            if expires_ms <= clock_ms:
                self._expire(session, entered_ms, left_ms, is_behind=expires_ms > passed_ms)
                if expires_ms > passed_ms:
                    heappush(behind, (expires_ms, session))
        return self.open_sessions != before

    def _expire(self, session: str, entered_ms: int, left_ms: int, *, is_behind: bool) -> None:
        """Give up a silent session, or forget one that left; while visits are behind, keep it in memory."""
        if entered_ms > left_ms and session not in self._given_up:
            self.open_sessions -= 1
            self.timed_out += 1
            if is_behind:
                self._given_up.add(session)
        elif not is_behind and entered_ms > NEVER and entered_ms <= left_ms:
            self.left += 1
        if not is_behind:
            # The session stays in `changed`: its saved form may still be open.
            self._entered.pop(session, None)
            self._left.pop(session, None)
            self._given_up.discard(session)

    def departures(self, now_ms: int, came_lately: int, came: int) -> Departures:
        """Return how visits ended, as of `now_ms`, to which `advance` was called.

        `came_lately`: views of the last minute; `came`: views of the last five minutes.
        """
        # Some sessions that left are still remembered.
        left = self.left + len(self._entered) - self.open_sessions - len(self._given_up)
        silent_ms = now_ms - self.last_left_ms if self.last_left_ms > NEVER else NEVER
        return Departures(
            self.open_sessions, left, self.left_long, self.timed_out, silent_ms, came_lately, came, self.since_ms
        )

    def saved_departures(self) -> SavedDepartures:
        """Return the counts of ended visits, for the checkpoint."""
        self.advance(self.as_of_ms)  # forgets what a restore would not bring back either
        return self.as_of_ms, self.left, self.left_long, self.timed_out, self.last_left_ms, self.since_ms

    def restore_departures(self, saved: SavedDepartures | None, since_ms: int = NEVER) -> None:
        """Restore the counts of ended visits; `rebuild` must follow.

        None: an older worker, which ended at `since_ms`, did not count them.
        """
        self._saved = saved
        self.since_ms = since_ms

    def take_changed(self) -> dict[str, tuple[int, int]]:
        """Return the sessions changed since the last call. A session that is over has its last times."""
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
        self._waiting, self._seconds, self._due, self._behind = {}, [], [], []
        self._given_up = set()
        self.open_sessions = 0
        for session, (entered_ms, left_ms) in self.sessions.items():
            self.open_sessions += entered_ms > left_ms
            self.heard_ms = max(self.heard_ms, entered_ms, left_ms)
            self._wait(session, self._expires_ms(entered_ms, left_ms) // 1_000)
        if self._saved is not None:
            self.advance(self._saved[0])  # the saved counts hold the visits that ended by then
            self.as_of_ms, self.left, self.left_long, self.timed_out, self.last_left_ms, self.since_ms = self._saved
            self._saved = None
