from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from stream.core.cart_people import CartPeople
from stream.core.carts import SWEEP_FROM, Carts
from stream.core.rules import Rules
from stream.core.sale import read_sale
from stream.core.saved.growth import VERSION_1, VERSION_2
from tests.support.events import Log, at, cart, cart_removed, enter, every_kind, leave, opened, order

if TYPE_CHECKING:
    from stream.contract.events import RoomEvent

FIRST, SECOND = Rules(contract_edition=2), Rules(contract_edition=2, signals_edition=2)
AGE_S = SECOND.cart_max_age_ms // 1_000


def waiting(log: Log, s: float | None = None, place: int = 0) -> int:
    if s is not None:
        log.tick(s)
    return log.overlay().sales[place].carters_without_order.value


def test_a_cart_counts_for_half_an_hour() -> None:
    for rules, later in ((FIRST, 1), (SECOND, 0)):
        log = Log(rules)
        log.add(cart(s=0))
        assert [waiting(log, s) for s in (0, AGE_S - 0.001, AGE_S)] == [1, 1, later]


def test_a_second_cart_add_renews_it() -> None:
    log = Log(SECOND)
    log.add(cart(s=0), cart(s=600), cart("u2", s=601))
    assert [waiting(log, s) for s in (AGE_S, AGE_S + 599, AGE_S + 600, AGE_S + 601)] == [2, 2, 1, 0]


def test_who_left_after_the_cart_add_does_not_count_until_they_enter_again() -> None:
    log = Log(SECOND)
    log.add(enter(s=0), cart(s=1), cart("u2", s=1), cart("u2", sku="k2", s=1))
    log.add(leave("u2", s=5))
    assert (waiting(log, 6), waiting(log, place=1)) == (1, 0)
    log.add(enter("u2", s=9))
    assert (waiting(log, 10), waiting(log, place=1)) == (2, 1)


def test_a_leave_before_the_cart_add_says_nothing() -> None:
    log = Log(SECOND)
    log.add(leave(s=5), cart(s=6))
    assert waiting(log, 7) == 1
    log.add(cart("u2", s=6), leave("u2", s=5.5))
    assert waiting(log, 8) == 2


def test_of_nobody_known_no_cart_is_anybodys() -> None:
    log = Log(SECOND)
    log.add(cart("-", s=1), cart("u2", s=1), leave("-", s=2), cart_removed("-", s=2))
    assert waiting(log, 3) == 1


@pytest.mark.parametrize("taken", [1, 2])
def test_units_are_taken_out_one_by_one(taken: int) -> None:
    log = Log(SECOND)
    log.add(cart(s=1), cart(s=2), cart_removed(units=taken, s=3))
    assert waiting(log, 4) == 2 - taken


def test_all_is_taken_out_that_was_put_in_until_then() -> None:
    log = Log(SECOND)
    log.add(cart(s=1), cart(s=2), cart_removed(s=2), cart("u2", s=5), cart_removed("u2", s=4))
    assert waiting(log, 6) == 1
    log.add(cart(s=1.5))  # late: it was taken out since
    assert waiting(log, 7) == 1


def test_without_a_sale_it_is_out_of_the_cart_of_every_sale() -> None:
    log = Log(SECOND)
    log.add(cart(s=1), cart(sale="s2", s=1), cart(sku="k2", s=1), cart_removed(sale=None, s=2))
    assert [waiting(log, 3, place) for place in range(3)] == [0, 1, 0]  # s1/k1, s1/k2, s2/k1


def test_a_crowd_of_additions_and_removals_is_the_same_as_one_at_a_time() -> None:
    events: list[RoomEvent] = [cart(f"u{number}", s=1) for number in range(9)]
    events += [cart_removed("u3", s=2), cart("u3", s=3)]
    events += [cart_removed("u4", s=2), cart_removed("u5", s=2, units=1)]
    one, many = Log(SECOND), Log(SECOND)
    one.add(*events)
    many.add_slice(*events)
    assert waiting(one, 5) == waiting(many, 5) == 7
    assert one.overlay().totals.cart_adds == many.overlay().totals.cart_adds == 10


def test_whoever_orders_does_not_wait_and_whoever_cancels_does_again() -> None:
    log = Log(SECOND)
    log.add(cart(s=1), order("placed", s=2))
    assert waiting(log, 3) == 0
    log.add(order("cancelled", s=4))
    assert waiting(log, 5) == 1


def test_an_older_snapup_must_not_go_on_behind_a_removal() -> None:
    log = Log(SECOND)
    log.add(cart(s=1), leave(s=2))
    assert log.fold.cut(1).version == VERSION_1
    log.add(cart_removed(s=3))
    assert log.fold.cut(1).version == VERSION_2


def test_under_the_first_edition_nobody_knows_of_removals() -> None:
    log = Log(FIRST)
    log.add(cart(s=1), cart_removed(s=2))
    assert log.fold.refused[0].letter.reason == "unknown_type"
    assert waiting(log, 3) == 1
    assert log.fold.cut(1).version == VERSION_1
    every_kind(log)
    assert not [key for key, _ in log.fold.cut(1).records if key.startswith(b"c|")]


def test_the_demand_of_a_level_is_of_carts_that_count() -> None:
    log = Log(SECOND)
    log.add(opened(20, ends_s=7_200))
    log.add_slice(*[cart(f"u{number}", s=1) for number in range(10)])
    log.tick(2)
    assert log.overlay().sales[0].urgency.level == "brisk"
    log.add(leave("u0", s=3))
    log.tick(30)
    assert log.overlay().sales[0].urgency.level == "calm"  # nine are too few to speak of


def test_beyond_the_bound_a_sample_is_kept_and_the_count_is_an_estimate() -> None:
    rules = Rules(contract_edition=2, signals_edition=2, distinct_exact_max=500)
    log = Log(rules)
    for first in range(0, 4_000, 500):
        log.add_slice(*[cart(f"u{number}", s=1) for number in range(first, first + 500)])
    room = log.fold.rooms["r1"]
    ledger = room.ledgers["s1", "k1"]
    assert ledger.carts is not None
    assert len(ledger.carts.added) <= 500
    count = read_sale(room, ledger, at(2)).carters
    assert count.method == "sketch"
    assert count.error_95 is not None
    assert abs(count.value - 4_000) <= 2 * count.error_95 * 4_000


def test_what_is_over_is_forgotten() -> None:
    rules = Rules(signals_edition=2, cart_max_age_ms=10_000)
    left: dict[str, int] = {}
    carts = Carts(rules, {}, left)
    for second in range(3 * SWEEP_FROM):
        carts.add(f"u{second}", 1, at(second))
        carts.remove(f"v{second}", None, at(second))
        carts.advance(at(second))
        assert carts.total <= 10
    assert len(carts.added) <= SWEEP_FROM
    people = CartPeople(rules)
    for second in range(3 * SWEEP_FROM):
        people.leave(f"u{second}", at(second))
    assert len(people.left) <= SWEEP_FROM


def test_a_leap_of_the_clock_is_as_many_steps() -> None:
    rules = Rules(signals_edition=2, cart_max_age_ms=100_000)
    leap, steps = Carts(rules, {}, {}), Carts(rules, {}, {})
    for second in (0, 1, 7, 50, 99):
        for carts in (leap, steps):
            carts.add(f"u{second}", 1, at(second))
    for second in range(100, 151):
        steps.advance(at(second))
    leap.advance(at(150))
    assert (leap.total, leap.next_ms()) == (steps.total, steps.next_ms()) == (1, at(199))
    steps.advance(at(400))
    assert (steps.total, steps.next_ms()) == (0, -1)


@pytest.mark.parametrize("kept", [16, 1_000])
def test_many_cart_adds_at_once_are_the_same_as_one_at_a_time(kept: int) -> None:
    rules = Rules(signals_edition=2, cart_max_age_ms=20_000, distinct_exact_max=kept)
    random, left, with_order = Random(kept), {"u1": at(5), "u2": at(40)}, {"u3": (1, 0)}
    together, alone = Carts(rules, with_order, left), Carts(rules, with_order, left)
    for second in range(0, 60, 3):
        people = [(f"u{random.randrange(60)}", random.randrange(1, 3), at(second + n % 3)) for n in range(12)]
        new = [user_id for user_id, units, at_ms in people if alone.add(user_id, units, at_ms)]
        assert together.add_all(people) == new
        if second == 30:
            for carts in (together, alone):
                carts.remove("u4", None, at(second))
        for carts in (together, alone):
            carts.advance(at(second))
        assert (together.count(), together.next_ms()) == (alone.count(), alone.next_ms())
    assert [*together.take_changed().items()] == [*alone.take_changed().items()]
