"""The rules of votes at their edges: in the recount, and the same in the worker's section."""

from __future__ import annotations

from itertools import islice, permutations
from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec
import pytest

from stream.contract.people import UNKNOWN_USER
from stream.mechanics.kinds import CATALOGUE
from stream.mechanics.votes.events import PollClosed, PollOpened, PollOption, Vote
from stream.mechanics.votes.recount import VotesAgain
from stream.mechanics.votes.section import Votes
from tests.mechanics.test_laws import Saving, in_order, new_fold, parts, random_events, records_of, rules_of, state
from tests.mechanics.test_outer_laws import T0_MS, Beside
from tests.support.mechanics import EACH
from tests.support.rooms import INTERACTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.contract.events import Event

Heard = Any  # an event of votes


def opened(
    at_ms: int = 0, event_id: str = "o1", poll: str = "p", options: str = "ab", closes_ms: int | None = None
) -> Heard:
    """A poll with an option for each letter, whose words are the letter and the event's id."""
    return PollOpened(
        event_id=event_id,
        room_id="r1",
        event_time_ms=T0_MS + at_ms,
        poll_id=poll,
        question=f"{poll}?{event_id}",
        options=tuple(PollOption(option_id=letter, text=f"{letter}{place}") for place, letter in enumerate(options)),
        closes_at_ms=None if closes_ms is None else T0_MS + closes_ms,
    )


def vote(user: str, option: str, at_ms: int, event_id: str | None = None, poll: str = "p") -> Heard:
    event_id = event_id or f"{user}{at_ms}{option}{poll}"
    return Vote(
        event_id=event_id,
        room_id="r1",
        event_time_ms=T0_MS + at_ms,
        user_id=user,
        poll_id=poll,
        option_id=option,
    )


def closed(at_ms: int, event_id: str = "c1", poll: str = "p") -> Heard:
    return PollClosed(event_id=event_id, room_id="r1", event_time_ms=T0_MS + at_ms, poll_id=poll)


class Evening:
    """Events in one room, counted by both."""

    def __init__(self, *events: Event, **limits: int) -> None:
        self.beside = Beside(**limits)
        self.heard(*events)

    def heard(self, *events: Event) -> None:
        for event in events:
            self.beside.add("interactions", msgspec.json.encode(event), b"r1", T0_MS + 1_000)

    def figures(self, at_ms: int = 1_000) -> dict[str, Any]:
        """Of the recount; the section says the same."""
        looked, differences = self.beside.differences(T0_MS + at_ms)
        assert (looked > 0, differences) == (True, [])
        found: dict[str, Any] = self.beside.recount.room("r1", T0_MS + at_ms).mechanics["votes"]
        return found

    def votes(self, place: int = 1, at_ms: int = 1_000) -> dict[str, int]:
        """Option → votes, in the order in which they are shown."""
        return {option: votes for option, votes, _ in self._options(place, at_ms)}

    def leaders(self, place: int = 1) -> str:
        return "".join(option for option, _, leads in self._options(place, 1_000) if leads)

    def _options(self, place: int, at_ms: int) -> list[tuple[str, int, bool]]:
        figures = self.figures(at_ms)
        found: list[tuple[str, int, bool]] = []
        while (prefix := f"polls.{place}.options.{len(found) + 1}") + ".votes" in figures:
            found.append((figures[f"{prefix}.option_id"], figures[f"{prefix}.votes"], figures[f"{prefix}.leads"]))
        assert sum(votes for _, votes, _ in found) == figures[f"polls.{place}.voters"]
        return found

    def beyond(self, bound: str) -> int:
        """What the bound kept out."""
        return self.beside.fold.shared.mechanics_beyond["votes", bound]


def in_any_order(*events: Event, every: int = 1, **limits: int) -> list[Evening]:
    """An evening for each order of arrival, or for every so many of them."""
    return [Evening(*order, **limits) for order in islice(permutations(events), 0, None, every)]


def alike(evenings: Sequence[Evening]) -> Evening:
    """One of them; they say the same."""
    said = [evening.figures() for evening in evenings]
    assert said == said[:1] * len(said)
    return evenings[0]


# -- what counts -------------------------------------------------------------------------------------------------------
def test_the_last_vote_counts_by_time_and_then_by_event_id_in_any_order() -> None:
    evening = alike(in_any_order(opened(), vote("x", "a", 20), vote("x", "b", 30), vote("x", "a", 10)))
    assert evening.votes() == {"a": 0, "b": 1}
    # "e10" < "e9", as text.
    evening = alike(in_any_order(opened(), vote("x", "a", 5, "e10"), vote("x", "b", 5, "e9")))
    assert evening.votes() == {"a": 0, "b": 1}


def test_a_vote_before_the_closing_time_counts_and_one_at_it_does_not() -> None:
    evening = Evening(opened(closes_ms=100), vote("x", "a", 99), vote("y", "a", 100), vote("z", "b", 101))
    assert evening.votes() == {"a": 1, "b": 0}


@pytest.mark.parametrize(("closes_ms", "ends_ms"), [(None, 50), (80, 50), (50, 50), (40, 40)])
def test_a_closing_ends_a_poll_unless_it_ended_before(closes_ms: int | None, ends_ms: int) -> None:
    votes = [vote(f"u{at_ms}", "a", at_ms) for at_ms in range(30, 90, 5)]
    evening = Evening(*votes, closed(50), opened(closes_ms=closes_ms))
    assert evening.figures()["polls.1.ends_at_ms"] == T0_MS + ends_ms
    assert evening.votes() == {"a": len(range(30, ends_ms, 5)), "b": 0}


def test_a_late_closing_gives_a_voter_back_what_they_chose_before_it() -> None:
    events = (opened(), vote("x", "a", 10), vote("x", "b", 30), closed(20))
    assert alike(in_any_order(*events)).votes() == {"a": 1, "b": 0}
    evening = Evening(*events[:3])
    assert evening.votes() == {"a": 0, "b": 1}  # looked at before
    evening.heard(events[3])
    assert evening.votes() == {"a": 1, "b": 0}


def test_a_poll_that_is_opened_again_is_open_and_what_was_said_between_counts() -> None:
    events = (opened(), closed(20), vote("x", "a", 25), opened(30, "o2"))
    evening = alike(in_any_order(*events))
    assert (evening.votes(), evening.figures()["polls.1.status"]) == ({"a": 1, "b": 0}, "open")
    later = Evening(opened(0, "o1", closes_ms=20), vote("x", "a", 25))
    assert later.votes() == {"a": 0, "b": 0}
    later.heard(opened(5, "o2", closes_ms=40))
    assert later.votes() == {"a": 1, "b": 0}


def test_an_older_closing_does_not_close_what_was_opened_after_it() -> None:
    evening = Evening(opened(30, "o2"), closed(20), vote("x", "a", 25), vote("y", "b", 35))
    assert evening.figures()["polls.1.ends_at_ms"] is None
    assert evening.votes() == {"a": 1, "b": 1}


def test_the_newest_words_are_shown_in_any_order() -> None:
    events = (opened(0, "o1", options="abc"), opened(10, "o3", options="ca"), opened(10, "o2"), vote("x", "b", 5))
    evening = alike(in_any_order(*events, every=2))
    assert evening.votes() == {"c": 0, "a": 0}
    figures = evening.figures()
    assert (figures["polls.1.question"], figures["polls.1.options.1.text"]) == ("p?o3", "c0")
    assert (figures["polls.1.voters"], figures["polls.1.other"]) == (0, 1)


def test_a_last_vote_for_what_is_no_option_does_not_bring_back_the_one_before() -> None:
    evening = alike(in_any_order(opened(), vote("x", "a", 10), vote("x", "plaid", 20), vote("y", "a", 5)))
    assert (evening.votes(), evening.figures()["polls.1.other"]) == ({"a": 1, "b": 0}, 1)


def test_of_two_options_with_one_id_the_first_stands() -> None:
    evening = Evening(opened(options="aba"), vote("x", "a", 1))
    assert evening.votes() == {"a": 1, "b": 0}
    assert evening.figures()["polls.1.options.1.text"] == "a0"


def test_a_vote_waits_for_its_poll() -> None:
    evening = Evening(vote("x", "a", 10), vote("x", "a", 10, poll="q"), closed(50, poll="q"))
    assert evening.figures()["waiting"] == 2
    assert "polls.1.poll_id" not in evening.figures()
    evening.heard(opened(20))
    assert (evening.votes(), evening.figures()["waiting"]) == ({"a": 1, "b": 0}, 1)
    evening.heard(opened(20, "o2", poll="q"))
    assert evening.figures()["waiting"] == 0


def test_nobody_votes_but_is_counted_as_unknown() -> None:
    evening = Evening(opened(), vote(UNKNOWN_USER, "a", 1), vote("null", "a", 2), vote("x", "b", 3))
    assert (evening.votes(), evening.figures()["unknown"]) == ({"a": 0, "b": 1}, 2)


# -- what is shown -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("chosen", "leaders"), [("", ""), ("a", "a"), ("ab", "ab"), ("abb", "b"), ("aabbc", "ab"), ("abcx", "abc")]
)
def test_a_tie_is_a_tie_whatever_the_order_of_the_options(chosen: str, leaders: str) -> None:
    votes = [vote(f"u{number}", option, number) for number, option in enumerate(chosen)]
    for options in permutations("abc"):
        evening = Evening(opened(options="".join(options)), *votes)
        assert "".join(sorted(evening.leaders())) == leaders
        assert list(evening.votes()) == list(options)


def test_polls_are_shown_newest_first_and_older_ones_are_told() -> None:
    events = [opened(place * 10, f"o{place}", poll=f"p{9 - place}") for place in range(5)]
    evening = Evening(*events[::-1], vote("x", "a", 3, poll="p9"), polls_shown=2)
    figures = evening.figures()
    assert [figures[f"polls.{place}.poll_id"] for place in (1, 2)] == ["p5", "p6"]
    assert "polls.3.poll_id" not in figures
    assert (figures["more"], figures["waiting"]) == (3, 0)
    evening.heard(opened(60, "o9", poll="p9"))  # on show again, with what it had
    assert (evening.figures()["polls.1.poll_id"], evening.votes()) == ("p9", {"a": 1, "b": 0})


def test_at_its_end_a_poll_is_closed_and_published_though_nothing_is_said() -> None:
    evening = Evening(opened(closes_ms=5_000), opened(1, "o2", poll="q", closes_ms=7_000), vote("x", "a", 1))
    assert evening.figures(4_999)["polls.2.status"] == "open"
    fold = evening.beside.fold
    ((_, _, part),) = parts(fold)
    assert part.due_ms == T0_MS + 5_000
    fold.publish(None, 1, everything=True)
    fold.advance(T0_MS + 5_000, "tick")
    assert part.due_ms == T0_MS + 7_000
    (published,) = fold.publish(T0_MS + 60_000, 1)
    polls = msgspec.json.decode(published.document)["votes"]["polls"]
    assert [poll["status"] for poll in polls] == ["open", "closed"]
    assert evening.figures(6_999)["polls.1.status"] == "open"
    assert evening.figures(7_000)["polls.1.status"] == "closed"


def test_a_section_leaves_out_what_there_is_none_of() -> None:
    (published,) = Evening(opened(), vote("x", "a", 1)).beside.fold.publish(None, 1, everything=True)
    section = msgspec.json.decode(published.document)["votes"]
    assert section.keys() == {"polls"}
    assert section["polls"][0].keys() == {"poll_id", "question", "status", "voters", "options"}
    assert CATALOGUE.sections["votes"] is Votes


def test_before_the_first_event_there_is_nothing() -> None:
    assert VotesAgain(VotesAgain.LIMITS).figures(T0_MS) == {}


# -- beyond the bounds -------------------------------------------------------------------------------------------------
def test_beyond_the_bound_the_same_voters_are_kept_in_any_order() -> None:
    voters = (("p", "x"), ("p", "y"), ("q", "x"), ("p", "z"))
    votes = [vote(user, "a", number, poll=poll) for number, (poll, user) in enumerate(voters)]
    votes.append(vote("x", "b", 9))
    least = sorted(("p|x", "p|y", "q|x", "p|z"), key=lambda key: crc32(key.encode()))
    gone = [each for each in votes if f"{each.poll_id}|{each.user_id}" not in least[:2]]
    evening = alike(in_any_order(*votes, opened(), every=67, voters_max=2))
    figures = evening.figures()
    assert figures["beyond"] == len(gone)
    assert figures["polls.1.voters"] + figures["waiting"] == 2
    assert evening.beyond("voters_max") >= 2


def test_at_the_bound_nobody_is_left_out() -> None:
    votes = [vote(user, "a", number) for number, user in enumerate("abc")]
    assert Evening(opened(), *votes, voters_max=3).figures()["beyond"] == 0
    assert Evening(opened(), *votes, voters_max=2).figures()["beyond"] == 1


def test_of_equal_checksums_the_greater_text_is_kept() -> None:
    one, other = "3ZDA9", "Cf5Di"
    assert crc32(f"p|{one}".encode()) == crc32(f"p|{other}".encode())
    for order in permutations((vote(one, "a", 1), vote(other, "b", 2), opened())):
        assert Evening(*order, voters_max=1).votes() == {"a": 0, "b": 1}


def test_nothing_leads_that_those_beyond_the_bound_could_have_overtaken() -> None:
    by_checksum = sorted((f"u{number}" for number in range(9)), key=lambda user: crc32(f"p|{user}".encode()))
    for beyond, leaders in ((0, "a"), (3, "a"), (4, "")):
        kept = [vote(user, "b" if place < 1 else "a", place) for place, user in enumerate(by_checksum[:5])]
        gone = [vote(user, "b", 20 + number) for number, user in enumerate([by_checksum[8]] * beyond)]
        evening = Evening(opened(), *gone, *kept, voters_max=5)
        assert (evening.votes(), evening.figures()["beyond"]) == ({"a": 4, "b": 1}, beyond)
        assert evening.leaders() == leaders


def test_of_a_voter_the_earliest_votes_are_heard_and_what_comes_after_the_end_takes_nothing() -> None:
    after = [vote("x", "b", 60 + number) for number in range(4)]
    events = (opened(closes_ms=50), vote("x", "a", 10), *after)
    evening = alike(in_any_order(*events, every=97, votes_of_voter_max=2))
    assert (evening.votes(), evening.figures()["unheard"]) == ({"a": 1, "b": 0}, 3)
    assert evening.beyond("votes_of_voter_max") == 3
    evening = alike(in_any_order(*(vote("x", option, at_ms) for at_ms, option in enumerate("bab")), opened(), every=5))
    assert (evening.votes(), evening.figures()["unheard"]) == ({"a": 0, "b": 1}, 0)


def test_who_goes_takes_their_unheard_votes_with_them() -> None:
    users = sorted("xyz", key=lambda user: crc32(f"p|{user}".encode()))
    many = [vote(users[1], "a", at_ms) for at_ms in range(5)]
    evening = Evening(opened(), *many, votes_of_voter_max=2, voters_max=1)
    assert (evening.figures()["unheard"], evening.figures()["beyond"]) == (3, 0)
    evening.heard(vote(users[0], "b", 9))
    assert (evening.figures()["unheard"], evening.figures()["beyond"]) == (0, 5)


def test_beyond_the_bound_on_notices_the_newest_are_kept_in_any_order() -> None:
    events = (opened(0, "o1"), closed(5), opened(10, "o2", poll="q"), opened(20, "o3", poll="r"), vote("x", "a", 1))
    evening = alike(in_any_order(*events, every=7, notices_max=3))
    figures = evening.figures()
    assert [figures[f"polls.{place}.poll_id"] for place in (1, 2)] == ["r", "q"]
    assert ("polls.3.poll_id" in figures, figures["waiting"], evening.beyond("notices_max")) == (False, 1, 1)
    evening.heard(opened(4, "o4"))  # older than all that are kept
    assert evening.figures()["waiting"] == 1
    evening.heard(opened(30, "o5"))
    assert (evening.figures()["polls.1.poll_id"], evening.votes()) == ("p", {"a": 1, "b": 0})


@pytest.mark.parametrize("seed", range(3))
def test_beyond_every_bound_a_restart_changes_nothing(seed: int) -> None:
    installed = EACH["votes"]
    rules = rules_of(installed, voters_max=4, votes_of_voter_max=1, notices_max=3, polls_shown=2)
    through, stopped = Saving(installed), Saving(installed)
    for saving in (through, stopped):
        saving.fold = new_fold(installed, rules)
    records = records_of(in_order(random_events(installed, seed)))
    for place in range(0, len(records), 7):
        for saving in (through, stopped):
            saving.fold.fold(INTERACTIONS, records[place : place + 7])
            saving.cut()
        stopped.restart()
        assert state(stopped.fold) == state(through.fold)
    shown = [section for _, _, section, _ in state(stopped.fold).values()]
    assert {"unheard", "beyond", "waiting"} <= set().union(*shown)
