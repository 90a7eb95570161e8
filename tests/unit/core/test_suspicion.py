"""Which orders look fake by their windows, and what a suspicion does. Laws over random logs: test_suspicion_laws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from stream.core.orders import expire_hold, forget_orders
from stream.core.rules import Rules
from stream.core.suspects import SUSPICION_RULES
from stream.core.suspicion import forget
from tests.support.events import at, fold_at_own_time, line, new_room, order

if TYPE_CHECKING:
    from stream.core.room import Room

RULES = Rules(signals_edition=2, contract_edition=2, suspect_product_orders=99)
OF_PRODUCTS = Rules(signals_edition=2, contract_edition=2)
# Windows begin at 100 s, 400 s and so on of these tests, and each lasts for 600 s.
BEGINS_S = 100


def suspected(room: Room) -> dict[str, tuple[int, int]]:
    """Of the one sale, by rule: orders and units."""
    ledger = room.ledgers["s1", "k1"]
    assert ledger.suspect_held == sum(units for _, units in ledger.suspicions.values())
    return {SUSPICION_RULES[place]: (orders, units) for place, (orders, units) in ledger.suspicions.items()}


def placed(count: int, *, user: str = "u1", every_s: float = 10, s: float = BEGINS_S, units: int = 2) -> list[object]:
    return [order("placed", f"{user}-{number}", user, units, s=s + number * every_s) for number in range(count)]


def folded(*events: object, rules: Rules = RULES) -> Room:
    room = new_room(rules=rules)
    room.shared.clock_ms = at(BEGINS_S + 30)
    fold_at_own_time(room, *events)  # type: ignore[arg-type]
    return room


# -- unpaid bursts -----------------------------------------------------------------------------------------------------
def test_five_unpaid_orders_of_one_account_in_ten_minutes_are_a_burst() -> None:
    assert suspected(folded(*placed(4))) == {}
    assert suspected(folded(*placed(5))) == {"unpaid_burst": (5, 10)}


def test_unpaid_orders_of_a_whole_week_are_none() -> None:
    assert suspected(folded(*placed(40, every_s=4 * 3_600))) == {}


def test_what_lies_in_no_window_together_is_no_burst() -> None:
    assert suspected(folded(*placed(5, every_s=150))) == {}  # 100 s to 700 s
    assert suspected(folded(*placed(5, every_s=149))) == {"unpaid_burst": (5, 10)}


def test_who_pays_for_one_of_five_has_four_unpaid_ones() -> None:
    assert suspected(folded(*placed(5), order("paid", "u1-0", units=2, s=150))) == {}
    assert suspected(folded(*placed(6), order("paid", "u1-0", units=2, s=170))) == {"unpaid_burst": (5, 10)}


def test_orders_of_several_accounts_and_of_nobody_are_no_burst() -> None:
    assert suspected(folded(*placed(3), *placed(3, user="u2"), *placed(9, user="-"))) == {}


def test_a_burst_is_one_in_any_order_of_arrival() -> None:
    assert suspected(folded(*reversed(placed(5)))) == {"unpaid_burst": (5, 10)}


def test_holds_that_run_out_are_no_longer_counted_and_the_next_order_is_suspected_at_once() -> None:
    room = folded(*placed(5))
    for number in range(5):
        order_id = f"u1-{number}"
        assert expire_hold(room, order_id, room.orders[order_id].hold_until_ms)
    assert suspected(room) == {}
    fold_at_own_time(room, order("placed", "more", "u1", 3, s=250))
    assert suspected(room) == {"unpaid_burst": (1, 3)}


# -- devices -----------------------------------------------------------------------------------------------------------
def of_device(users: int, device: str | None = "d1", *, status: str = "paid") -> list[object]:
    return [order(status, f"o{n}", f"u{n}", s=BEGINS_S + n, device=device) for n in range(users)]


def test_four_accounts_of_one_device_look_fake_whether_they_pay_or_not() -> None:
    assert suspected(folded(*of_device(3))) == {}
    assert suspected(folded(*of_device(4))) == {"one_device": (4, 4)}
    assert suspected(folded(*of_device(4, status="placed"))) == {"one_device": (4, 4)}
    assert suspected(folded(*of_device(9, None))) == {}


def test_the_device_of_the_first_record_holds() -> None:
    events = [*of_device(3), order("placed", "x", "u9", s=120), order("paid", "x", "u9", s=121, device="d1")]
    assert suspected(folded(*events)) == {}


def test_the_device_of_a_cancel_without_lines_speaks_once_its_order_is_known() -> None:
    cancel = structs.replace(order("cancelled", "x", "u9", s=120, device="d1"), lines=())
    assert suspected(folded(*of_device(3), cancel)) == {}
    # The fourth account of the device: its own order holds nothing, and the three others are suspected.
    assert suspected(folded(*of_device(3), cancel, order("placed", "x", "u9", s=121))) == {"one_device": (3, 3)}


# -- the same product --------------------------------------------------------------------------------------------------
def bought(count: int, *, sku: str = "k1", user: str = "u1", every_s: float = 20) -> list[object]:
    return [order("paid", f"{sku}-{n}", user, sku=sku, s=BEGINS_S + n * every_s) for n in range(count)]


def test_five_orders_of_one_product_by_one_account_look_fake_though_they_are_paid() -> None:
    assert suspected(folded(*bought(4), rules=OF_PRODUCTS)) == {}
    assert suspected(folded(*bought(5), rules=OF_PRODUCTS)) == {"same_product": (5, 5)}


def test_orders_of_other_products_are_not_suspected_with_them() -> None:
    room = folded(*bought(5), *bought(4, sku="k2"), rules=OF_PRODUCTS)
    assert suspected(room) == {"same_product": (5, 5)}
    assert room.ledgers["s1", "k2"].suspicions == {}


def test_an_order_with_another_line_is_suspected_whole() -> None:
    lines = [line(1), line(3, sku="k2")]
    room = folded(*bought(4), order("paid", "both", lines=lines, s=190), rules=OF_PRODUCTS)
    assert suspected(room) == {"same_product": (5, 5)}
    assert room.ledgers["s1", "k2"].suspect_held == 3


# -- at equal distances ------------------------------------------------------------------------------------------------
REGULAR = Rules(signals_edition=2, contract_edition=2, suspect_regular_gap_ms=10_000, suspect_regular_within_ms=2_000)


def bought_at(*seconds: float, sku: str = "k1") -> list[object]:
    return [order("paid", f"{sku}@{n}", "u1", sku=sku, s=BEGINS_S + at_s) for n, at_s in enumerate(seconds)]


@pytest.mark.parametrize(
    ("seconds", "suspects"),
    [
        ((0, 20, 40), 3),
        ((0, 20, 42), 3),  # distances of 20 and 22 s
        ((0, 20, 43), 0),
        ((0, 10, 20), 3),
        ((0, 9, 18), 0),  # who tries again at once is no machine
        ((0, 0, 0), 0),
        ((0, 20), 0),
        ((0, 30, 75, 105), 0),
        ((0, 75, 105, 135), 4),  # the last three speak against all
        ((0, 20, 26, 40), 0),  # no three in a row
        ((0, 299, 598), 3),
        ((0, 300, 600), 0),  # in no window together
    ],
)
def test_three_in_a_row_at_equal_distances_look_fake_in_any_order_of_arrival(
    seconds: tuple[float, ...], suspects: int
) -> None:
    expected = {"same_product": (suspects, suspects)} if suspects else {}
    events = bought_at(*seconds)
    for each in (events, events[::-1], events[1:] + events[:1]):
        assert suspected(folded(*each, rules=REGULAR)) == expected
    assert suspected(folded(*events, rules=OF_PRODUCTS)) == {}, "a journal that does not know the rule"


def test_equal_distances_are_those_of_one_product() -> None:
    room = folded(*bought_at(0, 40), *bought_at(20, 60, sku="k2"), rules=REGULAR)
    assert suspected(room) == {}


def test_an_order_that_was_forgotten_speaks_of_no_distance() -> None:
    room = folded(*bought_at(0, 20, 40), rules=REGULAR)
    assert room.suspects is not None
    forget(room, room.suspects, room.orders.pop("k1@1"))
    assert suspected(room) == {}


# -- bought and undone -------------------------------------------------------------------------------------------------
def refunding(count: int, after_s: float = 60) -> list[object]:
    events: list[object] = []
    for number in range(count):
        events += [
            order("paid", f"r{number}", sku=f"k{number}", s=BEGINS_S + number),
            order("refunded", f"r{number}", sku=f"k{number}", s=BEGINS_S + number + after_s),
        ]
    return events


def test_who_had_three_orders_undone_is_not_believed_the_next() -> None:
    assert suspected(folded(*refunding(2), order("paid", "next", s=200))) == {}
    assert suspected(folded(*refunding(3), order("paid", "next", s=200))) == {"bought_and_undone": (1, 1)}
    assert suspected(folded(order("paid", "before", s=101), *refunding(3))) == {"bought_and_undone": (1, 1)}


def test_a_refund_that_comes_later_speaks_against_nobody() -> None:
    assert suspected(folded(*refunding(3, 600), order("paid", "next", s=200))) == {"bought_and_undone": (1, 1)}
    assert suspected(folded(*refunding(3, 601), order("paid", "next", s=200))) == {}


# -- several rules -----------------------------------------------------------------------------------------------------
def test_an_order_counts_under_the_first_rule_that_suspects_it() -> None:
    events = [order("placed", f"x{n}", "u1", s=BEGINS_S + n, device="d1") for n in range(5)]
    room = folded(*events, *of_device(5)[2:], rules=OF_PRODUCTS)
    assert suspected(room) == {"unpaid_burst": (5, 5), "one_device": (3, 3)}
    fold_at_own_time(room, order("paid", "x0", s=140, device="d1"))  # four are unpaid now
    assert suspected(room) == {"one_device": (8, 8)}


# -- what it does ------------------------------------------------------------------------------------------------------
def test_what_is_suspected_leaves_the_pace_also_where_it_was_counted() -> None:
    room = folded(*placed(4), order("paid", "honest", "u2", 3, s=120))
    ledger = room.ledgers["s1", "k1"]
    assert sum(ledger.recent.values()) == 11
    fold_at_own_time(room, order("placed", "fifth", "u1", 2, s=141))
    assert sum(ledger.recent.values()) == 3
    assert (ledger.held, ledger.sold) == (10, 3)
    fold_at_own_time(room, order("paid", "fifth", "u1", 2, s=142))
    assert sum(ledger.recent.values()) == 13  # four unpaid ones are none, and the fifth is bought


def test_what_is_suspected_was_not_bought() -> None:
    room = folded(*bought(4), order("paid", "honest", "u2", 3, s=120), rules=OF_PRODUCTS)
    ledger = room.ledgers["s1", "k1"]
    assert ledger.bought_recently(at(200), 300_000) == (7, 5)
    fold_at_own_time(room, order("paid", "fifth", s=195))
    assert ledger.bought_recently(at(200), 300_000) == (3, 1)


def test_an_order_that_is_forgotten_speaks_against_no_other() -> None:
    room = folded(*placed(5))
    room.orders["u1-0"].changed_ms = 0
    forget_orders(room, 1)
    assert suspected(room) == {}
    assert room.ledgers["s1", "k1"].held == 10


def test_under_the_first_edition_nothing_is_said_of_rules() -> None:
    room = new_room(rules=Rules())
    fold_at_own_time(room, *placed(5, every_s=4 * 3_600))  # type: ignore[arg-type]
    assert (room.ledgers["s1", "k1"].suspect_held, room.ledgers["s1", "k1"].suspicions) == (10, {})
