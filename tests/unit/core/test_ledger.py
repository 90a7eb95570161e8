from __future__ import annotations

from itertools import combinations, permutations
from typing import TYPE_CHECKING, NamedTuple

import pytest

from stream.core.folds import fold_one
from stream.core.ledger import RECENT_BUCKETS, Ledger
from stream.core.orders import expire_hold
from stream.core.rules import Rules
from tests.support.events import T0_S, at, line, new_room, opened, order

if TYPE_CHECKING:
    from stream.core.room import Room

STATUSES = ("placed", "paid", "cancelled", "refunded")
HOLD_S = Rules().hold_ms // 1_000


# -- all interleavings -------------------------------------------------------------------------------------------------
class End(NamedTuple):
    """Where an order ends, and what it did to the room."""

    orders: tuple[int, int, int, int]
    money: list[int]
    held: int
    sold: int
    released: int
    available: int | None
    over_limit: int
    users: dict[str, tuple[int, int]]


def end_of(room: Room) -> End:
    ledger = room.ledgers["s1", "k1"]
    return End(
        (room.orders_placed, room.orders_paid, room.orders_cancelled, room.orders_refunded),
        room.money["CNY"],
        ledger.held,
        ledger.sold,
        ledger.released,
        ledger.available,
        ledger.over_limit,
        ledger.users,
    )


def expected_end(statuses: tuple[str, ...]) -> End:
    """Three units for 250, of ten offered, two to a user; the hold has run out in the end."""
    placed = "placed" in statuses or "paid" in statuses
    paid, undone = "paid" in statuses, "cancelled" in statuses or "refunded" in statuses
    sold = 3 if paid and not undone else 0
    return End(
        (int(placed), int(paid), int("cancelled" in statuses), int("refunded" in statuses)),
        [250 * placed, 250 * paid, 250 * (sold > 0)],
        0,
        sold,
        3 if placed and not sold else 0,
        10 - sold,
        1 if sold else 0,
        {"u1": (0, 3)} if sold else {},
    )


SEQUENCES = [
    sequence
    for size in range(1, 5)
    for statuses in combinations(STATUSES, size)
    for sequence in permutations((*statuses, "the hold runs out"))
]


@pytest.mark.parametrize("repeats", [1, 2, 3])
def test_every_interleaving_of_statuses_and_of_the_hold_running_out_ends_the_same(repeats: int) -> None:
    assert len(SEQUENCES) == 8 + 6 * 6 + 4 * 24 + 120
    for sequence in SEQUENCES:
        room = new_room()
        ledger_of(room)
        hold_until_ms = at(HOLD_S)
        for step in sequence:
            for _ in range(repeats):
                if step == "the hold runs out":
                    expire_hold(room, "o1", hold_until_ms)
                else:
                    fold_one(room, order(step, lines=[line(3, amount=250)]), at(0))
                assert_balanced(room)
        expire_hold(room, "o1", hold_until_ms)
        statuses = tuple(step for step in sequence if step in STATUSES)
        assert end_of(room) == expected_end(statuses), sequence


def ledger_of(room: Room) -> Ledger:
    fold_one(room, opened(10, limit=2), at(0))
    return room.ledgers["s1", "k1"]


def assert_balanced(room: Room) -> None:
    ledger = room.ledgers["s1", "k1"]
    assert ledger.available is not None
    assert ledger.offered is not None
    assert ledger.offered + ledger.restocked == ledger.available + ledger.held + ledger.sold
    assert [ledger.held, ledger.sold] == [sum(units[i] for units in ledger.users.values()) for i in (0, 1)]


def test_an_order_that_was_only_undone_counts_as_such_and_moves_nothing() -> None:
    room = new_room()
    ledger = ledger_of(room)
    fold_one(room, order("cancelled", "o1"), at(0))
    fold_one(room, order("refunded", "o2"), at(0))
    assert (room.orders_placed, room.orders_cancelled, room.orders_refunded) == (0, 1, 1)
    assert room.money == {"CNY": [0, 0, 0]}
    assert (ledger.held, ledger.sold, ledger.released, ledger.available) == (0, 0, 0, 10)


def test_a_payment_after_the_hold_ran_out_still_sells() -> None:
    room = new_room()
    ledger = ledger_of(room)
    fold_one(room, order("placed", units=4), at(0))
    assert expire_hold(room, "o1", at(HOLD_S))
    assert (ledger.held, ledger.released) == (0, 4)
    fold_one(room, order("paid", units=4), at(HOLD_S + 5))
    assert (ledger.sold, ledger.released, ledger.available) == (4, 0, 6)


def test_a_hold_runs_out_once_and_only_at_its_own_deadline() -> None:
    room = new_room()
    ledger_of(room)
    fold_one(room, order("placed"), at(0))
    assert not expire_hold(room, "o1", at(HOLD_S) - 1)
    assert not expire_hold(room, "o2", at(HOLD_S))
    assert expire_hold(room, "o1", at(HOLD_S))
    assert not expire_hold(room, "o1", at(HOLD_S))


# -- lines -------------------------------------------------------------------------------------------------------------
def test_the_lines_of_the_first_record_are_the_order_s() -> None:
    room = new_room()
    ledger = ledger_of(room)
    fold_one(room, order("placed", lines=[line(2, amount=100)]), at(0))
    fold_one(room, order("paid", user="u2", currency="EUR", lines=[line(9, amount=900)]), at(1))
    assert (ledger.held, ledger.sold, ledger.users) == (0, 2, {"u1": (0, 2)})
    assert room.money == {"CNY": [100, 100, 100]}


def test_lines_without_a_sale_count_as_money_and_touch_no_stock() -> None:
    room = new_room()
    ledger = ledger_of(room)
    fold_one(room, order("placed", lines=[line(2, amount=100), line(5, sale=None, amount=40)]), at(0))
    assert room.money["CNY"] == [140, 0, 0]
    assert ledger.held == 2
    assert list(room.ledgers) == [("s1", "k1")]


def test_lines_of_several_sales_move_each_ledger() -> None:
    room = new_room()
    lines = [line(2), line(3, sku="k2"), line(4, sale="s2")]
    fold_one(room, order("placed", lines=lines), at(0))
    assert {key: ledger.held for key, ledger in room.ledgers.items()} == {
        ("s1", "k1"): 2,
        ("s1", "k2"): 3,
        ("s2", "k1"): 4,
    }


def test_an_order_of_many_lines_is_one_order_bought() -> None:
    room = new_room()
    ledger = ledger_of(room)
    fold_one(room, order("paid", lines=[line(1), line(1), line(1)]), at(0))
    assert ledger.bought_recently(at(0), 300_000) == (3, 1)


# -- what the host says ------------------------------------------------------------------------------------------------
def test_stock_is_unknown_until_the_sale_was_opened_and_then_knows_what_came_before() -> None:
    ledger = Ledger("s1", "k1", 100)
    ledger.move("u1", 2, 0, T0_S, suspect=False)
    assert (ledger.offered, ledger.available) == (None, None)
    assert ledger.open(opened(10))
    assert (ledger.offered, ledger.available) == (10, 8)


def test_more_sold_than_offered_is_a_negative_balance() -> None:
    ledger = Ledger("s1", "k1", 100)
    ledger.open(opened(1))
    ledger.move("u1", 0, 3, T0_S, suspect=False)
    assert ledger.available == -2


@pytest.mark.parametrize("reverse", [False, True])
def test_of_two_openings_the_one_said_last_holds_in_any_order(reverse: bool) -> None:  # noqa: FBT001 — a parameter
    earlier = opened(10, s=1, limit=1, restock_s=500)
    later = opened(20, s=2, limit=3)
    ledger = Ledger("s1", "k1", 100)
    ledger.move("u1", 5, 0, T0_S, suspect=False)
    heard = [ledger.open(event) for event in ([later, earlier] if reverse else [earlier, later])]
    assert heard == ([True, False] if reverse else [True, True])
    assert (ledger.offered, ledger.limit, ledger.over_limit) == (20, 3, 2)
    assert ledger.restock_planned == (at(1), at(500))


def test_of_two_openings_in_the_same_millisecond_the_greater_id_holds() -> None:
    small, great = opened(10, event_id="a"), opened(20, event_id="b")
    for first, second in ((small, great), (great, small)):
        ledger = Ledger("s1", "k1", 100)
        ledger.open(first)
        ledger.open(second)
        assert ledger.offered == 20
        assert not ledger.open(great)


def test_restocks_add_up() -> None:
    ledger = Ledger("s1", "k1", 100)
    ledger.restock(5, at(1), None)
    ledger.open(opened(10))
    ledger.restock(7, at(2), None)
    assert (ledger.restocked, ledger.available) == (12, 22)


def test_a_restock_fulfils_the_plan_made_before_it_and_may_make_another() -> None:
    ledger = Ledger("s1", "k1", 100)
    ledger.open(opened(10, s=0, restock_s=60))
    assert ledger.restock_planned[1] == at(60)
    ledger.restock(5, at(30), None)
    assert ledger.restock_planned[1] == -1
    ledger.restock(5, at(40), at(90))
    assert ledger.restock_planned[1] == at(90)


def test_a_restock_told_late_does_not_undo_a_newer_plan() -> None:
    ledger = Ledger("s1", "k1", 100)
    ledger.restock(5, at(40), at(90))
    ledger.restock(5, at(30), None)
    assert ledger.restock_planned[1] == at(90)
    assert ledger.restocked == 10


# -- per user ----------------------------------------------------------------------------------------------------------
def test_units_of_a_user_beyond_the_limit_are_counted_and_those_up_to_it_are_not() -> None:
    ledger = Ledger("s1", "k1", 100)
    ledger.open(opened(10, limit=2))
    ledger.move("u1", 2, 0, T0_S, suspect=False)
    assert ledger.over_limit == 0
    ledger.move("u1", 0, 1, T0_S, suspect=False)
    ledger.move("u2", 3, 0, T0_S, suspect=False)
    assert ledger.over_limit == 2
    ledger.move("u1", -2, 2, T0_S, suspect=False)
    assert ledger.over_limit == 2
    ledger.move("u1", 0, -3, T0_S, suspect=False)
    assert ledger.over_limit == 1


def test_a_limit_that_arrives_after_the_orders_counts_them_too() -> None:
    ledger = Ledger("s1", "k1", 100)
    ledger.move("u1", 3, 2, T0_S, suspect=False)
    ledger.move("u2", 1, 0, T0_S, suspect=False)
    assert ledger.over_limit == 0
    ledger.open(opened(10, limit=1))
    assert ledger.over_limit == 4
    ledger.open(opened(10, s=1, limit=None))
    assert (ledger.limit, ledger.over_limit) == (None, 0)


def test_a_user_with_nothing_is_forgotten() -> None:
    ledger = Ledger("s1", "k1", 100)
    ledger.move("u1", 2, 0, T0_S, suspect=False)
    assert ledger.held_by("u1") == 2
    ledger.move("u1", -2, 0, T0_S, suspect=False)
    assert ledger.users == {}
    assert ledger.held_by("u1") == 0


# -- carts -------------------------------------------------------------------------------------------------------------
def test_people_with_it_in_the_cart_are_those_who_neither_hold_nor_bought_it() -> None:
    ledger = Ledger("s1", "k1", 100)
    for user in ("u1", "u2", "u3", "u1"):
        ledger.add_carter(user)
    assert ledger.carters_without_order == 3
    ledger.move("u1", 1, 0, T0_S, suspect=False)
    assert ledger.carters_without_order == 2
    ledger.move("u1", -1, 1, T0_S, suspect=False)
    assert ledger.carters_without_order == 2
    ledger.move("u1", 0, -1, T0_S, suspect=False)
    assert ledger.carters_without_order == 3
    ledger.move("stranger", 1, 0, T0_S, suspect=False)
    assert ledger.carters_without_order == 3


def test_somebody_who_ordered_before_carting_is_not_waiting() -> None:
    ledger = Ledger("s1", "k1", 100)
    ledger.move("u1", 1, 0, T0_S, suspect=False)
    ledger.add_carter("u1")
    ledger.add_carter("u1")
    assert ledger.carters_without_order == 0
    ledger.move("u1", -1, 0, T0_S, suspect=False)
    assert ledger.carters_without_order == 1


def test_beyond_the_exact_bound_everybody_with_an_order_is_taken_off() -> None:
    ledger = Ledger("s1", "k1", 10)
    for number in range(200):
        ledger.add_carter(f"u{number}")
    for number in range(30):
        ledger.move(f"u{number}", 1, 0, T0_S, suspect=False)
    assert not ledger.carters.exact
    assert ledger.carters_without_order == ledger.carters.count() - 30
    for number in range(30, 500):
        ledger.move(f"u{number}", 1, 0, T0_S, suspect=False)
    assert ledger.carters_without_order == 0


def test_an_order_out_of_memory_leaves_the_units_and_frees_the_user() -> None:
    ledger = Ledger("s1", "k1", 100)
    ledger.open(opened(10))
    ledger.add_carter("u1")
    ledger.move("u1", 0, 2, T0_S, suspect=False)
    ledger.move("u1", 1, 3, T0_S, suspect=False)
    ledger.forget("u1", 0, 2)
    assert ledger.users == {"u1": (1, 3)}
    assert ledger.carters_without_order == 0
    ledger.forget("u1", 1, 3)
    assert ledger.users == {}
    assert ledger.carters_without_order == 1
    assert (ledger.held, ledger.sold, ledger.available) == (1, 5, 4)
    ledger.forget("u1", 1, 3)
    assert ledger.carters_without_order == 1


# -- pace --------------------------------------------------------------------------------------------------------------
def test_velocity_is_the_net_units_of_the_last_seconds_this_one_included() -> None:
    ledger = Ledger("s1", "k1", 100)
    ledger.move("u1", 3, 0, T0_S, suspect=False)
    assert sum(ledger.recent_units(T0_S)[-10:]) == 3
    assert sum(ledger.recent_units(T0_S + 9)[-10:]) == 3
    assert sum(ledger.recent_units(T0_S + 10)[-10:]) == 0
    ledger.move("u1", -2, 2, T0_S + 5, suspect=False)
    assert sum(ledger.recent_units(T0_S + 9)[-10:]) == 3
    ledger.move("u1", -1, 0, T0_S + 6, suspect=False)
    assert sum(ledger.recent_units(T0_S + 9)[-10:]) == 2
    assert sum(ledger.recent_units(T0_S + 12)[-10:]) == -1


def test_units_of_suspects_are_in_the_ledger_and_not_in_the_velocity() -> None:
    ledger = Ledger("s1", "k1", 100)
    ledger.move("u1", 3, 0, T0_S, suspect=True)
    assert (ledger.held, ledger.suspect_held) == (3, 3)
    assert sum(ledger.recent_units(T0_S)[-10:]) == 0
    ledger.move("u1", -3, 3, T0_S, suspect=True)
    assert (ledger.sold, ledger.suspect_held) == (3, 0)


def test_bought_recently_is_net_of_what_was_undone_in_hops_of_ten_seconds() -> None:
    ledger = Ledger("s1", "k1", 100)
    second = T0_S // 10 * 10
    ledger.move("u1", 0, 3, second, suspect=False)
    ledger.move("u2", 0, 2, second + 20, suspect=False)
    now_ms = (second + 20) * 1_000
    assert ledger.bought_recently(now_ms, 300_000) == (5, 2)
    ledger.move("u2", 0, -2, second + 21, suspect=False)
    assert ledger.bought_recently(now_ms, 300_000) == (3, 1)
    assert ledger.bought_recently((second + 300) * 1_000 - 1, 300_000) == (3, 1)
    assert ledger.bought_recently((second + 300) * 1_000, 300_000) == (0, 0)


def test_a_hold_is_not_bought() -> None:
    ledger = Ledger("s1", "k1", 100)
    ledger.move("u1", 3, 0, T0_S, suspect=False)
    assert ledger.bought_recently(T0_S * 1_000, 300_000) == (0, 0)


def test_a_ledger_keeps_no_seconds_older_than_its_windows() -> None:
    ledger = Ledger("s1", "k1", 100)
    second = T0_S // 10 * 10
    for age in range(1_000):
        ledger.move("u1", 0, 1, second - age, suspect=False)
    ledger.forget_recent(second, 300_000)
    assert sorted(ledger.recent) == list(range(second - RECENT_BUCKETS, second + 1))
    assert sorted(ledger.bought) == list(range((second - 300) // 10, second // 10 + 1))
    before = dict(ledger.recent), dict(ledger.bought)
    assert sum(ledger.recent_units(second)) == 30
    assert ledger.bought_recently(second * 1_000, 300_000) == (291, 291)
    ledger.forget_recent(second, 300_000)
    assert (ledger.recent, ledger.bought) == before
