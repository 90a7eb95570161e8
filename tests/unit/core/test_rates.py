from __future__ import annotations

from math import hypot
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.core.audiences import BUYERS, CARTED_BUYERS, CARTERS
from stream.core.distinct import ERROR_95
from stream.core.folds import settle
from stream.core.rates import all_rates, carted_buyers_of_session, rates_json
from stream.core.rules import WINDOWS_MS, Rules
from tests.support.events import at, cart, click, comment, enter, fold_at_own_time, like, new_room, order

if TYPE_CHECKING:
    from stream.contract.overlay import Rate
    from stream.core.room import Room

SESSION = None
MINUTE, FIVE, HALF_HOUR = WINDOWS_MS
NAMES = [
    "watch_to_buy_uv",
    "click_to_buy_uv",
    "cart_to_order_uv",
    "orders_per_viewer",
    "pay_rate",
    "engaged_uv_rate",
]


def rates_of(room: Room, s: float) -> dict[tuple[str, int | None, str | None], Rate]:
    room.shared.clock_ms = at(s)
    room.advance(at(s))
    rates = all_rates(room, at(s))
    found = {(rate.name, rate.window_ms, rate.currency): rate for rate in rates}
    assert len(found) == len(rates)
    return found


def fraction(room: Room, name: str, s: float, window_ms: int | None = SESSION) -> tuple[int, int]:
    rate = rates_of(room, s)[name, window_ms, None]
    return rate.num, rate.den


def test_every_rate_is_there_over_every_window_and_the_session() -> None:
    room = new_room()
    assert set(rates_of(room, 0)) == {(name, window_ms, None) for name in NAMES for window_ms in (*WINDOWS_MS, SESSION)}
    assert {(rate.num, rate.den, rate.method) for rate in rates_of(room, 0).values()} == {(0, 0, "exact")}
    assert {rate.as_of_ms for rate in rates_of(room, 7).values()} == {at(7)}


def busy_room() -> Room:
    """Four viewers (one of them twice), three clickers, two carters, three orders of two buyers, one of them paid."""
    room = new_room()
    fold_at_own_time(
        room,
        *(enter(user) for user in ("a", "b", "c", "d", "a")),
        *(click(user) for user in ("a", "b", "c", "a")),
        *(cart(user) for user in ("a", "b", "b")),
        order("placed", "o1", "a", amount=100),
        order("placed", "o2", "a", amount=50),
        order("placed", "o3", "e", amount=30),
        order("paid", "o2", "a", amount=50),
        comment("a"),
        comment("f"),
        like("g", 20),
        like("g", 20),
    )
    return room


@pytest.mark.parametrize("window_ms", [*WINDOWS_MS, SESSION])
@pytest.mark.parametrize(
    ("name", "num", "den"),
    [
        ("watch_to_buy_uv", 1, 4),  # distinct payers ÷ distinct viewers
        ("click_to_buy_uv", 1, 3),  # distinct payers ÷ distinct clickers
        ("cart_to_order_uv", 1, 2),  # distinct buyers who carted ÷ distinct carters: e bought without
        ("orders_per_viewer", 3, 4),  # orders, not buyers
        ("pay_rate", 1, 3),  # paid ÷ placed orders
        ("engaged_uv_rate", 4, 4),  # a, b, f, g: one each, whatever they did and how often
    ],
)
def test_each_name_fixes_numerator_and_denominator(name: str, num: int, den: int, window_ms: int | None) -> None:
    rate = rates_of(busy_room(), 0)[name, window_ms, None]
    assert (rate.num, rate.den, rate.method, rate.error_95) == (num, den, "exact", None)


@pytest.mark.parametrize("name", NAMES)
def test_a_rate_leaves_each_window_in_turn_and_stays_in_the_session(name: str) -> None:
    room = busy_room()
    for window_ms in WINDOWS_MS:
        last_inside_s = window_ms // 1_000 - 1
        assert fraction(room, name, last_inside_s, window_ms) != (0, 0)
        assert fraction(room, name, last_inside_s + 1, window_ms) == (0, 0)
    assert fraction(room, name, 3_000) != (0, 0)


def test_gpm_is_a_thousand_times_what_was_paid_by_view_for_each_currency() -> None:
    room = busy_room()
    fold_at_own_time(room, order("paid", "o9", "z", amount=7, currency="EUR"), order("placed", "o8", currency="USD"))
    for window_ms in (*WINDOWS_MS, SESSION):
        found = rates_of(room, 0)
        for currency, minor in (("CNY", 50), ("EUR", 7), ("USD", 0)):
            rate = found["gpm_views", window_ms, currency]
            assert (rate.num, rate.den, rate.method) == (minor * 1_000, 5, "exact")


def test_a_currency_stays_listed_when_its_payments_have_left_the_windows() -> None:
    room = busy_room()
    found = rates_of(room, 4_000)
    assert [(found["gpm_views", window_ms, "CNY"].num) for window_ms in (*WINDOWS_MS, SESSION)] == [0, 0, 0, 50_000]


def test_gpm_is_of_what_was_paid_even_if_it_was_refunded_since() -> None:
    room = busy_room()
    fold_at_own_time(room, order("refunded", "o2", "a", amount=50))
    assert rates_of(room, 0)["gpm_views", SESSION, "CNY"].num == 50_000


def test_orders_count_when_the_record_that_made_them_so_happened() -> None:
    room = new_room()
    fold_at_own_time(room, order("placed", s=0), order("paid", s=100))
    assert fraction(room, "pay_rate", 100, MINUTE) == (1, 0)
    assert fraction(room, "pay_rate", 100, FIVE) == (1, 1)


def test_a_payment_without_its_order_places_it() -> None:
    room = new_room()
    fold_at_own_time(room, order("paid", s=0), order("placed", s=100))
    assert fraction(room, "pay_rate", 100, MINUTE) == (0, 0)
    assert fraction(room, "pay_rate", 100, FIVE) == (1, 1)


# -- carted and bought -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("reverse", [False, True])
def test_a_window_holds_who_carted_and_ordered_inside_it_whichever_came_first(reverse: bool) -> None:  # noqa: FBT001
    room = new_room()
    first, second = (order(s=0), cart(s=100)) if reverse else (cart(s=0), order(s=100))
    fold_at_own_time(room, first, second)
    carters_in_a_minute = 1 if reverse else 0
    assert fraction(room, "cart_to_order_uv", 100, MINUTE) == (0, carters_in_a_minute)
    assert fraction(room, "cart_to_order_uv", 100, FIVE) == (1, 1)
    assert fraction(room, "cart_to_order_uv", 299, FIVE) == (1, 1)
    assert fraction(room, "cart_to_order_uv", 300, FIVE)[0] == 0
    assert fraction(room, "cart_to_order_uv", 300, HALF_HOUR) == (1, 1)


def test_carting_and_ordering_further_apart_than_every_window_counts_in_the_session() -> None:
    room = new_room()
    fold_at_own_time(room, cart(s=0))
    room.advance(at(2_000))
    fold_at_own_time(room, order(s=2_000))
    assert fraction(room, "cart_to_order_uv", 2_000, HALF_HOUR) == (0, 0)
    assert fraction(room, "cart_to_order_uv", 2_000) == (1, 1)


def test_beyond_the_exact_bound_carted_buyers_of_the_session_are_a_stated_sketch() -> None:
    room = new_room(Rules(distinct_exact_max=50))
    fold_at_own_time(room, *(cart(f"u{n}") for n in range(50)), *(order("placed", f"o{n}", f"u{n}") for n in range(5)))
    exact = carted_buyers_of_session(room.audiences)
    assert (exact.value, exact.method, exact.error_95) == (5, "exact", None)
    fold_at_own_time(room, cart("u50"))
    found = carted_buyers_of_session(room.audiences)
    assert (found.value, found.method, found.error_95) == (5, "sketch", ERROR_95)
    rate = rates_of(room, 0)["cart_to_order_uv", SESSION, None]
    assert (rate.num, rate.method, rate.error_95) == (5, "sketch", round(hypot(ERROR_95, ERROR_95), 4))


def test_beyond_the_sample_bound_carted_buyers_are_scaled_as_carters_are() -> None:
    room = new_room(Rules(distinct_exact_max=500))
    people = [f"user:{number}" for number in range(4_000)]
    fold_at_own_time(room, *(cart(person) for person in people))
    fold_at_own_time(room, *(order("placed", f"o{person}", person) for person in people[:400]))
    carted = room.audiences[CARTED_BUYERS]
    assert carted.bits == room.audiences[CARTERS].bits > 0
    assert set(carted.last) == set(room.audiences[BUYERS].last) & set(room.audiences[CARTERS].last)
    num, den = fraction(room, "cart_to_order_uv", 0, MINUTE)
    assert num / den == pytest.approx(0.1, rel=0.5)
    assert rates_of(room, 0)["cart_to_order_uv", MINUTE, None].method == "sketch"


# -- errors ------------------------------------------------------------------------------------------------------------
def test_a_rate_with_one_estimated_side_says_so_with_its_error() -> None:
    room = new_room(Rules(distinct_exact_max=50))
    fold_at_own_time(room, *(enter(f"u{n}") for n in range(200)), order("paid"))
    found = rates_of(room, 0)
    rate = found["watch_to_buy_uv", SESSION, None]
    assert (rate.num, rate.method, rate.error_95) == (1, "sketch", ERROR_95)
    assert found["orders_per_viewer", SESSION, None].error_95 == ERROR_95
    assert found["pay_rate", SESSION, None].error_95 is None
    windowed = found["watch_to_buy_uv", MINUTE, None]
    viewers = room.audiences[0].count(0)
    assert (windowed.den, windowed.error_95) == (viewers.value, viewers.error_95)


def test_errors_of_both_sides_add_in_squares() -> None:
    room = new_room(Rules(distinct_exact_max=50))
    fold_at_own_time(room, *(enter(f"u{n}") for n in range(200)), *(like(f"u{n}") for n in range(300)))
    viewers, engaged = room.audiences[0].count(0), room.audiences[4].count(0)
    assert viewers.error_95 is not None
    assert engaged.error_95 is not None
    rate = rates_of(room, 0)["engaged_uv_rate", MINUTE, None]
    assert rate.error_95 == round(hypot(viewers.error_95, engaged.error_95), 4)


# -- as JSON -----------------------------------------------------------------------------------------------------------
def assert_json_says_the_same(room: Room, *, ready: bool) -> None:
    found = rates_json(room, at(7))
    assert isinstance(found, msgspec.Raw) is ready
    assert msgspec.json.encode(found) == msgspec.json.encode(all_rates(room, at(7)))


def test_json_that_lies_ready_says_the_same() -> None:
    assert_json_says_the_same(new_room(), ready=True)
    room = busy_room()
    assert_json_says_the_same(room, ready=True)
    room.money["%d"] = [1, 2, 3]  # no currency that an event could have, but not what breaks a document
    assert_json_says_the_same(room, ready=True)


def test_nothing_lies_ready_for_a_room_of_which_a_session_is_a_sketch() -> None:
    room = new_room(Rules(distinct_exact_max=64))
    for number in range(100):
        room.shared.clock_ms = at(60 * number)
        settle(room, at(60 * number))
        fold_at_own_time(room, enter(f"u{number}", s=60 * number))
    assert not any(audience.bits for audience in room.audiences)
    assert_json_says_the_same(room, ready=False)


def test_nothing_lies_ready_for_a_room_of_which_a_window_is_a_sample() -> None:
    room = busy_room()
    room.audiences[CARTERS].bits = 1
    assert_json_says_the_same(room, ready=False)


# -- bounds and notes --------------------------------------------------------------------------------------------------
SECOND = Rules(signals_edition=2, contract_edition=2)


def test_a_sketched_share_of_carters_who_ordered_is_said_to_be_a_lower_bound() -> None:
    """People cart in one half hour and order in the next but one: nobody remembers who did both."""
    rooms = [new_room(Rules(signals_edition=edition, distinct_exact_max=64)) for edition in (1, 2)]
    for room in rooms:
        for number in range(900):
            s = number * 6
            room.shared.clock_ms = at(s)
            settle(room, at(s))
            fold_at_own_time(room, cart(f"u{number}", s=s))
            if number >= 600:
                fold_at_own_time(room, order("placed", f"o{number}", f"u{number - 600}", s=s))
    first, second = (rates_of(room, 5_400)["cart_to_order_uv", SESSION, None] for room in rooms)
    truth = 300
    assert (second.num, second.den) == (first.num, first.den)
    assert second.num + second.num * ERROR_95 < truth, "the interval does not hold the truth"
    assert (first.bound, second.bound) == (None, "lower")
    assert second.num <= truth
    windows = [rate for rate in all_rates(rooms[1], at(5_400)) if rate.window_ms is not None]
    assert {rate.bound for rate in windows} == {None}


def test_a_share_of_few_carters_is_exact_and_no_bound() -> None:
    room = new_room(SECOND)
    fold_at_own_time(room, cart("a"), cart("b"), order("placed", "o1", "a", s=1))
    assert rates_of(room, 2)["cart_to_order_uv", SESSION, None].bound is None


def test_a_rate_above_one_says_why() -> None:
    room = new_room(SECOND)
    fold_at_own_time(room, enter("a"), click("b"), *(like(f"u{number}", s=1) for number in range(3)))
    fold_at_own_time(room, *(order("paid", f"o{number}", f"u{number}", s=2) for number in range(3)))
    rates = rates_of(room, 3)
    notes = {name: rates[name, SESSION, None].note for name in NAMES}
    assert notes == {
        "watch_to_buy_uv": "not_seen_to_enter",
        "click_to_buy_uv": "not_seen_to_click",
        "cart_to_order_uv": None,
        "orders_per_viewer": "many_orders",
        "pay_rate": None,
        "engaged_uv_rate": "not_seen_to_enter",
    }
    assert_json_says_the_same(room, ready=True)
    assert {rate.note for rate in rates_of(new_room(SECOND), 3).values()} == {None}


def test_orders_that_were_placed_before_the_window_are_named() -> None:
    room = new_room(SECOND)
    fold_at_own_time(room, order("placed", "o1", "a", s=0), order("paid", "o1", "a", s=90))
    rates = rates_of(room, 100)
    assert (rates["pay_rate", MINUTE, None].num, rates["pay_rate", MINUTE, None].den) == (1, 0)
    assert rates["pay_rate", MINUTE, None].note == "placed_before"
    assert rates["pay_rate", SESSION, None].note is None


def test_a_rate_that_only_its_estimate_takes_above_one_says_so() -> None:
    """All of some hundred carters order, and so do many others: of buyers a sample is kept, of carters all are."""
    found: list[Rate] = []
    for attempt in range(12):
        room = new_room(Rules(signals_edition=2, contract_edition=2, distinct_exact_max=64))
        people = [f"{attempt} {number}" for number in range(900)]
        fold_at_own_time(room, *(cart(person) for person in people[:60]), *(enter(person) for person in people[:850]))
        fold_at_own_time(room, *(order("placed", f"o{person}", person) for person in people))
        found += [rates_of(room, 0)[name, MINUTE, None] for name in ("cart_to_order_uv", "orders_per_viewer")]
        assert_json_says_the_same(room, ready=False)
    above = [rate for rate in found if rate.num > rate.den]
    assert {rate.name for rate in above} == {"cart_to_order_uv", "orders_per_viewer"}
    assert {rate.note for rate in above} == {"sampled"}
    assert {rate.note for rate in found if rate.num <= rate.den} == {None}


def test_a_rate_far_above_one_has_its_own_reason_though_it_is_an_estimate() -> None:
    room = new_room(Rules(signals_edition=2, contract_edition=2, distinct_exact_max=64))
    fold_at_own_time(room, *(enter(f"u{number}") for number in range(200)))
    fold_at_own_time(room, *(order("placed", f"o{number}", "a") for number in range(2_000)))
    rate = rates_of(room, 0)["orders_per_viewer", MINUTE, None]
    assert (rate.method, rate.note) == ("sketch", "many_orders")


def test_the_first_edition_gives_no_notes() -> None:
    room = new_room()
    fold_at_own_time(room, *(like(f"u{number}", s=1) for number in range(3)))
    assert {rate.note for rate in rates_of(room, 3).values()} == {None}
