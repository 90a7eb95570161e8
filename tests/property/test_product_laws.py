"""Figures per product are those of the recount, however the log is cut or read and whenever a worker restarts."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.core.rules import Rules
from stream.verify.compare import compare
from stream.verify.recount import Recount
from stream.verify.room_count import Assumptions
from tests.support.rooms import CART_ADDS, ORDERS, T0_MS, TOPICS, VISITS, Rec, new_fold, restarted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream.contract.overlay import Overlay
    from stream.core.partition import PartitionFold

MOST = 4
RULES = Rules(products_max=MOST, contract_edition=2, signals_edition=2, ids_by_topic=True)
SKUS = [f"k{number}" for number in range(7)]
STATUSES = ["placed", "placed", "paid", "paid", "paid", "cancelled", "refunded", "refunded", "shipped"]

Piece = tuple[int, list[Rec]]


def lines_of(order: int) -> list[dict[str, object]]:
    """Of one to three lines, some of one product twice, some of a sale."""
    random = Random(f"lines {order}")
    return [
        {"sku_id": random.choice(SKUS), "quantity": random.randrange(1, 3), "amount_minor": random.randrange(1, 900)}
        | ({"sale_id": "s1"} if random.random() < 0.5 else {})
        for _ in range(random.randrange(1, 4))
    ]


def event_of(random: Random) -> tuple[int, dict[str, object]]:
    user = random.choice(["-", *(f"u{number}" for number in range(6))])
    kind = random.random()
    if kind < 0.3:
        sku = random.choice([*SKUS, None])
        click: dict[str, object] = {"type": "product_click", "user_id": user}
        return VISITS, click if sku is None else click | {"sku_id": sku}
    if kind < 0.5:
        cart: dict[str, object] = {"type": "cart_add", "user_id": user, "sku_id": random.choice(SKUS), "quantity": 1}
        return CART_ADDS, cart | random.choice([{}, {"sale_id": "s1"}])
    if kind < 0.55:
        return CART_ADDS, {"type": "cart_remove", "user_id": user, "sku_id": random.choice(SKUS), "quantity": 1}
    order, status = random.randrange(40), random.choice(STATUSES)
    event: dict[str, object] = {"type": "order", "user_id": f"u{order % 5}", "order_id": f"o{order}", "status": status}
    event["currency"] = ("CNY", "EUR")[order % 2]
    if status in ("cancelled", "refunded") and random.random() < 0.7:
        of_part = {"sku_id": random.choice(SKUS), "quantity": 0, "amount_minor": random.randrange(300)}
        part_lines = [of_part] if random.random() < 0.7 else [of_part, of_part | {"sku_id": random.choice(SKUS)}]
        return ORDERS, event | {"part_id": f"p{random.randrange(3)}", "part_lines": part_lines}
    if status in ("placed", "paid") or random.random() < 0.5:
        return ORDERS, event | {"lines": lines_of(order)}
    return ORDERS, event


def pieces_of(seed: int) -> list[Piece]:
    """Slices of records of three topics, some late, some repeated."""
    random = Random(seed)
    found: list[Piece] = []
    offsets, append_ms, number = [0] * len(TOPICS), T0_MS, 0
    while number < 400:
        topic, first = event_of(random)
        events = [first]
        for _ in range(random.choice([0, 0, 1, 5, 12])):
            another, event = event_of(random)
            events += [event] if another == topic else []
        records = []
        for event in events:
            number += 1
            append_ms += random.choice([0, 0, 300, 4_000])
            whole = event | {
                "event_id": f"e{number - (random.random() < 0.1)}",
                "room_id": "r1",
                "event_time_ms": append_ms - random.choice([0, 0, 900, 50_000]),
            }
            records.append(Rec(msgspec.json.encode(whole), b"r1", offsets[topic], append_ms))
            offsets[topic] += 1
        found.append((topic, records))
    return found


def recounted(pieces: Iterable[Piece]) -> Recount:
    recount = Recount(Assumptions(products_max=MOST, contract_edition=2, signals_edition=2, ids_by_topic=True))
    for topic, records in pieces:
        for record in records:
            recount.add(TOPICS[topic], record.value, record.key, record.timestamp, partition=0, offset=record.offset)
    return recount


def shown(fold: PartitionFold) -> Overlay:
    overlay = fold.overlay("r1")
    assert overlay is not None
    return overlay


@pytest.mark.parametrize("seed", range(12))
def test_products_are_those_of_the_recount_however_the_log_is_cut(seed: int) -> None:
    random, pieces = Random(seed), pieces_of(seed)
    one_by_one, fold = new_fold(RULES), new_fold(RULES)
    saved: dict[bytes, bytes | None] = {}
    for topic, records in pieces:
        fold.fold(topic, records)
        for record in records:
            one_by_one.fold(topic, [record])
        if random.random() < 0.1:
            fold = restarted(fold, saved, RULES)
    overlay = shown(fold)
    alone = shown(one_by_one)
    assert (overlay.products, overlay.products_beyond) == (alone.products, alone.products_beyond)
    assert overlay.products is not None
    assert len(overlay.products) == MOST
    assert overlay.products_beyond
    figures = compare(recounted(pieces).room("r1", overlay.as_of_ms), overlay)
    products = [each for each in figures if each.name.startswith("product")]
    assert len(products) > 5 * MOST
    assert [each for each in products if not each.agrees] == []
    assert sum(money.gmv_paid_minor for each in overlay.products for money in each.money) > 0


@pytest.mark.parametrize("seed", range(6))
def test_the_order_in_which_topics_are_read_changes_no_figure(seed: int) -> None:
    pieces = pieces_of(seed)
    fold, by_topic = new_fold(RULES), new_fold(RULES)
    for topic, records in pieces:
        fold.fold(topic, records)
    for topic, records in sorted(pieces, key=lambda piece: (-piece[0], piece[1][0].offset)):
        by_topic.fold(topic, records)
    ours, theirs = shown(fold), shown(by_topic)
    assert (ours.products, ours.products_beyond) == (theirs.products, theirs.products_beyond)


def test_without_a_bound_in_the_way_the_money_of_all_products_is_the_money_of_the_room() -> None:
    fold = new_fold(msgspec.structs.replace(RULES, products_max=100))
    for topic, records in pieces_of(3):
        fold.fold(topic, records)
    overlay = shown(fold)
    assert overlay.products is not None
    for total in overlay.totals.money:
        of_products = [money for each in overlay.products for money in each.money if money.currency == total.currency]
        # Of net revenue no order has less than none, but a product has: parts may take off more than it cost.
        for name in ("gmv_placed_minor", "gmv_paid_minor"):
            assert sum(getattr(money, name) for money in of_products) == getattr(total, name) != 0


def test_a_figure_that_is_off_by_one_or_missing_is_a_difference() -> None:
    pieces = pieces_of(1)
    fold = new_fold(RULES)
    for topic, records in pieces:
        fold.fold(topic, records)
    overlay = shown(fold)
    figures = recounted(pieces).room("r1", overlay.as_of_ms)
    assert overlay.products is not None
    first, *others = overlay.products
    replace = msgspec.structs.replace
    more = replace(first, payers=replace(first.payers, value=first.payers.value + 1))
    dearer = replace(first, money=[replace(each, gmv_net_minor=each.gmv_net_minor + 1) for each in first.money])
    for wrong in ([more, *others], [dearer, *others], others, []):
        differing = compare(figures, replace(overlay, products=wrong))
        assert any(each.name.startswith("product") and not each.agrees for each in differing)
    differing = compare(figures, replace(overlay, products_beyond=overlay.products_beyond - 1))
    assert [each.name for each in differing if each.name.startswith("product") and not each.agrees] == [
        "products beyond the bound"
    ]
