"""Suspicion is a function of what is known: fold and recount agree on it in any order, and over restarts."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest

from stream.contract.overlay import SIGNALS_EDITION
from stream.core.rules import Rules
from stream.verify.rulebook import assumptions_of_rules
from tests.support.order_laws import EASY, claims_follow, heads_of, in_append_order
from tests.support.rooms import (
    CART_ADDS,
    COMMENTS,
    ORDERS,
    SALES,
    T0_MS,
    TOPICS,
    VISITS,
    Log,
    Rec,
    all_figures,
    fold_merged,
    fold_plainly,
    new_fold,
    recounted,
    restarted,
    slices,
)

Saved = dict[bytes, bytes | None]  # the compacted topic
DURATION_MS = 60_000
END_MS = T0_MS + DURATION_MS + 30_000
# So that a few dozen orders give every rule something to find.
RULES = Rules(
    signals_edition=SIGNALS_EDITION,
    contract_edition=2,
    suspect_window_ms=24_000,
    suspect_unpaid_orders=3,
    suspect_device_accounts=3,
    suspect_product_orders=4,
    suspect_regular_gap_ms=2_000,
    suspect_regular_within_ms=1_000,
    suspect_undone_orders=2,
    suspect_undone_ms=9_000,
    suspect_seen_payers=3,
    suspect_seen_percent=50,
)
SMALL = msgspec.structs.replace(RULES, distinct_exact_max=14)
ASSUMED = assumptions_of_rules(msgspec.structs.asdict(RULES))
STATUSES = ("placed", "placed", "paid", "cancelled", "refunded")


def attacked(seed: int, events: int = 220, rooms: int = 2, orders: int = 90) -> Log:
    """Orders over and over, of few accounts and devices, some of them of people who are seen before or after."""
    random = Random(seed)
    drafts: list[tuple[int, int, str, dict[str, Any]]] = []
    for number in range(events):
        room, append_ms = f"room-{random.randrange(rooms)}", T0_MS + DURATION_MS * number // events
        topic, event = _event(random, orders)
        late_ms = random.choice([0, 0, 0, 0, 40, 3_000, 30_000, -900])
        event |= {"event_id": f"e{number}", "room_id": room, "event_time_ms": append_ms - late_ms}
        drafts.append((append_ms, topic, room, event))
        if random.random() < 0.05:
            drafts.append((append_ms + random.randrange(3_000), topic, room, event))
    log: Log = [[] for _ in TOPICS]
    for append_ms, topic, room, event in sorted(drafts, key=lambda draft: draft[0]):
        log[topic].append(Rec(msgspec.json.encode(event), room.encode(), len(log[topic]), append_ms))
    return log


def _event(random: Random, orders: int) -> tuple[int, dict[str, Any]]:
    chance, user = random.random(), f"u{random.randrange(20)}"
    if chance < 0.05:
        return SALES, {
            "type": "sale_opened",
            "sale_id": f"s{random.randrange(2)}",
            "sku_id": f"k{random.randrange(2)}",
            "offered": random.randrange(200),
            "starts_at_ms": T0_MS,
        }
    if chance < 0.12:
        return VISITS, {"type": random.choice(["enter", "product_click", "leave"]), "user_id": user}
    if chance < 0.15:
        return COMMENTS, {"type": "comment", "user_id": user, "text": "好"}
    if chance < 0.18:
        cart = {"type": "cart_add", "user_id": user, "sku_id": "k1", "quantity": 1, "sale_id": "s1"}
        return CART_ADDS, cart
    order_id = random.randrange(orders)
    of_order = Random(order_id)
    line = {"sku_id": f"k{of_order.randrange(2)}", "quantity": of_order.randrange(1, 4), "amount_minor": 5}
    if of_order.random() < 0.9:
        line["sale_id"] = f"s{of_order.randrange(2)}"
    other = {"sku_id": "k0", "quantity": 1, "amount_minor": 5, "sale_id": "s0"}
    user = "-" if order_id % 17 == 0 else f"u{of_order.randrange(12)}"
    return ORDERS, {
        "type": "order",
        "user_id": user,
        "order_id": f"o{order_id}",
        "status": random.choice(STATUSES),
        "lines": [line, other][: of_order.randrange(1, 3)],
        "currency": "CNY",
        "device_id": f"d{of_order.randrange(6)}" if of_order.random() < 0.4 else None,
    }


@pytest.mark.parametrize("rules", [RULES, SMALL], ids=["exact", "sketched"])
@pytest.mark.parametrize("seed", range(10))
def test_fold_and_recount_suspect_the_same_orders_in_any_order(seed: int, rules: Rules) -> None:
    log = attacked(seed)
    recount = recounted(log, assumptions_of_rules(msgspec.structs.asdict(rules)))
    expected = {room_id: recount.room(room_id, END_MS).sales for room_id in recount.room_ids()}
    for fold in (
        fold_plainly(slices(log, Random(seed)), END_MS, rules),
        fold_merged(log, Random(seed + 1), END_MS, rules),
    ):
        found = {room_id: figures.sales for room_id, figures in all_figures(fold).items()}
        assert {(room_id, key): sale.suspicions for room_id, sales in found.items() for key, sale in sales.items()} == {
            (room_id, key): sale.suspicions for room_id, sales in expected.items() for key, sale in sales.items()
        }


def test_every_rule_has_something_to_find_in_these_logs() -> None:
    found = set[str]()
    for seed in range(10):
        recount = recounted(attacked(seed), ASSUMED)
        for room_id in recount.room_ids():
            for sale in recount.room(room_id, END_MS).sales.values():
                found |= sale.suspicions.keys()
    assert found == {"unpaid_burst", "one_device", "same_product", "bought_and_undone", "never_seen"}


@pytest.mark.parametrize("rules", [RULES, SMALL], ids=["exact", "sketched"])
@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_same_over_restarts_and_however_often_documents_are_made(seed: int, rules: Rules) -> None:
    random, log = Random(seed), attacked(seed)
    straight, often, fold, saved = new_fold(rules), new_fold(rules), new_fold(rules), Saved()
    for topic, record in in_append_order(log):
        for each in (straight, often, fold):
            each.fold(topic, [record])
            each.advance(record.timestamp, "tick")
        often.publish(record.timestamp, 4, everything=True)
        if random.random() < 0.08:
            fold = restarted(fold, saved, rules)
    for each in (straight, often, fold):
        each.advance(END_MS, "tick")
        for room_id, room in each.rooms.items():
            room.rev = straight.rooms[room_id].rev
    expected = {room_id: straight.overlay(room_id) for room_id in straight.rooms}
    assert {room_id: often.overlay(room_id) for room_id in often.rooms} == expected
    assert {room_id: fold.overlay(room_id) for room_id in fold.rooms} == expected
    assert [heads_of(each) for each in (often, fold)] == [heads_of(straight)] * 2


@pytest.mark.parametrize("rules", [RULES, SMALL], ids=["exact", "sketched"])
@pytest.mark.parametrize("seed", range(3))
def test_claims_of_attacked_rooms_follow_from_the_log(seed: int, rules: Rules) -> None:
    rules = msgspec.structs.replace(rules, hold_ms=20_000, **EASY)
    claims_follow(attacked(seed), rules)
