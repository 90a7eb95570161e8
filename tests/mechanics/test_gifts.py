"""The rules of gifts, as the worker folds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.contract.overlay import Count
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.mechanics.folds import INSTALLED
from stream.mechanics.gifts.events import Gift
from stream.mechanics.gifts.section import Combo, Gifts, Giver
from tests.support.events import Log, at
from tests.support.rooms import INTERACTIONS, TOPICS

if TYPE_CHECKING:
    from typing import Any


def new_log(**limits: int) -> Log:
    rules = Rules(
        ids_by_topic=True,
        contract_edition=2,
        mechanics=INSTALLED.limits({f"gifts.{name}": limit for name, limit in limits.items()}),
    )
    log = Log(fold=PartitionFold(3, rules, TOPICS, mechanics=INSTALLED))
    log.fold.advance(at(0), "tick")
    return log


class Sender:
    """Sends gifts to a room."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._sent = 0

    def __call__(
        self, user: str = "ann", count: int = 1, coins: int = 10, streak: str | None = None, **more: Any
    ) -> None:
        """One gift: `s` is when, `gift` what."""
        self._sent += 1
        event: Any = Gift(
            event_id=f"g{self._sent}",
            room_id="r1",
            event_time_ms=at(more.get("s", 0)),
            user_id=user,
            gift_id=more.get("gift", "rose"),
            count=count,
            coins_each=coins,
            streak_id=streak,
        )
        self.log.add(event)

    def section(self) -> Gifts:
        """What documents show now."""
        found = getattr(self.log.overlay(), "gifts", None)
        assert isinstance(found, Gifts)
        return found

    @property
    def sums(self) -> tuple[int, int, int]:
        """Gifts, coins, givers."""
        section = self.section()
        return section.gifts, section.coins, section.givers.value


@pytest.fixture
def send() -> Sender:
    return Sender(new_log())


def test_gifts_alone_add_up(send: Sender) -> None:
    send("ann", 3, coins=10)
    send("bob", 1, coins=99)
    send("ann", 1, coins=0)
    assert send.sums == (5, 129, 2)
    assert send.section().top == [Giver("b***", 99, 1), Giver("a***", 30, 4)]
    assert send.section().combos == []


def test_of_a_combo_the_greatest_count_counts(send: Sender) -> None:
    for count in (1, 2, 5, 3, 5, 1):
        send("ann", count, streak="one")
    assert send.sums == (5, 50, 1)
    assert send.log.fold.counters.applied[INTERACTIONS] == 3
    assert send.log.fold.counters.duplicate[INTERACTIONS] == 3


def test_a_combo_is_of_one_user_one_gift_one_streak(send: Sender) -> None:
    send("ann", 5, streak="one")
    send("ann", 4, streak="two")
    send("bob", 3, streak="one")
    send("ann", 2, streak="one", gift="koi")
    assert send.sums == (14, 140, 2)


def test_a_combo_that_changes_its_price_has_that_of_its_greatest_word(send: Sender) -> None:
    send("ann", 5, coins=100, streak="one")
    send("bob", 1, coins=400)
    assert send.section().top[0] == Giver("a***", 500, 5)
    send("ann", 6, coins=10, streak="one")
    assert send.sums == (7, 460, 2)
    assert send.section().top == [Giver("b***", 400, 1), Giver("a***", 60, 6)]
    send("ann", 6, coins=9, streak="one")
    assert send.sums == (7, 460, 2)


def test_those_who_are_nobody_give_and_are_no_givers(send: Sender) -> None:
    send("-", 2, streak="one")
    send("unknown", 1)
    assert send.sums == (3, 30, 0)
    assert send.section().top == []
    assert send.section().combos == [Combo("***", "rose", 2, at(0))]


def test_ties_are_decided_by_gifts_and_then_by_the_id(send: Sender) -> None:
    for user, count in (("ann", 1), ("bob", 2), ("cid", 2), ("dan", 1)):
        send(user, count, coins=20 // count)
    assert [each.who for each in send.section().top] == ["c***", "b***", "d***"]


def test_a_combo_is_shown_for_ten_seconds_after_its_last_word(send: Sender) -> None:
    for s, streak in ((0, "one"), (1, "two"), (2, "three"), (3, "four")):
        send("ann", 2, streak=streak, s=s)
    send("ann", 1, streak="one", s=4)  # says nothing new, and is heard
    assert [each.at_ms for each in send.section().combos] == [at(4), at(3), at(2)]
    for moment_s, shown in ((11.999, 3), (12, 2), (12.999, 2), (13, 1), (14, 0)):
        send.log.tick(moment_s)
        assert len(send.section().combos) == shown
        (published,) = send.log.fold.publish(None, 1, everything=True)
        assert len(msgspec.json.decode(published.document)["gifts"]["combos"]) == shown
    assert send.sums == (8, 80, 1)


def test_beyond_the_bound_on_givers_sums_stay_exact_and_what_top_may_lack_is_told() -> None:
    send = Sender(new_log(givers_max=2))
    for user in ("ann", "bob", "cid", "dan", "cid"):
        send(user, 1, coins=50)
    send("ann", 1, coins=5)
    section = send.section()
    assert (section.gifts, section.coins, section.uncredited) == (6, 255, 150)
    assert section.givers == Count(4, "sketch", 0.0165)
    assert section.top == [Giver("a***", 55, 2), Giver("b***", 50, 1)]
    assert send.log.fold.shared.mechanics_beyond == {("gifts", "givers_max"): 3}


def test_beyond_the_bound_on_combos_the_longest_silent_is_forgotten_and_stays_counted() -> None:
    send = Sender(new_log(combos_max=2))
    for s, streak in ((0, "one"), (1, "two"), (2, "three")):
        send("ann", 5, streak=streak, s=s)
    assert send.sums == (15, 150, 1)
    assert len(send.section().combos) == 2
    assert send.log.fold.shared.mechanics_beyond == {("gifts", "combos_max"): 1}
    send("ann", 6, streak="one", s=3)  # it speaks again, and counts anew
    assert send.sums == (21, 210, 1)


def test_sums_of_the_greatest_gifts_are_whole_numbers(send: Sender) -> None:
    for number in range(3):
        send(f"u{number}", 10_000, coins=1_000_000)
    assert send.sums == (30_000, 30_000_000_000, 3)
    assert b'"coins":30000000000,' in send.log.fold.publish(None, 1, everything=True)[0].document
