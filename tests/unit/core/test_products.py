from __future__ import annotations

import msgspec
import pytest

from stream.contract.events import Order, PartLine
from stream.contract.overlay import Count, Money, ProductTotals
from stream.core.distinct import SMALL_ERROR_95
from stream.core.rules import Rules
from stream.core.saved.growth import VERSION_1
from tests.support.events import Log, cart, click, line, order, room_closed, room_opened
from tests.support.rooms import restarted

# With four products "k2" and "k3" are the ones with the least checksums, then "k1", then "k0".
RULES = Rules(products_max=2, contract_edition=2, signals_edition=2, remember_sales_ms=9_000_000)
WIDE = msgspec.structs.replace(RULES, products_max=50)


@pytest.fixture
def log() -> Log:
    return Log(WIDE)


def part(part_id: str, amount: int, sku: str) -> Order:
    taken = (PartLine(sku_id=sku, quantity=0, amount_minor=amount),)
    return msgspec.structs.replace(order("refunded"), lines=(), part_id=part_id, part_lines=taken)


def exact(value: int) -> Count:
    return Count(value, "exact")


def only(log: Log) -> ProductTotals:
    products = log.overlay().products
    assert products is not None
    assert len(products) == 1
    return products[0]


def money(log: Log) -> dict[str, list[Money]]:
    return {each.sku_id: each.money for each in log.overlay().products or ()}


def test_people_count_once_for_a_product_and_unknown_ones_not_at_all(log: Log) -> None:
    log.add(click("u1"), click("u1"), click("u2"), click("-"), cart("u1"), cart("u1", None), cart("-"))
    log.add(order("paid", "o1", "u1"), order("paid", "o2", "u1"), order("paid", "o3", "-"))
    product = only(log)
    assert (product.clickers, product.carters, product.payers) == (exact(2), exact(1), exact(1))


def test_a_click_without_a_product_is_of_none(log: Log) -> None:
    log.add(click("u1", None))
    log.add_slice(*[click("u1", None) for _ in range(6)])
    assert log.overlay().products == []


def test_an_order_counts_for_each_of_its_products_with_what_its_lines_cost(log: Log) -> None:
    lines = [line(1, "s1", "k1", 300), line(2, None, "k2", 50), line(1, None, "k1", 7)]
    log.add(order("placed", lines=lines))
    assert money(log) == {"k1": [Money("CNY", 307, 0, 0)], "k2": [Money("CNY", 50, 0, 0)]}
    log.add(order("paid", lines=lines))
    assert money(log) == {"k1": [Money("CNY", 307, 307, 307)], "k2": [Money("CNY", 50, 50, 50)]}
    log.add(order("refunded", lines=lines))
    assert money(log) == {"k1": [Money("CNY", 307, 307, 0)], "k2": [Money("CNY", 50, 50, 0)]}
    assert [each.payers for each in log.overlay().products or ()] == [exact(1), exact(1)]


def test_a_part_takes_off_the_product_that_it_names_while_the_order_is_sold(log: Log) -> None:
    lines = [line(1, "s1", "k1", 300), line(2, None, "k2", 50)]
    first = part("p1", 40, "k2")
    log.add(order("placed", lines=lines), first)
    assert money(log)["k2"] == [Money("CNY", 50, 0, 0)]
    log.add(order("paid", lines=lines))
    assert money(log) == {"k1": [Money("CNY", 300, 300, 300)], "k2": [Money("CNY", 50, 50, 10)]}
    log.add(part("p2", 100, "k1"), part("p3", 5, "k3"))
    assert money(log)["k1"] == [Money("CNY", 300, 300, 200)]
    assert money(log)["k3"] == [Money("CNY", 0, 0, -5)]
    saved: dict[bytes, bytes | None] = {}
    log.fold = restarted(log.fold, saved, WIDE)
    log.add(order("refunded", lines=lines))
    assert [amounts[0].gmv_net_minor for amounts in money(log).values()] == [0, 0, 0]


def test_currencies_stay_apart(log: Log) -> None:
    log.add(order("paid", "o1", amount=5), order("paid", "o2", currency="EUR", amount=7))
    assert only(log).money == [Money("CNY", 5, 5, 5), Money("EUR", 7, 7, 7)]


def test_which_products_are_kept_does_not_depend_on_who_came_first() -> None:
    first, last = Log(RULES), Log(RULES)
    clicks = [click("u1", sku) for sku in ("k0", "k1", "k1", "k2", "k3")]
    first.add(*clicks)
    last.add(*reversed(clicks))
    for log in (first, last):
        overlay = log.overlay()
        assert [each.sku_id for each in overlay.products or ()] == ["k2", "k3"]
        assert overlay.products_beyond == 3


def test_the_people_of_a_product_that_lost_its_place_leave_the_checkpoint() -> None:
    log, saved = Log(RULES), dict[bytes, bytes | None]()
    log.add(click("u1", "k0"))
    assert [each.sku_id for each in log.overlay().products or ()] == ["k0"]
    log.add(click("u1", "k1"))
    log.fold = restarted(log.fold, saved, RULES)
    assert [key for key in saved if key.startswith(b"q|") and b",k0|" in key]
    log.add(click("u1", "k2"))
    log.fold = restarted(log.fold, saved, RULES)
    assert not [key for key in saved if b",k0|" in key]
    assert [each.sku_id for each in log.overlay().products or ()] == ["k1", "k2"]


def test_no_people_of_products_stay_in_the_checkpoint_when_the_session_ends(log: Log) -> None:
    saved: dict[bytes, bytes | None] = {}
    log.add(room_opened(), click(), cart(), order("paid"))
    log.fold = restarted(log.fold, saved, WIDE)
    assert [key for key in saved if key.startswith(b"q|")]
    log.add(room_closed(s=1))
    log.tick(2)
    log.fold = restarted(log.fold, saved, WIDE)
    assert not [key for key in saved if key.startswith(b"q|")]


def test_an_order_of_the_last_session_moves_money_in_the_session_in_which_it_is_paid(log: Log) -> None:
    saved: dict[bytes, bytes | None] = {}
    log.add(room_opened("a"), order("placed", sku="k7", amount=9), room_opened("b", s=5))
    log.fold = restarted(log.fold, saved, WIDE)
    log.add(order("paid", sku="k7", amount=9, s=6))
    assert money(log) == {"k7": [Money("CNY", 0, 9, 9)]}


def test_beyond_the_bound_on_its_people_a_product_is_counted_by_a_sketch_that_says_its_error() -> None:
    rules = msgspec.structs.replace(WIDE, product_people_max=50)
    log, saved = Log(rules), dict[bytes, bytes | None]()
    log.add_slice(*[click(f"u{number}") for number in range(40)])
    log.fold = restarted(log.fold, saved, rules)
    log.add_slice(*[click(f"u{number}") for number in range(3_000)])
    counted = only(log).clickers
    assert (counted.method, counted.error_95) == ("sketch", SMALL_ERROR_95)
    assert counted.value == pytest.approx(3_000, rel=2 * SMALL_ERROR_95)
    log.fold = restarted(log.fold, saved, rules)
    assert only(log).clickers == counted
    assert max(len(value or b"") for key, value in saved.items() if key.startswith(b"q|")) < 5_000


def test_an_older_worker_can_go_on_and_what_it_did_not_count_is_not_shown(log: Log) -> None:
    saved: dict[bytes, bytes | None] = {}
    log.add(click("u1"), cart("u1"), order("placed"))
    assert log.fold.version == VERSION_1
    log.fold = restarted(log.fold, saved, WIDE)
    older = msgspec.structs.replace(WIDE, products_max=0)
    log.fold = restarted(log.fold, saved, older)
    log.add(click("u2"))
    log.fold = restarted(log.fold, saved, WIDE)
    log.add(click("u3"), order("paid"))
    assert log.overlay().products is None
    log.fold = restarted(log.fold, saved, WIDE)
    assert log.overlay().products is None
    assert not [key for key in saved if key.startswith(b"q|")]


def test_an_order_whose_products_an_older_worker_did_not_note_ends_the_figures_of_the_session() -> None:
    older, saved = msgspec.structs.replace(WIDE, products_max=0), dict[bytes, bytes | None]()
    log = Log(older)
    log.add(room_opened("a"), order("placed"))
    log.fold = restarted(log.fold, saved, older)
    log.fold = restarted(log.fold, saved, WIDE)
    log.add(room_opened("b", s=5), click("u1", s=5))
    assert only(log).clickers == exact(1)
    log.fold = restarted(log.fold, saved, WIDE)
    assert [key for key in saved if key.startswith(b"q|")]
    log.add(order("paid", s=6))
    assert log.overlay().products is None
    log.fold = restarted(log.fold, saved, WIDE)
    assert not [key for key in saved if key.startswith(b"q|")]
    log.add(click("u1", s=7))
    assert log.overlay().products is None


def test_without_the_rule_nothing_is_counted() -> None:
    log = Log(Rules())
    log.add(click(), cart(), order("paid"))
    assert (log.overlay().products, log.fold.version) == (None, VERSION_1)
