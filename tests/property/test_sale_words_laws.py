"""What is said of a sale is a set: fold, recount and claims agree on what follows from it, however it came."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.contract.overlay import SIGNALS_EDITION
from stream.core.rules import Rules
from stream.verify.rulebook import assumptions_of_rules
from tests.support.order_laws import claims_follow, in_append_order
from tests.support.rooms import (
    CART_ADDS,
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

if TYPE_CHECKING:
    from stream.core.partition import PartitionFold

Saved = dict[bytes, bytes | None]  # the compacted topic
DURATION_MS = 60_000
END_MS = T0_MS + DURATION_MS + 30_000
RULES = Rules(signals_edition=SIGNALS_EDITION, contract_edition=2, hold_ms=20_000)
FIRST = msgspec.structs.replace(RULES, signals_edition=1)
STATUSES = ("placed", "placed", "paid", "paid", "cancelled", "refunded", "refunded")


def said(seed: int, events: int = 240, rooms: int = 2) -> Log:
    """Orders that are undone with units that come back, do not, or do later; and hosts who change their minds."""
    random = Random(seed)
    drafts: list[tuple[int, int, str, dict[str, Any]]] = []
    for number in range(events):
        room, append_ms = f"room-{random.randrange(rooms)}", T0_MS + DURATION_MS * number // events
        topic, event = _event(random, append_ms)
        late_ms = random.choice([0, 0, 0, 0, 40, 3_000, 30_000, -900])
        event_ms = append_ms - late_ms
        if topic == ORDERS:  # a status was reached at one moment, however often that is said
            event_ms = T0_MS + Random(f"{room} {event['order_id']} {event['status']}").randrange(DURATION_MS)
        event |= {"event_id": f"e{number}", "room_id": room, "event_time_ms": event_ms}
        drafts.append((append_ms, topic, room, event))
        if random.random() < 0.05:
            drafts.append((append_ms + random.randrange(3_000), topic, room, event))
    log: Log = [[] for _ in TOPICS]
    for append_ms, topic, room, event in sorted(drafts, key=lambda draft: draft[0]):
        log[topic].append(Rec(msgspec.json.encode(event), room.encode(), len(log[topic]), append_ms))
    return log


def _event(random: Random, now_ms: int) -> tuple[int, dict[str, Any]]:
    chance, user = random.random(), f"u{random.randrange(20)}"
    if chance < 0.15:
        return SALES, _word(random, now_ms)
    if chance < 0.2:
        return VISITS, {"type": random.choice(["enter", "product_click", "leave"]), "user_id": user}
    if chance < 0.25:
        return CART_ADDS, {"type": "cart_add", "user_id": user, "sku_id": "k1", "quantity": 1, "sale_id": "s1"}
    order_id = random.randrange(70)
    of_order = Random(order_id)
    line = {
        "sku_id": f"k{of_order.randrange(2)}",
        "quantity": of_order.randrange(1, 4),
        "amount_minor": 5,
        "sale_id": f"s{of_order.randrange(2)}",
    }
    other = {"sku_id": "k0", "quantity": 1, "amount_minor": 5, "sale_id": "s0"}
    return ORDERS, {
        "type": "order",
        "user_id": "-" if order_id % 17 == 0 else f"u{of_order.randrange(30)}",
        "order_id": f"o{order_id}",
        "status": random.choice(STATUSES),
        "lines": [line, other][: of_order.randrange(1, 3)],
        "currency": "CNY",
        "restock": random.choice([None, None, False, False, True]),
    }


def _word(random: Random, now_ms: int) -> dict[str, Any]:
    kind = random.choice(["sale_opened", "sale_opened", "sale_restocked", "sale_extended", "sale_closed"])
    sku_id = f"k{random.randrange(2)}"
    event: dict[str, Any] = {"type": kind, "sale_id": f"s{random.randrange(2)}"}
    if kind == "sale_opened":
        event |= {
            "sku_id": sku_id,
            "offered": random.randrange(60),
            "starts_at_ms": T0_MS + random.choice([0, 0, 0, 20_000, now_ms - T0_MS]),
            "ends_at_ms": random.choice([None, T0_MS + 30_000 + random.randrange(80_000)]),
            "per_user_limit": random.choice([None, 3]),
        }
    elif kind == "sale_restocked":
        event |= {"sku_id": sku_id, "quantity": random.randrange(1, 20)}
    elif kind == "sale_extended":
        event |= {"ends_at_ms": T0_MS + random.randrange(120_000)}
    if kind in ("sale_extended", "sale_closed") and random.random() < 0.5:
        event["sku_id"] = sku_id
    return event


@pytest.mark.parametrize("rules", [FIRST, RULES], ids=["first", "second"])
@pytest.mark.parametrize("seed", range(8))
def test_fold_and_recount_agree_in_any_order_across_topics(seed: int, rules: Rules) -> None:
    log = said(seed)
    recount = recounted(log, assumptions_of_rules(msgspec.structs.asdict(rules)))
    expected = {room_id: recount.room(room_id, END_MS) for room_id in recount.room_ids()}
    assert all_figures(fold_plainly(slices(log, Random(seed)), END_MS, rules)) == expected
    assert all_figures(fold_merged(log, Random(seed + 1), END_MS, rules)) == expected


def test_every_standing_is_met_in_these_logs() -> None:
    met = set[str]()
    for seed in range(4):
        for figures in all_figures(fold_plainly(slices(said(seed), Random(seed)), T0_MS + DURATION_MS, RULES)).values():
            for sale in figures.sales.values():
                met |= {"former"} if sale.former is not None and sale.former.sold else set()
                met |= {name for name in ("held", "sold", "released", "gone", "oversold") if getattr(sale, name)}
    assert met == {"held", "sold", "released", "gone", "oversold", "former"}


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_arrival_and_repetitions_change_nothing_that_lasts(seed: int) -> None:
    """All is stored at one moment, so that every order of arrival is possible."""
    random = Random(seed)
    log = [[record._replace(timestamp=T0_MS + DURATION_MS) for record in records] for records in said(seed)]
    expected = _lasting(fold_plainly(slices(log, random), END_MS, RULES))
    for _ in range(3):
        mixed = []
        for records in log:
            twice = records + random.sample(records, len(records) // 2)
            random.shuffle(twice)
            mixed.append([record._replace(offset=offset) for offset, record in enumerate(twice)])
        assert _lasting(fold_plainly(slices(mixed, random), END_MS, RULES)) == expected


def _lasting(fold: PartitionFold) -> dict[tuple[str, Any], Any]:
    """The ledgers."""
    return {
        (room_id, key): msgspec.structs.replace(sale, carters_without_order=0)
        for room_id, figures in all_figures(fold).items()
        for key, sale in figures.sales.items()
    }


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_same_over_restarts_and_balances_at_every_moment(seed: int) -> None:
    random, log, saved = Random(seed), said(seed), Saved()
    straight, fold = new_fold(RULES), new_fold(RULES)
    for topic, record in in_append_order(log):
        for each in (straight, fold):
            each.fold(topic, [record])
            each.advance(record.timestamp, "tick")
        if random.random() < 0.08:
            fold = restarted(fold, saved, RULES)
        for overlay in all_overlays(fold):
            for sale in overlay.sales:
                if sale.offered is not None and sale.available is not None:
                    taken = sale.available + sale.held + sale.sold + sale.gone
                    assert sale.offered + sale.restocked + sale.oversold == taken
    for each in (straight, fold):
        each.advance(END_MS, "tick")
        for room_id, room in each.rooms.items():
            room.rev = straight.rooms[room_id].rev
    assert all_overlays(fold) == all_overlays(straight)


def all_overlays(fold: PartitionFold) -> list[Any]:
    return [fold.overlay(room_id) for room_id in sorted(fold.rooms)]


@pytest.mark.parametrize("seed", range(2))
def test_claims_follow_from_the_log(seed: int) -> None:
    easy = {"in_carts_min": 1, "bought_min_orders": 1, "stock_left_share_max": 0.8, "suspect_share_max": 0.9}
    rules = msgspec.structs.replace(RULES, **easy)
    claims_follow(said(seed), rules, least=500)
