"""`votes`: four polls in three minutes: one closes by its time, one ends in a tie, one changes its words, one is open.

The plan decides what each person chooses in the end before it writes a single vote: so the totals are known beforehand.
All figures and shapes are assumptions. Nobody in it buys anything.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from stream.contract.people import UNKNOWN_USER
from stream.mechanics.votes.events import PollClosed, PollOpened, PollOption, Vote
from stream.shows.delivery import Disturbance
from stream.shows.one_room import show_of_room
from stream.shows.plan import RoomPlan
from stream.shows.planned import Planned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream.contract.events import Event
    from stream.contract.sections import Plain
    from stream.shows.show import Show

NAME = "votes"
DURATION_MS = 180_000
VIEWERS, UNKNOWN, WAITING, AFTER_THE_END = 1_200, 11, 6, 25
# A vote comes up to so long before its poll's opening says that it is open: clocks differ.
EARLY_MS = 1_500
# Of a hundred voters so many choose something else before.
CHANGES_PERCENT = 30


class VotesPlanned(Planned):
    """The polls of one room.

    Args:
        room_id: the room.
        tag: begins every event id.
    """

    NAME = "votes"

    def __init__(self, room_id: str, tag: str) -> None:
        self._room_id, self._tag = room_id, tag
        self._events: list[Event] = []
        self._polls: list[dict[str, Plain]] = []
        self._waiting = self._unknown = 0

    def opened(
        self, poll_id: str, at_ms: int, question: str, texts: Mapping[str, str], closes_at_ms: int | None = None
    ) -> None:
        """A poll is opened, or says other words."""
        self._events.append(
            PollOpened(
                event_id=self._next_id(),
                room_id=self._room_id,
                event_time_ms=at_ms,
                poll_id=poll_id,
                question=question,
                options=tuple(PollOption(option_id=option_id, text=text) for option_id, text in texts.items()),
                closes_at_ms=closes_at_ms,
            )
        )

    def closed(self, poll_id: str, at_ms: int) -> None:
        """The host closes a poll."""
        event_id = self._next_id()
        self._events.append(PollClosed(event_id=event_id, room_id=self._room_id, event_time_ms=at_ms, poll_id=poll_id))

    def vote(self, user_id: str, at_ms: int, poll_id: str, option_id: str) -> None:
        """A vote, whatever becomes of it."""
        self._events.append(
            Vote(
                event_id=self._next_id(),
                room_id=self._room_id,
                event_time_ms=at_ms,
                user_id=user_id,
                poll_id=poll_id,
                option_id=option_id,
            )
        )

    def unknown(self, at_ms: int, poll_id: str, option_id: str) -> None:
        """A vote of nobody known."""
        self.vote(UNKNOWN_USER, at_ms, poll_id, option_id)
        self._unknown += 1

    def waiting(self, user_id: str, at_ms: int, poll_id: str) -> None:
        """A vote on a poll that nobody opens, of somebody who has not voted on it."""
        self.vote(user_id, at_ms, poll_id, "yes")
        self._waiting += 1

    def comes_to(
        self,
        poll_id: str,
        question: str,
        texts: Mapping[str, str],
        by_option: Mapping[str, int],
        *,
        other: int = 0,
        is_over: bool,
    ) -> None:
        """What a poll comes to by the show's end. The polls are named in the order of their openings.

        Args:
            poll_id: the poll.
            question: what it asks in the end.
            texts: its options in the end, and their words.
            by_option: votes of each option.
            other: votes of options that it does not have in the end.
            is_over: whether it ends within the show.
        """
        figures: dict[str, Plain] = {
            "poll_id": poll_id,
            "question": question,
            "status": "closed" if is_over else "open",
            "voters": sum(by_option.values()),
            "other": other,
        }
        for place, (option_id, text) in enumerate(texts.items(), 1):
            figures[f"options.{place}.option_id"] = option_id
            figures[f"options.{place}.text"] = text
            figures[f"options.{place}.votes"] = by_option[option_id]
            figures[f"options.{place}.leads"] = by_option[option_id] == max(by_option.values())
        self._polls.append(figures)

    def _next_id(self) -> str:
        return f"{self._tag}-{len(self._events):05x}"

    def events(self) -> Sequence[Event]:
        """As `Planned.events`."""
        return self._events

    def figures(self) -> dict[str, Plain]:
        """As `Planned.figures`; when a poll ends is a time of the show, and left out."""
        figures: dict[str, Plain] = {
            "more": 0,
            "waiting": self._waiting,
            "unheard": 0,
            "beyond": 0,
            "unknown": self._unknown,
        }
        for place, poll in enumerate(reversed(self._polls), 1):
            figures |= {f"polls.{place}.{name}": value for name, value in poll.items()}
        return figures


class _Crowd:
    """People who vote: what they choose in the end is given, how they come to it is drawn."""

    def __init__(self, votes: VotesPlanned, viewers: Sequence[str], rng: Random) -> None:
        self._votes, self._viewers, self._rng = votes, viewers, rng

    def choose(
        self, poll_id: str, by_option: Mapping[str, int], from_ms: int, until_ms: int, *, again: int = AFTER_THE_END
    ) -> None:
        """Let as many people choose each option as is said, some of them another one before.

        `again`: so many vote once more when the poll is over.
        """
        rng, options = self._rng, list(by_option)
        chosen = [option_id for option_id, count in by_option.items() for _ in range(count)]
        voters = rng.sample(self._viewers, len(chosen))
        for user_id, option_id in zip(voters, chosen, strict=True):
            turns = rng.randint(1, 3) if rng.randrange(100) < CHANGES_PERCENT else 0
            *before_ms, last_ms = sorted(rng.sample(range(from_ms - EARLY_MS, until_ms), turns + 1))
            for at_ms in before_ms:
                self._votes.vote(user_id, at_ms, poll_id, rng.choice(options))
            self._votes.vote(user_id, last_ms, poll_id, option_id)
        for place, user_id in enumerate(voters[:again]):
            self._votes.vote(user_id, until_ms + place, poll_id, rng.choice(options))


def build(seed: int, room_id: str = NAME) -> Show:
    """The show of one seed."""
    rng = Random(f"{NAME}/{seed}")
    plan = RoomPlan(room_id, f"vo{seed}", DURATION_MS)
    viewers = [f"{rng.choice('abcdefghijklmnop')}{number:04d}" for number in range(VIEWERS)]
    for user_id in viewers:
        plan.visit(user_id, [(rng.randrange(20_000), None)])
        if rng.random() < 0.3:
            plan.like(user_id, 60_000 + rng.randrange(90_000), rng.randint(1, 40))
    votes = VotesPlanned(room_id, f"vov{seed}")
    crowd = _Crowd(votes, viewers, rng)
    _colour(votes, crowd, rng)
    _size(votes, crowd, rng)
    _price(votes, crowd, rng)
    _again(votes, crowd, rng)
    for number, user_id in enumerate(rng.sample(viewers, WAITING)):
        votes.waiting(user_id, rng.randrange(DURATION_MS - 5_000), f"nobody-opens-{number % 2}")
    for _ in range(UNKNOWN):
        votes.unknown(rng.randrange(60_000), "colour", "camel")
    plan.add(votes)
    disturbance = Disturbance(seed=seed, duration_ms=DURATION_MS, repeated_per_10k=300, held_back_per_10k=300)
    return show_of_room(NAME, seed, plan, disturbance)


def _colour(votes: VotesPlanned, crowd: _Crowd, rng: Random) -> None:
    """It ends by its closing time, and one option has most."""
    question, texts = (
        "下一件先看哪个颜色? Which colour next?",
        {"camel": "驼色 Camel", "navy": "藏青 Navy", "grey": "灰 Grey"},
    )
    by_option = {"camel": 240 + rng.randrange(40), "navy": 150 + rng.randrange(40), "grey": 40 + rng.randrange(40)}
    votes.opened("colour", 22_000, question, texts, closes_at_ms=70_000)
    crowd.choose("colour", by_option, 22_000, 70_000)
    votes.comes_to("colour", question, texts, by_option, is_over=True)


def _size(votes: VotesPlanned, crowd: _Crowd, rng: Random) -> None:
    """The host closes it before its closing time. It ends in a tie."""
    question, texts = "你穿什么码? Which size is yours?", {"s": "S", "m": "M", "l": "L", "xl": "XL"}
    tie = 120 + rng.randrange(60)
    by_option = {"s": 60, "m": tie, "l": tie, "xl": 0}
    votes.opened("size", 75_000, question, texts, closes_at_ms=170_000)
    crowd.choose("size", by_option, 75_000, 110_000)
    votes.closed("size", 110_000)
    votes.comes_to("size", question, texts, by_option, is_over=True)


def _price(votes: VotesPlanned, crowd: _Crowd, rng: Random) -> None:
    """Its words are corrected while people vote: an option goes, and the votes for it with it."""
    question, texts = "多少钱合适? What price is fair?", {"199": "¥199", "249": "¥249"}
    by_option, gone = {"199": 80 + rng.randrange(30), "249": 130 + rng.randrange(30)}, 20 + rng.randrange(10)
    votes.opened("price", 115_000, "多少钱? What price is fare?", {**texts, "99": "¥99"}, closes_at_ms=125_000)
    votes.opened("price", 118_000, question, texts, closes_at_ms=150_000)
    crowd.choose("price", {**by_option, "99": gone}, 115_000, 150_000)
    votes.comes_to("price", question, texts, by_option, other=gone, is_over=True)


def _again(votes: VotesPlanned, crowd: _Crowd, rng: Random) -> None:
    """It is open when the show ends."""
    question, texts = "明天还来吗? Here again tomorrow?", {"yes": "来 Yes", "no": "不来 No"}
    by_option = {"yes": 210 + rng.randrange(50), "no": 30 + rng.randrange(50)}
    votes.opened("again", 152_000, question, texts)
    crowd.choose("again", by_option, 152_000, DURATION_MS - 5_000, again=0)
    votes.comes_to("again", question, texts, by_option, is_over=False)
