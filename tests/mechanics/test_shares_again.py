"""The rules of shares at their edges: in the recount, and the same in the worker's section."""

from __future__ import annotations

from itertools import permutations
from random import Random
from typing import Any

import msgspec
import pytest

from stream.contract.people import UNKNOWN_USER
from stream.mechanics.kinds import CATALOGUE
from stream.mechanics.shares.events import Share
from stream.mechanics.shares.recount import SharesAgain
from stream.mechanics.shares.section import Shares
from stream.mechanics.shares.show import SharesPlanned
from tests.mechanics.test_laws import Saving, parts, records_of
from tests.mechanics.test_outer_laws import T0_MS, Beside
from tests.support.mechanics import EACH
from tests.support.rooms import INTERACTIONS


class Evening:
    """Shares in one room, counted by both."""

    def __init__(self, **limits: int) -> None:
        self.beside = Beside(**limits)
        self._number = 0

    def share(self, user: str = "a", channel: str | None = None, event_id: str | None = None) -> None:
        self._number += 1
        event = Share(
            event_id=event_id or f"e{self._number}",
            room_id="r1",
            event_time_ms=T0_MS + self._number,
            user_id=user,
            channel=channel,
        )
        self.beside.add("interactions", msgspec.json.encode(event), b"r1", event.event_time_ms)

    def figures(self) -> dict[str, Any]:
        """Of the recount; the section says the same."""
        at_ms = T0_MS + self._number
        looked, found = self.beside.differences(at_ms)
        assert (looked > 0, found) == (True, [])
        figures: dict[str, Any] = self.beside.recount.room("r1", at_ms).mechanics["shares"]
        named = sum(
            value for figure, value in figures.items() if figure.startswith("channels.") and figure.endswith(".shares")
        )
        assert figures["shares"] == named + figures["not_said"] + figures["other"]
        return figures

    def channels(self) -> list[tuple[str, int]]:
        """Those that are shown, in their order."""
        figures = self.figures()
        places = sum(1 for figure in figures if figure.endswith(".channel"))
        return [
            (figures[f"channels.{place}.channel"], figures[f"channels.{place}.shares"])
            for place in range(1, places + 1)
        ]

    def beyond(self, bound: str) -> int:
        """What the bound kept out."""
        return sum(count for key, count in self.beside.fold.shared.mechanics_beyond.items() if bound in str(key))


def test_a_share_of_the_same_person_by_the_same_channel_counts_again() -> None:
    evening = Evening()
    for user, channel in (("a", "wechat"), ("a", "wechat"), ("b", "wechat"), ("b", None)):
        evening.share(user, channel)
    figures = evening.figures()
    assert (figures["shares"], figures["sharers"], figures["not_said"], figures["other"]) == (4, 2, 1, 0)
    assert evening.channels() == [("wechat", 3)]


def test_a_record_that_comes_again_is_the_same_share() -> None:
    evening = Evening()
    for channel in ("wechat", "wechat", "link"):
        evening.share("a", channel, "once")
    assert (evening.figures()["shares"], evening.channels()) == (1, [("wechat", 1)])


def test_nobody_shares_but_is_no_sharer() -> None:
    evening = Evening()
    for user in (UNKNOWN_USER, "null", "b"):
        evening.share(user, "qq")
    assert (evening.figures()["shares"], evening.figures()["sharers"]) == (3, 1)


def test_equal_channels_are_decided_by_the_shorter_name_and_then_by_ascii() -> None:
    evening = Evening()
    for channel in ("weibo", "qq", "link", "Weibo", "chat", "weibo1", "weibo1"):
        evening.share("a", channel)
    assert [name for name, _ in evening.channels()] == ["weibo1", "qq", "chat", "link", "Weibo", "weibo"]


def test_a_channel_is_taken_as_it_is_said() -> None:
    evening = Evening()
    for channel in ("WeChat", "wechat", "other", "null", "-"):
        evening.share("a", channel)
    assert len(evening.channels()) == 5
    assert (evening.figures()["other"], evening.figures()["not_said"]) == (0, 0)


@pytest.mark.parametrize("order", [*permutations(("ccc", "bb", "aaaa", "bc"))])
def test_beyond_the_bound_the_shortest_names_are_kept_whole_in_any_order(order: tuple[str, ...]) -> None:
    evening = Evening(channels_max=2)
    for channel in (*order, *order, "aaaa"):
        evening.share("a", channel)
    assert evening.channels() == [("bb", 2), ("bc", 2)]
    assert evening.figures()["other"] == 5
    assert evening.beyond("channels_max") == 5


def test_up_to_the_bound_nothing_is_kept_out() -> None:
    evening = Evening(channels_max=2, sharers_max=2)
    for user, channel in (("a", "long-one"), ("b", "bb"), ("a", "bb"), ("-", "bb")):
        evening.share(user, channel)
    assert (len(evening.channels()), evening.figures()["other"]) == (2, 0)
    assert evening.beside.fold.shared.mechanics_beyond.total() == 0


def test_more_people_than_the_bound_are_estimated_and_said_to_be() -> None:
    evening = Evening(sharers_max=3)
    for user in "abcab":
        evening.share(user)
    assert sharers(evening).method == "exact"
    for user in "dab-":
        evening.share(user)
    assert (sharers(evening).method, sharers(evening).value) == ("sketch", 4)
    assert sharers(evening).error_95 > 0
    assert evening.beyond("sharers_max") == 3
    assert evening.figures()["shares"] == 9


def sharers(evening: Evening) -> Any:
    ((_, _, part),) = parts(evening.beside.fold)
    return part.mechanic.section(evening.beside.fold.clock_ms).sharers  # type: ignore[union-attr]


def test_once_there_are_more_people_than_the_bound_no_row_of_them_is_left() -> None:
    installed = EACH["shares"]
    saving = Saving(installed)
    most = installed.limits({})["shares"]["sharers_max"]
    events = [
        Share(event_id=f"e{number}", room_id="r1", event_time_ms=T0_MS, user_id=f"u{number}")
        for number in range(most + 1)
    ]
    for piece in (events[:-1], events[-1:]):
        saving.fold.fold(INTERACTIONS, records_of(piece))
        saving.cut()
    ((_, _, part),) = parts(saving.fold)
    assert [key for key in part.written_ms if part.mechanic.row(key) is not None] == []
    before = msgspec.to_builtins(part.mechanic.section(T0_MS))
    saving.restart()
    ((_, _, part),) = parts(saving.fold)
    assert msgspec.to_builtins(part.mechanic.section(T0_MS)) == before
    assert not part.written_ms


def test_a_section_leaves_out_what_there_is_none_of() -> None:
    section = msgspec.convert({"shares": 1, "sharers": {"value": 1, "method": "exact"}, "channels": []}, Shares)
    assert msgspec.to_builtins(section).keys() == {"shares", "sharers", "channels"}
    assert CATALOGUE.sections["shares"] is Shares


def test_before_the_first_share_there_is_nothing() -> None:
    assert SharesAgain(SharesAgain.LIMITS).figures(T0_MS) == {}


def test_a_plan_in_which_not_everybody_can_share_is_refused() -> None:
    with pytest.raises(ValueError, match="3 shares are too few for 3 sharers and 1 unknown"):
        SharesPlanned("r1", "t", {"wechat": 2}, 1, ("a", "b", "c"), 1)
    plan = SharesPlanned("r1", "t", {"wechat": 2}, 2, ("a", "b", "c"), 1)
    plan.write(Random(1), 1_000)
    assert sorted(event.user_id for event in plan.events()) == ["-", "a", "b", "c"]
