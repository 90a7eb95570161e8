"""The rules of gifts at their edges: in the recount, and the same in the worker's section."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from stream.contract.people import UNKNOWN_USER
from stream.mechanics.gifts.events import Gift
from stream.mechanics.gifts.recount import GiftsAgain
from tests.mechanics.test_outer_laws import T0_MS, Beside


class Evening:
    """Gifts in one room, counted by both."""

    def __init__(self, **limits: int) -> None:
        self.beside = Beside(**limits)
        self.at_ms = T0_MS
        self._number = 0

    def gift(
        self,
        user: str,
        count: int = 1,
        coins_each: int = 10,
        streak: str | None = None,
        gift_id: str = "rose",
        *,
        at_ms: int | None = None,
    ) -> None:
        self._number += 1
        self.at_ms += 1 if at_ms is None else 0
        event = Gift(
            event_id=f"e{self._number}",
            room_id="r1",
            event_time_ms=self.at_ms if at_ms is None else at_ms,
            user_id=user,
            gift_id=gift_id,
            count=count,
            coins_each=coins_each,
            streak_id=streak,
        )
        self.beside.add("interactions", msgspec.json.encode(event), b"r1", self.at_ms)

    def figures(self, at_ms: int | None = None) -> dict[str, Any]:
        """Of the recount; the section says the same."""
        at_ms = self.at_ms if at_ms is None else at_ms
        assert self.beside.differences(at_ms)[1] == []
        found: dict[str, Any] = self.beside.recount.room("r1", at_ms).mechanics["gifts"]
        return found


def test_of_a_combo_the_greatest_event_counts_whatever_is_lost_or_comes_late() -> None:
    evening = Evening()
    for count in (1, 2, 9, 5, 9, 3):
        evening.gift("a", count, 10, "s")
    assert (evening.figures()["gifts"], evening.figures()["coins"]) == (9, 90)
    evening.gift("a", 9, 12, "s")  # as many, of more coins
    assert (evening.figures()["gifts"], evening.figures()["coins"]) == (9, 108)
    evening.gift("a", 10, 1, "s")  # more gifts, whatever their coins
    assert (evening.figures()["gifts"], evening.figures()["coins"]) == (10, 10)


def test_a_combo_is_of_one_user_one_gift_and_one_streak() -> None:
    evening = Evening()
    for user, gift_id, streak in (("a", "rose", "s"), ("b", "rose", "s"), ("a", "koi", "s"), ("a", "rose", "t")):
        evening.gift(user, 3, 1, streak, gift_id)
    evening.gift("a", 3, 1)
    evening.gift("a", 3, 1)
    assert (evening.figures()["gifts"], evening.figures()["givers"]) == (18, 2)


def test_nobody_gives_but_is_no_giver() -> None:
    evening = Evening()
    evening.gift(UNKNOWN_USER, 5, 100)
    evening.gift("null", 1, 1, "s")
    evening.gift("b", 1, 1)
    figures = evening.figures()
    assert (figures["coins"], figures["givers"], figures["top.1.who"]) == (502, 1, "b***")
    assert "top.2.who" not in figures
    assert figures["combos.1.who"] == "***"


def test_equal_coins_are_decided_by_gifts_and_then_by_the_greater_id() -> None:
    evening = Evening()
    for user, count, coins_each in (("a", 2, 5), ("b", 1, 10), ("c", 1, 10), ("d", 5, 2)):
        evening.gift(user, count, coins_each)
    figures = evening.figures()
    assert [figures[f"top.{place}.who"] for place in (1, 2, 3)] == ["d***", "a***", "c***"]


def test_a_combo_is_shown_for_ten_seconds_after_it_was_last_heard_of() -> None:
    evening = Evening()
    evening.gift("a", 4, 1, "s")
    evening.gift("a", 2, 1, "s")  # says nothing new, but that it goes on
    last_ms = evening.at_ms
    assert evening.figures(last_ms + 9_999)["combos.1.count"] == 4
    assert evening.figures(last_ms + 9_999)["combos.1.at_ms"] == last_ms
    assert "combos.1.count" not in evening.figures(last_ms + 10_000)


@pytest.mark.parametrize("count", [1, 250])
def test_beyond_the_bound_the_combos_that_were_silent_for_longest_are_let_go(count: int) -> None:
    evening = Evening(combos_max=200)
    for number in range(200 + count):
        evening.gift("a", 1, 1, f"s{number}")
    evening.gift("a", 5, 1, "s0")  # let go: it counts anew
    evening.gift("a", 5, 1, f"s{199 + count}")
    assert evening.figures()["gifts"] == 200 + count + 5 + 4
    if count == 1:  # a hundredth of the bound went at once
        evening.gift("a", 5, 1, "s2")
        assert evening.figures()["gifts"] == 200 + count + 5 + 4 + 4


def test_who_comes_beyond_the_bound_of_givers_is_counted_but_not_credited() -> None:
    evening = Evening(givers_max=2, top=2)
    for user, coins in (("a", 1), ("b", 2), ("c", 70), ("d", 7), ("a", 1)):
        evening.gift(user, 1, coins)
    figures = evening.figures()
    assert (figures["coins"], figures["givers"], figures["uncredited"]) == (81, 4, 77)
    assert [figures["top.1.who"], figures["top.2.who"]] == ["a***", "b***"]


def test_before_the_first_gift_there_is_nothing() -> None:
    assert GiftsAgain(GiftsAgain.LIMITS).figures(T0_MS) == {}
