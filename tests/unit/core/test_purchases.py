"""A rush is people who buy: what the second edition of signals asks before it says rush, snap-up or last call."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from stream.core.rules import Rules
from tests.support.events import Log, cart, opened, order
from tests.support.rooms import restarted

if TYPE_CHECKING:
    from stream.contract.overlay import Level

FIRST, SECOND = Rules(contract_edition=2), Rules(contract_edition=2, signals_edition=2)
DRAMA = ("rush", "snap_up", "last_call")
_numbers = count()


def buy(log: Log, s: float, units: int = 1, *, paid: bool = True) -> str:
    number = next(_numbers)
    order_id, user = f"b{number}", f"buyer-{number}"
    log.add(order("placed", order_id, user, units, s=s))
    if paid:
        log.add(order("paid", order_id, user, units, s=s))
    return order_id


def wanted(log: Log, people: int = 300, s: float = 1) -> None:
    log.add_slice(*[cart(f"carter-{number}", s=s) for number in range(people)])


def level(log: Log, s: float) -> Level:
    log.tick(s)
    return log.overlay().sales[0].urgency.level


@pytest.mark.parametrize(("rules", "right"), [(FIRST, "snap_up"), (SECOND, "brisk")])
def test_carts_alone_are_no_rush_ten_minutes_after_the_last_purchase(rules: Rules, right: Level) -> None:
    """Case D3."""
    log = Log(rules)
    log.add(opened(100, ends_s=3_600))
    wanted(log)
    for second in range(2, 61):
        buy(log, second)
    assert level(log, 61) == "snap_up"
    assert level(log, 660) == right


def test_a_rush_goes_in_the_second_after_which_nobody_has_bought_for_eight() -> None:
    log = Log(SECOND)
    log.add(opened(100, ends_s=3_600))
    wanted(log)
    buy(log, 10.5)
    assert [level(log, second) for second in (11, 18, 19)] == ["snap_up", "snap_up", "brisk"]
    buy(log, 19.2)
    assert level(log, 20) == "snap_up"  # and comes back at once


@pytest.mark.parametrize("undone", ["refunded", "cancelled"])
def test_what_was_given_back_is_not_bought(undone: str) -> None:
    log = Log(SECOND)
    log.add(opened(100, ends_s=3_600))
    wanted(log)
    order_id = buy(log, 10)
    assert level(log, 11) == "snap_up"
    log.add(order(undone, order_id, "buyer", s=11.5, event_id=f"{order_id}-{undone}"))
    assert level(log, 13) in DRAMA  # of another user: in conflict, so nothing was given back
    log.add(order(undone, order_id, f"buyer-{order_id[1:]}", s=13.5))
    assert level(log, 15) == "brisk"


def test_orders_that_nobody_pays_are_no_rush() -> None:
    log = Log(SECOND)
    log.add(opened(1_000, ends_s=3_600))
    for second in range(1, 8):
        buy(log, second, 3, paid=False)
    assert level(log, 8) == "brisk"
    buy(log, 8.2)
    assert level(log, 9) == "snap_up"


def test_the_end_of_a_sale_is_no_last_call_when_nobody_buys() -> None:
    for rules, right in ((FIRST, "last_call"), (SECOND, "brisk")):
        log = Log(rules)
        log.add(opened(100_000, ends_s=60))
        for second in range(1, 20):
            buy(log, second, 3, paid=False)
        assert level(log, 20) == right


@pytest.mark.parametrize("why", ["restock", "fake orders"])
def test_no_level_rests_on_what_is_left_where_that_may_not_be_said(why: str) -> None:
    log = Log(SECOND)
    log.add(opened(100, ends_s=3_600, restock_s=120 if why == "restock" else None))
    wanted(log)
    if why == "fake orders":
        log.add(*[order("placed", f"fake-{number}", "faker", 5, s=2) for number in range(5)])
    log.tick(29)
    buy(log, 30)
    assert level(log, 31) == "calm"
    if why == "restock":
        log.tick(119)
        buy(log, 119.5)
        assert level(log, 122) == "snap_up"  # the moment of the restock is over


def test_a_restock_that_did_not_come_wakes_a_sale_in_which_nothing_happens() -> None:
    log = Log(SECOND)
    log.add(opened(100, ends_s=3_600, restock_s=600))
    wanted(log)
    assert level(log, 300) == "calm"
    log.tick(601)
    assert log.fold.rooms["r1"].urgencies["s1", "k1"].level == "brisk"


@pytest.mark.parametrize("step", [1, 7, 60])
def test_levels_do_not_depend_on_how_the_clock_is_moved(step: int) -> None:
    def run(step: int) -> list[tuple[str, int, int]]:
        log = Log(SECOND)
        log.add(opened(100, ends_s=3_600))
        wanted(log)
        for second in (5, 6, 7, 30, 90):
            log.tick(second)
            buy(log, second)
        seen: list[tuple[str, int, int]] = []
        for second in range(90, 90 + 420, 60):
            for between in range(second - 60 + step, second + 1, step):
                if between > 90:
                    log.tick(between)
            log.tick(max(90, second))
            urgency = log.fold.rooms["r1"].urgencies["s1", "k1"]
            seen.append((urgency.level, urgency.since_ms, urgency.below_since_ms))
        return seen

    assert run(step) == run(60)


@pytest.mark.parametrize("restart", [False, True])
def test_orders_go_on_but_nobody_has_paid_for_eight_seconds(restart: bool) -> None:  # noqa: FBT001
    log = Log(SECOND)
    log.add(opened(100, ends_s=3_600))
    wanted(log)
    for second in range(2, 13):
        log.tick(second)
        buy(log, second + 0.5, paid=second <= 4)
        if restart and second == 8:
            log = Log(SECOND, restarted(log.fold, {}, SECOND))
            log.records = [[*range(fold_at)] for fold_at in log.fold.positions]
        seen = level(log, second + 1)
        assert seen == ("snap_up" if second < 12 else "brisk")
