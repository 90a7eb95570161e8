"""The rules of coupons at their edges: in the recount, and the same in the worker's section."""

from __future__ import annotations

from itertools import permutations
from random import Random
from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec
import pytest

from stream.core.mechanic import NEVER_MS
from stream.mechanics.coupons.events import CouponOffered, CouponReturned, CouponTaken, CouponUsed
from stream.mechanics.coupons.expiry import SPARE, Expiries, expires_at_ms
from stream.mechanics.coupons.fold import CouponFold
from stream.mechanics.coupons.recount import CouponsAgain
from stream.mechanics.coupons.section import Coupons
from stream.mechanics.kinds import CATALOGUE
from tests.mechanics.test_laws import (
    END_MS,
    Saving,
    in_order,
    new_fold,
    parts,
    random_events,
    records_of,
    rules_of,
    state,
)
from tests.mechanics.test_outer_laws import T0_MS, Beside
from tests.support.any_event import any_event
from tests.support.mechanics import EACH
from tests.support.rooms import INTERACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream.contract.events import Event

STATUSES = ("taken", "used", "returned", "expired", "refused")


class Evening:
    """Coupons in one room, counted by both."""

    def __init__(self, **limits: int) -> None:
        self.beside = Beside(**limits)
        self.at_s = 0
        self._number = 0

    def _what(self, s: float | None) -> dict[str, Any]:
        """Each event has a later time than the last one, unless its time is said."""
        self._number += 1
        at_ms = T0_MS + self._number if s is None else T0_MS + round(1_000 * s)
        return {"event_id": f"e{self._number:04d}", "room_id": "r1", "event_time_ms": at_ms}

    def add(self, event: Event) -> None:
        self.beside.add("interactions", msgspec.json.encode(event), b"r1", T0_MS + 1_000 * self.at_s + self._number)

    def offer(self, coupon: str = "c", *, s: float | None = None, **terms: Any) -> None:
        said = {"title": "A coupon", "offered": 10, "starts_at_ms": T0_MS, **terms}
        self.add(CouponOffered(coupon_id=coupon, **self._what(s), **said))

    def take(self, take: str, user: str = "ann", coupon: str = "c", *, s: float | None = None) -> None:
        self.add(CouponTaken(take_id=take, coupon_id=coupon, user_id=user, **self._what(s)))

    def use(self, take: str, order: str | None = None, *, s: float | None = None) -> None:
        self.add(CouponUsed(take_id=take, order_id=order, **self._what(s)))

    def give_back(self, take: str, *, s: float | None = None) -> None:
        self.add(CouponReturned(take_id=take, **self._what(s)))

    def figures(self, s: float | None = None) -> dict[str, Any]:
        """Of the recount; the section says the same. For every coupon that was offered, its pieces add up."""
        at_ms = T0_MS + 1_000 * self.at_s + self._number if s is None else T0_MS + round(1_000 * s)
        looked, found = self.beside.differences(at_ms)
        assert (looked > 0, found) == (True, [])
        figures: dict[str, Any] = self.beside.recount.room("r1", at_ms).mechanics["coupons"]
        place = 1
        while f"coupons.{place}.coupon_id" in figures:
            one = {name: figures[f"coupons.{place}.{name}"] for name in (*STATUSES, "handed_out")}
            offered, left, over = (figures[f"coupons.{place}.{name}"] for name in ("offered", "left", "overdrawn"))
            assert one["handed_out"] == one["taken"] + one["used"] + one["returned"] + one["expired"]
            assert offered is None or offered + over == left + one["handed_out"]
            assert offered is None or left == 0 or over == 0
            place += 1
        return figures

    def statuses(self, s: float | None = None) -> dict[str, int]:
        """Of the first coupon; those that are 0 are left out."""
        figures = self.figures(s)
        found = {status: figures[f"coupons.1.{status}"] for status in STATUSES}
        return {status: count for status, count in found.items() if count}

    def stock(self) -> tuple[int | None, ...]:
        """Of the first coupon: offered, left, over."""
        figures = self.figures()
        return tuple(figures[f"coupons.1.{name}"] for name in ("offered", "left", "overdrawn"))


# -- a take ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "status"), [("t", "taken"), ("tu", "used"), ("tr", "returned"), ("tur", "returned"), ("tuurr", "returned")]
)
def test_a_take_is_the_set_of_what_was_said_of_it_in_any_order(said: str, status: str) -> None:
    for order in {*permutations(said)}:
        evening = Evening()
        evening.offer()
        say: dict[str, Callable[[str], None]] = {"t": evening.take, "u": evening.use, "r": evening.give_back}
        for letter in order:
            say[letter]("t1")
        assert evening.statuses() == {status: 1}
        assert evening.figures()["unmatched"] == 0
        assert evening.stock() == (10, 9, 0)


def test_of_a_take_that_nobody_took_it_is_not_known_which_coupon_it_is() -> None:
    evening = Evening()
    evening.use("t1", "o1")
    evening.use("t1", "o1")
    evening.give_back("t2")
    assert evening.figures() == {"unmatched": 2, "beyond": 0}
    evening.take("t1")
    assert evening.figures()["unmatched"] == 1
    assert evening.statuses() == {"used": 1}


@pytest.mark.parametrize("step", [1, -1])
def test_the_earliest_word_says_who_took_which(step: int) -> None:
    evening = Evening()
    evening.offer("c", per_user_limit=1)
    evening.offer("d", per_user_limit=1, starts_at_ms=T0_MS - 1)
    words = [("t1", "ann", "d", 5), ("t1", "bob", "c", 4), ("t2", "bob", "c", 4.5), ("t3", "ann", "d", 6)]
    for take, user, coupon, s in words[::step]:
        evening.take(take, user, coupon, s=s)
    figures = evening.figures(10)
    # t1 is bob's of c: so t2 is his second, and t3 is ann's first of d.
    assert (figures["coupons.1.coupon_id"], figures["coupons.1.taken"], figures["coupons.1.refused"]) == ("c", 1, 1)
    assert (figures["coupons.2.coupon_id"], figures["coupons.2.taken"], figures["coupons.2.refused"]) == ("d", 1, 0)


def test_words_of_one_millisecond_are_decided_by_the_event_id() -> None:
    evening = Evening()
    evening.take("t1", coupon="d", s=1)
    evening.take("t1", coupon="c", s=1)
    evening.offer("x", s=1, title="the earlier")
    evening.offer("x", s=1, title="the later")
    figures = evening.figures(2)
    assert (figures["coupons.1.coupon_id"], figures["coupons.1.title"]) == ("x", "the later")
    assert [figures[f"coupons.{place}.taken"] for place in (2, 3)] == [0, 1]  # c, d


# -- the limit ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("order", [*permutations(range(4))])
def test_the_first_takes_of_a_person_count_in_any_order_of_arrival(order: tuple[int, ...]) -> None:
    evening = Evening()
    evening.offer(per_user_limit=2)
    takes = [("t9", 1), ("t1", 2), ("t2", 2), ("t0", 3)]  # by time and then by take id: the first two are t9 and t1
    for take, _ in takes:
        evening.use(take) if take in ("t1", "t0") else evening.give_back(take) if take == "t9" else None
    for number in order:
        take, s = takes[number]
        evening.take(take, s=s)
    assert evening.statuses(10) == {"returned": 1, "used": 1, "refused": 2}


def test_the_limit_is_a_persons_and_a_coupons_own() -> None:
    evening = Evening()
    evening.offer("c", per_user_limit=1)
    evening.offer("d", per_user_limit=1, starts_at_ms=T0_MS - 1)
    for number, (user, coupon) in enumerate((("ann", "c"), ("bob", "c"), ("ann", "d"), ("ann", "c"))):
        evening.take(f"t{number}", user, coupon)
    assert evening.statuses() == {"taken": 2, "refused": 1}


def test_of_nobody_no_take_is_refused() -> None:
    evening = Evening()
    evening.offer(per_user_limit=1)
    for number, user in enumerate(("-", "-", "null", "null")):
        evening.take(f"t{number}", user)
    assert evening.statuses() == {"taken": 4}


def test_a_take_that_was_returned_or_has_expired_still_is_one_of_the_persons() -> None:
    evening = Evening()
    evening.offer(per_user_limit=2, valid_s=5)
    evening.take("t1", s=1)
    evening.give_back("t1", s=2)
    evening.take("t2", s=2)
    evening.take("t3", s=20)
    assert evening.statuses(30) == {"returned": 1, "expired": 1, "refused": 1}


def test_a_new_offer_changes_the_limit_for_all_takes() -> None:
    evening = Evening()
    for number in range(4):
        evening.take(f"t{number}")
    assert evening.statuses() == {"taken": 4}
    assert evening.stock() == (None, None, None)
    for limit, refused in ((3, 1), (1, 3), (None, 0), (2, 2)):
        evening.offer(per_user_limit=limit)
        assert evening.statuses().get("refused", 0) == refused
    evening.offer(per_user_limit=1, s=0)  # an earlier one that comes late
    assert evening.statuses() == {"taken": 2, "refused": 2}


# -- stock -------------------------------------------------------------------------------------------------------------
def test_what_was_handed_out_beyond_the_offer_is_shown() -> None:
    evening = Evening()
    evening.offer(offered=2)
    for number, stock in enumerate(((2, 1, 0), (2, 0, 0), (2, 0, 1), (2, 0, 2))):
        evening.take(f"t{number}", f"u{number}")
        assert evening.stock() == stock
    evening.give_back("t0")
    assert evening.stock() == (2, 0, 2)  # it is not handed out again
    evening.offer(offered=5)
    assert evening.stock() == (5, 1, 0)
    evening.offer(offered=0)
    assert evening.stock() == (0, 0, 4)


def test_the_coupon_with_the_latest_start_comes_first_and_one_without_an_offer_last() -> None:
    evening = Evening()
    evening.take("t1", coupon="a")
    for coupon, start_ms in (("z", 5), ("m", 5), ("b", 0), ("q", 9)):
        evening.offer(coupon, starts_at_ms=start_ms)
    figures = evening.figures()
    assert [figures[f"coupons.{place}.coupon_id"] for place in range(1, 6)] == ["q", "m", "z", "b", "a"]
    assert figures["coupons.5.title"] is None


# -- expiry ------------------------------------------------------------------------------------------------------------
def test_a_take_expires_at_the_millisecond_and_not_before() -> None:
    evening = Evening()
    evening.offer(valid_s=10, s=0)
    evening.take("t1", s=1)
    evening.take("t2", "bob", s=2)
    evening.use("t2", s=3)
    assert evening.statuses(10.999) == {"taken": 1, "used": 1}
    assert evening.statuses(11) == {"expired": 1, "used": 1}
    evening.at_s = 11
    evening.use("t1", s=11)  # the platform let it be used
    assert evening.statuses(12) == {"used": 2}


def test_a_take_that_comes_late_has_expired_already_and_a_longer_validity_brings_it_back() -> None:
    evening = Evening()
    evening.at_s = 30
    evening.offer(valid_s=10)
    evening.take("t1", s=1)
    evening.take("t2", "bob", s=25)
    assert evening.statuses(30.1) == {"taken": 1, "expired": 1}
    evening.offer(valid_s=60, s=30)
    assert evening.statuses(30.2) == {"taken": 2}
    evening.offer(valid_s=None, s=30.1)
    assert evening.statuses(90) == {"taken": 2}
    evening.at_s = 90
    evening.offer(valid_s=1, s=90)
    assert evening.statuses(91) == {"expired": 2}


def test_expiries_are_in_the_order_of_time_and_those_that_went_do_not_come() -> None:
    expiries = Expiries()
    for take, at_ms in (("a", 30), ("b", 10), ("c", 20), ("d", 10)):
        expiries.add(take, at_ms)
    assert expiries.next_ms() == 10
    assert expiries.discard("b")
    assert not expiries.discard("b")
    assert expiries.next_ms() == 10
    assert expiries.discard("d")
    assert expiries.next_ms() == 20
    expiries.add("b", 25)
    assert expiries.take_due(19) == []
    assert expiries.take_due(25) == ["c", "b"]
    assert not expiries.discard("c")
    assert (expiries.next_ms(), expiries.take_due(30), expiries.next_ms()) == (30, ["a"], NEVER_MS)


def test_what_means_nothing_any_more_is_at_most_as_much_as_the_rest() -> None:
    expiries, most = Expiries(), 0
    for number in range(20_000):
        expiries.add(f"t{number}", 1_000_000 - number if number % 2 else number)
        if number >= 100:
            expiries.discard(f"t{number - 100}")
        most = max(most, expiries.entries)
    assert most <= 2 * 101 + SPARE + 1
    assert len(expiries.take_due(2_000_000)) == 100


def test_without_a_validity_nothing_expires() -> None:
    assert (expires_at_ms(5, None), expires_at_ms(5, 2)) == (NEVER_MS, 2_005)


# -- bounds ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(6))
def test_beyond_the_bounds_the_same_are_kept_in_any_order_and_every_event_is_somewhere(seed: int) -> None:
    random, ended = Random(seed), []
    kinds = (CouponOffered, CouponTaken, CouponTaken, CouponUsed, CouponReturned)
    events = [
        any_event(random.choice(kinds), random, f"e{number}", "r1", T0_MS + 1_000 * random.randrange(10))
        for number in range(60)
    ]
    for _ in range(4):
        evening = Evening(coupons_max=3, takes_max=3)
        random.shuffle(events)
        for event in events:
            evening.add(event)
        ended.append([evening.figures(s) for s in (10, 25, 60)])
    assert ended == ended[:1] * 4
    assert 0 < ended[0][0]["beyond"] < len(events)


def test_a_take_that_is_let_go_is_no_take_of_its_person_any_more() -> None:
    first, *others = sorted(("t1", "t2", "t3", "t4"), key=lambda take: -crc32(take.encode()))
    evening = Evening(takes_max=3)
    evening.offer(per_user_limit=1)
    evening.take(first, s=1)  # it has the greatest checksum
    evening.take(others[0], s=2)
    evening.take(others[1], "bob", s=2)
    assert evening.statuses() == {"taken": 2, "refused": 1}
    evening.take(others[2], "cid", s=3)
    assert evening.statuses() == {"taken": 3}
    assert evening.figures()["beyond"] == 1
    for number in range(30):
        evening.take(f"more{number}", f"u{number}")
    ((_, _, part),) = parts(evening.beside.fold)
    fold = part.mechanic
    assert isinstance(fold, CouponFold)
    assert fold.coupons["c"].people <= 3


def test_up_to_the_bounds_nothing_is_beyond() -> None:
    evening = Evening(coupons_max=2, takes_max=2)
    evening.offer("c")
    evening.take("t1", coupon="c")
    evening.take("t2", coupon="d")
    assert evening.figures()["beyond"] == 0
    assert evening.beside.fold.shared.mechanics_beyond.total() == 0
    evening.take("t3", coupon="e")
    beyond = {name for _, name in evening.beside.fold.shared.mechanics_beyond}
    assert beyond == {"coupons_max", "takes_max"}


# -- what is saved -----------------------------------------------------------------------------------------------------
def test_a_restart_between_the_take_and_its_expiry_changes_nothing() -> None:
    saving = Saving(EACH["coupons"])
    what: dict[str, Any] = {"room_id": "r1", "event_time_ms": T0_MS}
    events: Sequence[Event] = [
        CouponOffered(
            event_id="o", coupon_id="c", title="c", offered=2, starts_at_ms=T0_MS, per_user_limit=1, valid_s=9, **what
        ),
        CouponTaken(event_id="a", take_id="t1", coupon_id="c", user_id="ann", **what),
        CouponTaken(event_id="b", take_id="t2", coupon_id="c", user_id="ann", **what),
        CouponTaken(event_id="c", take_id="t3", coupon_id="c", user_id="bob", **what),
        CouponUsed(event_id="d", take_id="t3", **what),
        CouponUsed(event_id="e", take_id="t4", **what),
    ]
    saving.fold.fold(INTERACTIONS, records_of(events))
    for now_ms, taken in ((T0_MS + 1, 1), (T0_MS + 8_999, 1), (T0_MS + 9_000, 0), (T0_MS + 20_000, 0)):
        saving.fold.advance(now_ms, "tick")
        saving.cut()
        before = state(saving.fold)
        saving.restart()
        assert state(saving.fold) == before
        ((_, _, part),) = parts(saving.fold)
        section: Any = part.mechanic.section(now_ms)
        (coupon,) = section.coupons
        assert (coupon.taken, coupon.expired, coupon.used, coupon.refused) == (taken, 1 - taken, 1, 1)
        assert section.unmatched == 1


@pytest.mark.parametrize("seed", range(4))
def test_beyond_the_bounds_a_restart_changes_nothing(seed: int) -> None:
    installed = EACH["coupons"]
    through, stopped = Saving(installed), Saving(installed)
    for saving in (through, stopped):
        saving.fold = new_fold(installed, rules_of(installed, coupons_max=3, takes_max=3))
    records = records_of(in_order(random_events(installed, seed)))
    for at in range(0, len(records), 6):
        for saving in (through, stopped):
            saving.fold.fold(INTERACTIONS, records[at : at + 6])
            saving.cut()
        stopped.restart()
        assert state(stopped.fold) == state(through.fold)
    assert any(part.mechanic.section(END_MS).beyond for _, _, part in parts(stopped.fold))  # type: ignore[union-attr]


def test_a_section_leaves_out_what_there_is_none_of() -> None:
    assert msgspec.to_builtins(Coupons([])) == {"coupons": []}
    assert CATALOGUE.sections["coupons"] is Coupons


def test_before_the_first_event_there_is_nothing() -> None:
    assert CouponsAgain(CouponsAgain.LIMITS).figures(T0_MS) == {}
