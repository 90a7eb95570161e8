"""Orders that look fake, recounted: every order of a room is compared with every other.

The rules are those of docs/signals.md, written a second time. Nothing is kept from one document to the next.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from collections.abc import Set as AbstractSet

Product = tuple[str, str]  # sale, SKU


class Thresholds(Struct, frozen=True, kw_only=True):
    """The thresholds of the rules, by their names in the journal. `distinct_exact_max`: more people are a sketch."""

    suspect_window_ms: int = 600_000
    suspect_unpaid_orders: int = 5
    suspect_device_accounts: int = 4
    suspect_product_orders: int = 5
    suspect_regular_gap_ms: int = 0
    suspect_regular_within_ms: int = 0
    suspect_undone_orders: int = 3
    suspect_undone_ms: int = 600_000
    suspect_seen_payers: int = 20
    suspect_seen_percent: int = 90
    distinct_exact_max: int = 65_536


class OrderSeen(NamedTuple):
    """A sale's order that was placed by a known person.

    `placed_ms`, `undone_ms`: effective times; None: it was not undone. `here`: whether it was placed in the session.
    """

    order_id: str
    user_id: str
    device_id: str | None
    products: frozenset[Product]
    placed_ms: int
    paid: bool
    undone_ms: int | None
    here: bool


class People(NamedTuple):
    """Who was seen in the session, by what, and who paid."""

    payers: AbstractSet[str]
    viewers: AbstractSet[str]
    clickers: AbstractSet[str]
    engaged: AbstractSet[str]

    def seen(self) -> set[str]:
        """Everyone who was seen at all."""
        return {*self.viewers, *self.clickers, *self.engaged}


def suspected(orders: Collection[OrderSeen], people: People, rules: Thresholds) -> dict[str, str]:
    """Order → the rule under which it counts. Unsuspected orders are left out."""
    found: dict[str, str] = {}
    for name, suspects in (
        ("unpaid_burst", _unpaid_bursts(orders, rules)),
        ("one_device", one_device(orders, rules)),
        ("same_product", _same_product(orders, rules)),
        ("bought_and_undone", _bought_and_undone(orders, rules)),
        ("never_seen", _never_seen(orders, people, rules)),
    ):
        for order in suspects:
            found.setdefault(order.order_id, name)
    return found


def _windows(order: OrderSeen, rules: Thresholds) -> tuple[int, int]:
    """The two windows of an order, each by the beginning of its later half."""
    half_s = max(1, rules.suspect_window_ms // 2_000)
    number = order.placed_ms // 1_000 // half_s
    return number, number - 1


def _unpaid_bursts(orders: Iterable[OrderSeen], rules: Thresholds) -> Iterator[OrderSeen]:
    unpaid = [order for order in orders if not order.paid]
    counts = Counter((order.user_id, window) for order in unpaid for window in _windows(order, rules))
    for order in unpaid:
        if any(counts[order.user_id, window] >= rules.suspect_unpaid_orders for window in _windows(order, rules)):
            yield order


def one_device(orders: Iterable[OrderSeen], rules: Thresholds) -> Iterator[OrderSeen]:
    """Orders from a device with which too many accounts placed orders."""
    accounts: dict[tuple[str, int], set[str]] = defaultdict(set)
    of_devices = [order for order in orders if order.device_id is not None]
    for order in of_devices:
        for window in _windows(order, rules):
            accounts[order.device_id or "", window].add(order.user_id)
    for order in of_devices:
        sizes = [len(accounts[order.device_id or "", window]) for window in _windows(order, rules)]
        if max(sizes) >= rules.suspect_device_accounts:
            yield order


def _same_product(orders: Collection[OrderSeen], rules: Thresholds) -> Iterator[OrderSeen]:
    placed: dict[tuple[str, Product, int], list[int]] = defaultdict(list)
    for order in orders:
        for product in order.products:
            for window in _windows(order, rules):
                placed[order.user_id, product, window].append(order.placed_ms // 1_000)
    made_up = {
        where
        for where, seconds in placed.items()
        if len(seconds) >= rules.suspect_product_orders or _is_regular(sorted(seconds), rules)
    }
    for order in orders:
        if any(
            (order.user_id, product, window) in made_up
            for product in order.products
            for window in _windows(order, rules)
        ):
            yield order


def _is_regular(seconds: list[int], rules: Thresholds) -> bool:
    """Whether three orders in a row lie at equal distances. A least distance of 0 turns the rule off."""
    least, apart = rules.suspect_regular_gap_ms // 1_000, rules.suspect_regular_within_ms // 1_000
    return least > 0 and any(
        middle - first >= least and last - middle >= least and abs(last - middle - (middle - first)) <= apart
        for first, middle, last in zip(seconds, seconds[1:], seconds[2:], strict=False)
    )


def _bought_and_undone(orders: Collection[OrderSeen], rules: Thresholds) -> Iterator[OrderSeen]:
    counts = Counter(
        (order.user_id, window)
        for order in orders
        if order.undone_ms is not None
        and order.undone_ms // 1_000 <= order.placed_ms // 1_000 + rules.suspect_undone_ms // 1_000
        for window in _windows(order, rules)
    )
    for order in orders:
        if any(counts[order.user_id, window] >= rules.suspect_undone_orders for window in _windows(order, rules)):
            yield order


def _never_seen(orders: Iterable[OrderSeen], people: People, rules: Thresholds) -> Iterator[OrderSeen]:
    """Unpaid orders by unseen people. None if people are too many to be known singly, or too few payers were seen."""
    if max(map(len, people)) > rules.distinct_exact_max or len(people.payers) < rules.suspect_seen_payers:
        return
    seen = people.seen()
    if 100 * len(people.payers & seen) < rules.suspect_seen_percent * len(people.payers):
        return
    for order in orders:
        if order.here and not order.paid and order.user_id not in seen:
            yield order
