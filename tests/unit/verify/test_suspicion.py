"""The rules of suspicion as the recount has them, each at its threshold."""

from __future__ import annotations

from typing import Any

import pytest

from stream.verify.suspicion import OrderSeen, People, Thresholds, suspected

RULES = Thresholds()
WINDOW_MS = 1_700_000_100_000  # one begins here, and the next five minutes later
NOBODY = People(set(), set(), set(), set())
PAYERS = {f"p{number}" for number in range(20)}


def orders(count: int, every_ms: int = 1_000, **other: Any) -> list[OrderSeen]:
    """Orders of one account, each of a product of its own."""
    first = OrderSeen("", "u1", None, frozenset(), 0, paid=False, undone_ms=None, here=True)
    return [
        first._replace(
            order_id=f"o{n}", products=frozenset({("s", f"k{n}")}), placed_ms=WINDOW_MS + n * every_ms
        )._replace(**other)
        for n in range(count)
    ]


def rules_of(found: list[OrderSeen], people: People = NOBODY) -> dict[str, str]:
    return suspected(found, people, RULES)


def test_unpaid_orders_are_a_burst_within_a_window_only() -> None:
    assert rules_of(orders(4)) == {}
    assert set(rules_of(orders(5)).values()) == {"unpaid_burst"}
    assert rules_of(orders(5, 150_000)) == {}
    assert len(rules_of(orders(5, 149_000))) == 5
    assert rules_of(orders(9, paid=True)) == {}


def test_a_device_is_suspected_for_its_accounts() -> None:
    found = [order._replace(user_id=f"u{n}", device_id="d", paid=True) for n, order in enumerate(orders(4))]
    assert rules_of(found[:3]) == {}
    assert set(rules_of(found).values()) == {"one_device"}


def test_a_product_over_and_over() -> None:
    same = frozenset({("s", "k")})
    assert rules_of(orders(4, products=same, paid=True)) == {}
    assert set(rules_of(orders(5, products=same, paid=True)).values()) == {"same_product"}


@pytest.mark.parametrize(
    ("seconds", "suspects"),
    [
        ((0, 20, 42), 3),
        ((0, 20, 43), 0),
        ((0, 10, 20), 3),
        ((0, 9, 18), 0),
        ((0, 75, 105, 135), 4),
        ((0, 20, 26, 40), 0),
        ((0, 300, 600), 0),
    ],
)
def test_a_product_at_equal_distances(seconds: tuple[int, ...], suspects: int) -> None:
    same = frozenset({("s", "k")})
    found = [
        order._replace(placed_ms=WINDOW_MS + at_s * 1_000)
        for order, at_s in zip(orders(len(seconds), products=same, paid=True), seconds, strict=True)
    ]
    regular = Thresholds(suspect_regular_gap_ms=10_000, suspect_regular_within_ms=2_000)
    assert suspected(found, NOBODY, regular) == {order.order_id: "same_product" for order in found[:suspects]}
    assert rules_of(found) == {}


@pytest.mark.parametrize(("after_ms", "count"), [(600_000, 4), (601_000, 0)])
def test_orders_that_are_soon_undone_speak_against_the_others(after_ms: int, count: int) -> None:
    found = [order._replace(undone_ms=order.placed_ms + after_ms) for order in orders(3, paid=True)]
    found.append(orders(4, paid=True)[3])
    assert len(rules_of(found)) == count


def test_who_was_never_seen_is_suspected_where_nearly_all_payers_were() -> None:
    found = orders(1)
    seen = People(PAYERS, PAYERS, set(), set())
    assert rules_of(found, seen) == {"o0": "never_seen"}
    assert rules_of(found, seen._replace(engaged={"u1"})) == {}
    assert rules_of(found, seen._replace(viewers={*sorted(PAYERS)[:18]})) == {"o0": "never_seen"}
    assert rules_of(found, seen._replace(viewers={*sorted(PAYERS)[:17]})) == {}
    assert rules_of(found, seen._replace(payers={*sorted(PAYERS)[:19]})) == {}
    assert rules_of(orders(1, here=False), seen) == {}
    assert rules_of(orders(1, paid=True), seen) == {}
    many = People(PAYERS, {f"v{n}" for n in range(65_537)} | PAYERS, set(), set())
    assert rules_of(found, many) == {}
