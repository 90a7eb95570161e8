"""Votes as the worker counts them: notices of polls, and of each voter the votes on a poll.

A notice is an opening or a closing. Rows: one for each voter (key: poll and user), one for the newest opening and one
for the newest closing of each poll (key: `|opened|` or `|closed|`, and the poll; no id holds `|`).

The end of a poll may move at any time, by an event that comes late too. So the votes of a voter are kept, and not the
last one alone. Beyond each bound it follows from what was said which are kept, never from what was said first.
"""

from __future__ import annotations

from collections import Counter
from heapq import heapify, heappush, heappushpop
from typing import TYPE_CHECKING, ClassVar
from zlib import crc32

from msgspec import Struct

from stream.core.mechanic import NEVER_MS, Batch, Mechanic, Scope
from stream.mechanics.votes.events import PollClosed, PollOpened, Vote
from stream.mechanics.votes.section import Option, Poll, Votes

if TYPE_CHECKING:
    from collections.abc import Mapping

# (event time, event id, option): a voter's votes compare as the README decides.
Cast = tuple[int, str, str]
OPENED, CLOSED = "|opened|", "|closed|"


class Notice(Struct, array_like=True, frozen=True):
    """An opening or a closing: when, by which event, and of an opening its words. `options`: (id, words)."""

    at_ms: int
    event_id: str
    question: str = ""
    options: tuple[tuple[str, str], ...] = ()
    closes_at_ms: int | None = None

    def rank(self) -> tuple[int, str]:
        """The greater is the newer."""
        return self.at_ms, self.event_id


class VoteRow(Struct, array_like=True, frozen=True):
    """Of a voter: the earliest votes, and how many there were in all. Of a poll: a notice."""

    votes: tuple[Cast, ...] = ()
    heard: int = 0
    notice: Notice | None = None

    def choice(self, ends_at_ms: int | None) -> str | None:
        """Returns the option of the last vote before an end; None: there is no such vote."""
        for at_ms, _, option_id in reversed(self.votes):
            if ends_at_ms is None or at_ms < ends_at_ms:
                return option_id
        return None


class SavedVotes(Struct, array_like=True):
    """Votes that are in no row: of voters beyond the bound, and of unknown people."""

    beyond: int = 0
    unknown: int = 0


class VoteFold(Mechanic):
    """Votes of one session."""

    NAME = "votes"
    KINDS = (PollOpened, Vote, PollClosed)
    SAVED = SavedVotes
    ROW = VoteRow
    LIMITS: ClassVar[Mapping[str, int]] = {
        "voters_max": 200_000,
        "votes_of_voter_max": 16,
        "notices_max": 64,
        "polls_shown": 5,
    }

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self.beyond = self.unknown = self.unheard = self.voters = 0
        self.of_poll: dict[str, dict[str, VoteRow]] = {}  # poll → user → votes
        self.notices: dict[str, Notice] = {}  # by the key of its row
        self.ends_at_ms: dict[str, int | None] = {}  # of each poll whose opening is known; None: no end was said
        self._voters_max, self._votes_max = scope.limit("voters_max"), scope.limit("votes_of_voter_max")
        self._greatest: list[tuple[int, str]] = []  # a heap of all voters: who goes next is first
        self._tallies: dict[str, Counter[str]] = {}  # poll → option → votes before its end; made when it is shown

    # -- what happens --------------------------------------------------------------------------------------------------
    def fold(self, batch: Batch) -> None:
        """As `Mechanic.fold`: every event is new, if only as one more."""
        for event in batch.events:
            if isinstance(event, Vote):
                self._vote(event)
            elif isinstance(event, PollOpened):
                options: dict[str, str] = {}
                for option in event.options:
                    options.setdefault(option.option_id, option.text)
                words = event.question, tuple(options.items()), event.closes_at_ms
                self._notice(OPENED, event.poll_id, Notice(event.event_time_ms, event.event_id, *words))
            else:
                self._notice(CLOSED, event.poll_id, Notice(event.event_time_ms, event.event_id))

    def _notice(self, kind: str, poll_id: str, notice: Notice) -> None:
        """The newest notice of each kind and poll is kept; beyond the bound the oldest of all of these goes."""
        key = kind + poll_id
        before = self.notices.get(key)
        if before is not None and before.rank() >= notice.rank():
            return
        self.notices[key] = notice
        self.touch(key)
        self._find_end(poll_id)
        if len(self.notices) > self.scope.limit("notices_max"):
            oldest = min(self.notices, key=self._rank)
            del self.notices[oldest]
            self.touch(oldest)
            self._find_end(oldest.rpartition("|")[2])
            self.scope.beyond("notices_max")

    def _rank(self, key: str) -> tuple[int, str, str]:
        return *self.notices[key].rank(), key

    def _find_end(self, poll_id: str) -> None:
        """A notice of a poll came or went: its newest one says when the poll ends."""
        opened, closed = self.notices.get(OPENED + poll_id), self.notices.get(CLOSED + poll_id)
        if opened is None:
            self.ends_at_ms.pop(poll_id, None)
            self._tallies.pop(poll_id, None)
            return
        ends_at_ms = opened.closes_at_ms
        if closed is not None and closed.rank() > opened.rank():
            ends_at_ms = closed.at_ms if ends_at_ms is None else min(closed.at_ms, ends_at_ms)
        if self.ends_at_ms.get(poll_id) != ends_at_ms:
            self._tallies.pop(poll_id, None)
        self.ends_at_ms[poll_id] = ends_at_ms

    def _vote(self, event: Vote) -> None:
        poll_id, user_id = event.poll_id, event.user_id
        if user_id in self.scope.strangers:
            self.unknown += 1
            return
        before = self.of_poll.get(poll_id, {}).get(user_id)
        if before is None and not self._admit(_key(poll_id, user_id)):
            self.beyond += 1
            return
        had = before or VoteRow()
        votes = sorted((*had.votes, (event.event_time_ms, event.event_id, event.option_id)))
        if len(votes) > self._votes_max:
            votes.pop()
            self.unheard += 1
            self.scope.beyond("votes_of_voter_max")
        row = VoteRow(tuple(votes), had.heard + 1)
        self._tally(poll_id, had, -1)
        self._tally(poll_id, row, 1)
        self.of_poll.setdefault(poll_id, {})[user_id] = row
        self.touch(_key(poll_id, user_id))

    def _admit(self, key: str) -> bool:
        """Whether a new voter is kept. Beyond the bound another goes for them, or they are not kept."""
        place = _place(key)
        if self.voters < self._voters_max:
            self.voters += 1
            heappush(self._greatest, place)
            return True
        self.scope.beyond("voters_max")
        _, gone = heappushpop(self._greatest, place)
        if gone == key:
            return False
        poll_id, _, user_id = gone.partition("|")
        row = self.of_poll[poll_id].pop(user_id)
        if not self.of_poll[poll_id]:
            del self.of_poll[poll_id]
        self._tally(poll_id, row, -1)
        self.beyond += row.heard
        self.unheard -= row.heard - len(row.votes)
        self.touch(gone)
        return True

    def _tally(self, poll_id: str, row: VoteRow, times: int) -> None:
        tally = self._tallies.get(poll_id)
        if tally is not None and (choice := row.choice(self.ends_at_ms[poll_id])) is not None:
            tally[choice] += times
            if not tally[choice]:
                del tally[choice]

    # -- what time changes ---------------------------------------------------------------------------------------------
    def due_ms(self) -> int:
        """As `Mechanic.due_ms`: the end of a poll that comes next. `elapse` has nothing to do: a status follows."""
        return self.holds_until_ms(self.scope.clock_ms)

    def holds_until_ms(self, as_of_ms: int) -> int:
        """As `Mechanic.holds_until_ms`: as `due_ms`."""
        ends_ms = self.ends_at_ms.values()
        return min((end_ms for end_ms in ends_ms if end_ms is not None and end_ms > as_of_ms), default=NEVER_MS)

    # -- what is shown -------------------------------------------------------------------------------------------------
    def section(self, as_of_ms: int) -> Votes:
        """As `Mechanic.section`."""
        polls = sorted(self.ends_at_ms, key=lambda poll_id: self._rank(OPENED + poll_id), reverse=True)
        shown = polls[: self.scope.limit("polls_shown")]
        known = sum(len(self.of_poll.get(poll_id, ())) for poll_id in polls)
        return Votes(
            [self._poll(poll_id, as_of_ms) for poll_id in shown],
            len(polls) - len(shown),
            self.voters - known,
            self.unheard,
            self.beyond,
            self.unknown,
        )

    def _poll(self, poll_id: str, as_of_ms: int) -> Poll:
        opened, ends_at_ms = self.notices[OPENED + poll_id], self.ends_at_ms[poll_id]
        tally = self._tallies.get(poll_id)
        if tally is None:
            choices = (row.choice(ends_at_ms) for row in self.of_poll.get(poll_id, {}).values())
            tally = self._tallies[poll_id] = Counter(choice for choice in choices if choice is not None)
        votes = [tally[option_id] for option_id, _ in opened.options]
        return Poll(
            poll_id,
            opened.question,
            "closed" if ends_at_ms is not None and ends_at_ms <= as_of_ms else "open",
            sum(votes),
            [
                Option(option_id, text, count, self._leads(place, votes))
                for place, ((option_id, text), count) in enumerate(zip(opened.options, votes, strict=True))
            ],
            ends_at_ms,
            tally.total() - sum(votes),
        )

    def _leads(self, place: int, votes: list[int]) -> bool:
        """Whether no other option can have more, whatever those beyond the bound chose."""
        others = votes[:place] + votes[place + 1 :]
        return votes[place] > 0 and all(votes[place] >= other + self.beyond for other in others)

    # -- what is saved -------------------------------------------------------------------------------------------------
    def saved(self) -> SavedVotes:
        """As `Mechanic.saved`."""
        return SavedVotes(self.beyond, self.unknown)

    def row(self, key: str) -> VoteRow | None:
        """As `Mechanic.row`."""
        if key.startswith("|"):
            notice = self.notices.get(key)
            return None if notice is None else VoteRow(notice=notice)
        poll_id, _, user_id = key.partition("|")
        return self.of_poll.get(poll_id, {}).get(user_id)

    def restore(self, saved: SavedVotes, rows: Mapping[str, VoteRow]) -> None:
        """As `Mechanic.restore`."""
        self.beyond, self.unknown = saved.beyond, saved.unknown
        for key, row in rows.items():
            if row.notice is not None:
                self.notices[key] = row.notice
                continue
            poll_id, _, user_id = key.partition("|")
            self.of_poll.setdefault(poll_id, {})[user_id] = row
            self._greatest.append(_place(key))
            self.unheard += row.heard - len(row.votes)
        self.voters = len(self._greatest)
        heapify(self._greatest)
        for key in self.notices:
            self._find_end(key.rpartition("|")[2])


def _key(poll_id: str, user_id: str) -> str:
    return f"{poll_id}|{user_id}"


def _place(key: str) -> tuple[int, str]:
    """The least place goes first: the greatest checksum, and of equal ones the least key."""
    return -crc32(key.encode()), key
