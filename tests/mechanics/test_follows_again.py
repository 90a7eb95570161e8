"""The rules of follows at their edges: in the recount, and the same in the worker's section."""

from __future__ import annotations

from itertools import permutations
from typing import Any
from zlib import crc32

import msgspec
import pytest

from stream.contract.people import UNKNOWN_USER
from stream.mechanics.follows.events import Follow, Unfollow
from stream.mechanics.follows.recount import FollowsAgain
from stream.mechanics.follows.show import FollowsPlanned
from tests.mechanics.test_outer_laws import T0_MS, Beside

# (user, whether they follow, ms, event id)
Word = tuple[str, bool, int, str]


def figures(*words: Word, **limits: int) -> dict[str, Any]:
    """Of the recount, of words in this order of arrival; the section says the same."""
    beside = Beside(**limits)
    for user, follows, at_ms, event_id in words:
        kind = Follow if follows else Unfollow
        event = kind(event_id=event_id, room_id="r1", event_time_ms=T0_MS + at_ms, user_id=user)
        beside.add("interactions", msgspec.json.encode(event), b"r1", T0_MS + 1_000)
    looked, differences = beside.differences(T0_MS + 1_000)
    assert (looked > 0, differences) == (True, [])
    found: dict[str, Any] = beside.recount.room("r1", T0_MS + 1_000).mechanics["follows"]
    return found


@pytest.mark.parametrize(
    ("turns", "gained", "lost"),
    [
        ((True,), 1, 0),
        ((False,), 0, 1),
        ((True, False), 0, 0),
        ((False, True), 0, 0),
        ((True, False, True), 1, 0),
        ((False, True, False), 0, 1),
        ((True, True), 1, 0),
    ],
)
def test_the_earliest_and_the_latest_event_decide_in_any_order(turns: tuple[bool, ...], gained: int, lost: int) -> None:
    words = [("a", follows, number, f"e{number}") for number, follows in enumerate(turns)]
    for order in permutations(words):
        found = figures(*order)
        assert (found["gained"], found["lost"], found["net"]) == (gained, lost, gained - lost)
        assert figures(*order, *order) == found


def test_of_one_millisecond_the_greater_event_id_is_later_as_text() -> None:
    words: list[Word] = [("a", True, 5, "e9"), ("a", False, 5, "e10"), ("b", False, 5, "f9"), ("b", True, 5, "f10")]
    # "e10" < "e9": `a` left and came back, `b` came and left again.
    assert figures(*words) == figures(*words[::-1])
    assert (figures(*words)["gained"], figures(*words)["lost"]) == (0, 0)
    later: Word = ("a", False, 5, "e91")
    assert figures(*words, later)["lost"] == 1
    assert figures(later, *words)["lost"] == 1


def test_nobody_follows_but_is_counted_as_unknown() -> None:
    found = figures((UNKNOWN_USER, True, 1, "e1"), ("null", False, 2, "e2"), ("b", True, 3, "e3"))
    assert (found["gained"], found["lost"], found["unknown"], found["beyond"]) == (1, 0, 2, 0)


def test_beyond_the_bound_the_same_people_are_kept_in_any_order() -> None:
    words: list[Word] = [(user, True, number, f"e{number}") for number, user in enumerate("abcxy")]
    words.append(("c", False, 9, "e9"))
    least = sorted("abcxy", key=lambda user: crc32(user.encode()))
    for order in list(permutations(words))[::37]:
        found = figures(*order, people_max=2)
        assert found["gained"] == len([user for user in least[:2] if user != "c"])
        assert found["beyond"] == len([user for user, *_ in words if user not in least[:2]])


def test_at_the_bound_nothing_is_left_out() -> None:
    words: list[Word] = [(user, True, number, f"e{number}") for number, user in enumerate("abc")]
    assert (figures(*words, people_max=3)["gained"], figures(*words, people_max=3)["beyond"]) == (3, 0)
    assert (figures(*words, people_max=2)["gained"], figures(*words, people_max=2)["beyond"]) == (2, 1)


def test_of_equal_checksums_the_greater_id_is_kept() -> None:
    one, other = "plumless", "buckeroo"
    assert crc32(one.encode()) == crc32(other.encode())
    words: list[Word] = [(one, True, 1, "e1"), (other, False, 2, "e2")]
    for order in (words, words[::-1]):
        found = figures(*order, people_max=1)
        assert (found["gained"], found["lost"], found["beyond"]) == (1, 0, 1)


def test_before_the_first_event_there_is_nothing() -> None:
    assert FollowsAgain(FollowsAgain.LIMITS).figures(T0_MS) == {}


def test_a_plan_refuses_turns_that_do_not_lead_where_it_says() -> None:
    with pytest.raises(ValueError, match="2 turns do not lead from False to True"):
        FollowsPlanned("r1", "t").person("a", [1, 2], before=False, after=True)
