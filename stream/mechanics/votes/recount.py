"""Votes counted again by the rules of README.md: every event is kept, and polls are made when asked.

Nothing here is shared with the fold.
"""

from __future__ import annotations

import zlib
from collections import Counter
from itertools import takewhile
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar

from stream.contract.people import UNKNOWN_PEOPLE
from stream.mechanics.votes.events import PollClosed, PollOpened, Vote
from stream.verify.recounted import Recounted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from stream.contract.events import Event
    from stream.contract.sections import Plain

_in_time = attrgetter("event_time_ms", "event_id")


class VotesAgain(Recounted):
    """The votes of one session."""

    NAME = "votes"
    KINDS = (PollOpened, Vote, PollClosed)
    LIMITS: ClassVar[Mapping[str, int]] = {
        "voters_max": 200_000,
        "votes_of_voter_max": 16,
        "notices_max": 64,
        "polls_shown": 5,
    }

    def __init__(self, limits: Mapping[str, int]) -> None:
        super().__init__(limits)
        self._votes: dict[tuple[str, str], list[Vote]] = {}  # by poll and person
        self._unknown = 0
        self._notices: list[PollOpened | PollClosed] = []

    def note(self, event: Event, effective_ms: int) -> bool:  # noqa: ARG002 — events are ordered by what they say
        """As `Recounted.note`."""
        if isinstance(event, PollOpened | PollClosed):
            self._notices.append(event)
        elif isinstance(event, Vote) and event.user_id in UNKNOWN_PEOPLE:
            self._unknown += 1
        elif isinstance(event, Vote):
            self._votes.setdefault((event.poll_id, event.user_id), []).append(event)
        else:
            return False
        return True

    def figures(self, as_of_ms: int) -> dict[str, Plain]:
        """As `Recounted.figures`."""
        if not (self._votes or self._unknown or self._notices):
            return {}
        kept, others = self._kept()
        notices = self._newest_notices()
        opened = [each for each in reversed(notices) if isinstance(each, PollOpened)]
        closed = {each.poll_id: each for each in notices if isinstance(each, PollClosed)}
        beyond = sum(len(self._votes[each]) for each in others)
        most = self.limits["votes_of_voter_max"]
        figures: dict[str, Plain] = {
            "more": max(0, len(opened) - self.limits["polls_shown"]),
            "waiting": len([poll for poll, _ in kept if poll not in {each.poll_id for each in opened}]),
            "unheard": sum(len(self._votes[each][most:]) for each in kept),
            "beyond": beyond,
            "unknown": self._unknown,
        }
        for place, poll in enumerate(opened[: self.limits["polls_shown"]], 1):
            ends_at_ms = _end(poll, closed.get(poll.poll_id))
            chosen = [*self._chosen(poll.poll_id, ends_at_ms, kept)]
            figures |= {f"polls.{place}.{name}": value for name, value in _poll(poll, chosen, beyond)}
            is_over = ends_at_ms is not None and as_of_ms >= ends_at_ms
            figures[f"polls.{place}.status"] = "closed" if is_over else "open"
            figures[f"polls.{place}.ends_at_ms"] = ends_at_ms
        return figures

    def _kept(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Voters within the bound, and those beyond it: least checksums are kept; of equal ones the greater text."""
        voters = sorted(self._votes, key="|".join, reverse=True)
        voters.sort(key=lambda voter: zlib.crc32("|".join(voter).encode("utf-8")))
        most = self.limits["voters_max"]
        return voters[:most], voters[most:]

    def _newest_notices(self) -> list[PollOpened | PollClosed]:
        """The newest opening and the newest closing of each poll, of these the newest, oldest first."""
        newest: dict[tuple[type[Event], str], PollOpened | PollClosed] = {}
        for notice in sorted(self._notices, key=_in_time):
            newest[type(notice), notice.poll_id] = notice
        in_order = sorted(
            newest.values(), key=lambda each: (*_in_time(each), isinstance(each, PollOpened), each.poll_id)
        )
        return in_order[-self.limits["notices_max"] :]

    def _chosen(self, poll_id: str, ends_at_ms: int | None, kept: Iterable[tuple[str, str]]) -> Iterator[str]:
        """What each voter on a poll chose in the end."""
        for voter in kept:
            if voter[0] == poll_id:
                heard = sorted(self._votes[voter], key=_in_time)[: self.limits["votes_of_voter_max"]]
                in_time = [*takewhile(lambda vote: ends_at_ms is None or vote.event_time_ms < ends_at_ms, heard)]
                if in_time:
                    yield in_time[-1].option_id


def _end(opened: PollOpened, closed: PollClosed | None) -> int | None:
    """The end of a poll: what its newest notice says; a closing does not move the closing time to later."""
    said = [] if opened.closes_at_ms is None else [opened.closes_at_ms]
    if closed is not None and _in_time(closed) > _in_time(opened):
        said.append(closed.event_time_ms)
    return min(said, default=None)


def _poll(poll: PollOpened, chosen: list[str], beyond: int) -> Iterator[tuple[str, Plain]]:
    """The words and votes of one poll, figure by figure."""
    texts: dict[str, str] = {}
    for option in poll.options:
        if option.option_id not in texts:
            texts[option.option_id] = option.text
    counted = Counter(chosen)
    votes = {option_id: counted[option_id] for option_id in texts}
    yield "poll_id", poll.poll_id
    yield "question", poll.question
    yield "voters", sum(votes.values())
    yield "other", sum(count for option_id, count in counted.items() if option_id not in texts)
    for place, (option_id, text) in enumerate(texts.items(), 1):
        # Who is beyond the bound might have chosen any other option.
        others = [votes[other] + beyond for other in texts if other != option_id]
        yield f"options.{place}.option_id", option_id
        yield f"options.{place}.text", text
        yield f"options.{place}.votes", votes[option_id]
        yield f"options.{place}.leads", bool(votes[option_id]) and not any(each > votes[option_id] for each in others)
