"""Carts in the fold are those of the recount: at any moment, over restarts, however records are cut and merged."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.core.rules import Rules
from stream.verify.recount import Recount
from stream.verify.room_count import Assumptions
from tests.support.rooms import (
    CART_ADDS,
    ORDERS,
    T0_MS,
    TOPICS,
    VISITS,
    Rec,
    all_figures,
    new_fold,
    restarted,
)

if TYPE_CHECKING:
    from stream.core.partition import PartitionFold
    from tests.support.rooms import Log

AGE_MS = 90_000
RULES = Rules(contract_edition=2, signals_edition=2, cart_max_age_ms=AGE_MS, hold_ms=30_000)
ASSUMED = Assumptions(contract_edition=2, signals_edition=2, cart_max_age_ms=AGE_MS, hold_ms=30_000)
DURATION_MS = 400_000
PEOPLE = 9


def cart_log(seed: int, events: int = 300) -> Log:
    """Carts, orders and visits of few people in one room: late, repeated, of nobody known; long silences."""
    random = Random(seed)
    log: Log = [[] for _ in TOPICS]
    append_ms = T0_MS
    for number in range(events):
        append_ms += random.choice([0, 0, 20, 600, 2_000]) + (random.random() < 0.01) * 80_000
        topic, event = _event(random)
        late_ms = random.choice([0, 0, 0, 700, 5_000, 70_000])
        event |= {
            "event_id": f"e{number - (random.random() < 0.03)}",
            "room_id": "r1",
            "event_time_ms": append_ms - late_ms,
        }
        log[topic].append(Rec(msgspec.json.encode(event), b"r1", len(log[topic]), append_ms))
    return log


def _event(random: Random) -> tuple[int, dict[str, object]]:
    user = random.choice(["-", *[f"u{number}" for number in range(PEOPLE)] * 4])
    kind = random.choice(["cart_add"] * 5 + ["cart_remove"] * 2 + ["order", "order", "enter", "leave", "leave"])
    sale, sku = f"s{random.randrange(2)}", f"k{random.randrange(2)}"
    event: dict[str, object] = {"type": kind, "user_id": user}
    if kind == "order":
        order_id = random.randrange(30)
        line = {"sku_id": f"k{order_id % 2}", "quantity": 1, "amount_minor": 5, "sale_id": f"s{order_id % 3 % 2}"}
        status = random.choice(["placed", "placed", "paid", "cancelled", "refunded"])
        order = {"user_id": f"u{order_id % PEOPLE}", "order_id": f"o{order_id}", "status": status, "lines": [line]}
        return ORDERS, event | order | {"currency": "CNY"}
    if kind in ("enter", "leave"):
        return VISITS, event | ({"session_id": f"{user}.phone"} if random.random() < 0.3 else {})
    if kind == "cart_add" or random.random() < 0.5:
        event["quantity"] = random.randrange(1, 4)
    if random.random() < 0.8:
        event["sale_id"] = sale
    return CART_ADDS, event | {"sku_id": sku}


def pieces(log: Log, random: Random) -> list[tuple[int, list[Rec]]]:
    """In the order of append times, cut anywhere: what of one topic follows on itself may be folded together."""
    records = sorted(((topic, record) for topic, of in enumerate(log) for record in of), key=lambda it: it[1].timestamp)
    found: list[tuple[int, list[Rec]]] = []
    for topic, record in records:
        if found and found[-1][0] == topic and random.random() < 0.8:
            found[-1][1].append(record)
        else:
            found.append((topic, [record]))
    return found


def crowded(log: Log) -> list[tuple[int, list[Rec]]]:
    """In crowds of a topic: twenty seconds at once."""
    found: dict[tuple[int, int], list[Rec]] = {}
    for topic, of in enumerate(log):
        for record in of:
            found.setdefault((record.timestamp // 20_000, topic), []).append(record)
    return [(topic, records) for (_, topic), records in sorted(found.items())]


def assert_same(fold: PartitionFold, recount: Recount) -> None:
    for room_id, figures in all_figures(fold).items():
        counted = recount.room(room_id, fold.clock_ms)
        assert {key: sale.carters_without_order for key, sale in figures.sales.items()} == {
            key: sale.carters_without_order for key, sale in counted.sales.items()
        }


def tell(recount: Recount, topic: int, records: list[Rec]) -> None:
    for record in records:
        recount.add(TOPICS[topic], record.value, record.key, record.timestamp)


@pytest.mark.parametrize("crowds", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_carts_are_those_of_the_recount_at_any_moment_and_after_restarts(
    seed: int,
    crowds: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stream.core.cart_people.FEW_LEDGERS", seed % 2 * 8)
    random, log = Random(seed), cart_log(seed)
    fold, straight, recount = new_fold(RULES), new_fold(RULES), Recount(ASSUMED)
    saved: dict[bytes, bytes | None] = {}
    most = 0
    for number, (topic, records) in enumerate(crowded(log) if crowds else pieces(log, random)):
        for each in (fold, straight):
            each.advance(records[-1].timestamp, "tick")
            each.fold(topic, records)
        tell(recount, topic, records)
        assert_same(fold, recount)
        if random.random() < 0.1:
            fold = restarted(fold, saved, RULES)
            straight.cut(1)
        if number % 7 == 0:
            assert all_figures(fold) == all_figures(straight)
            assert_same(fold, recount)
        counts = [sale.carters_without_order for of in all_figures(fold).values() for sale in of.sales.values()]
        most = max(most, *counts, 0)
    assert most >= 3
    for later_ms in (1_000, 20_000, AGE_MS - 1_000, AGE_MS, AGE_MS + 70_000):
        for each in (fold, straight):
            each.advance(log[CART_ADDS][-1].timestamp + later_ms, "tick")
        assert_same(fold, recount)
        assert all_figures(fold) == all_figures(straight)


@pytest.mark.parametrize("seed", range(3))
def test_levels_move_by_the_age_of_carts_whether_or_not_the_partition_was_restarted(seed: int) -> None:
    """Nothing else happens: what sleeps must wake when carts leave."""
    random, log = Random(seed), cart_log(seed, 120)
    last = log[CART_ADDS][-1]
    for number in range(8):
        event = {
            "type": "cart_add",
            "event_id": f"w{number}",
            "room_id": "r1",
            "event_time_ms": last.timestamp + number,
        }
        event |= {"user_id": f"w{number}", "sku_id": "k0", "sale_id": "s0", "quantity": 1}
        log[CART_ADDS].append(Rec(msgspec.json.encode(event), b"r1", last.offset + 1 + number, last.timestamp + number))
    opening = {
        "type": "sale_opened",
        "event_id": "opening",
        "room_id": "r1",
        "event_time_ms": T0_MS,
        "sale_id": "s0",
        "sku_id": "k0",
        "offered": 9,
        "starts_at_ms": T0_MS,
    }
    rules = msgspec.structs.replace(RULES, demand_min_carters=1, cart_max_age_ms=180_000)
    fold, straight = new_fold(rules), new_fold(rules)
    saved: dict[bytes, bytes | None] = {}
    for each in (fold, straight):
        each.fold(5, [Rec(msgspec.json.encode(opening), b"r1", 0, T0_MS)])
    for topic, records in pieces(log, random):
        for each in (fold, straight):
            each.advance(records[-1].timestamp, "tick")
            each.fold(topic, records)
    end_ms = straight.clock_ms // 1_000 * 1_000 + 1_000
    seen: set[str] = set()
    levels: list[tuple[str, int]] = []
    for later_s in range(0, 200, 3):
        straight.advance(end_ms + later_s * 1_000, "tick")
        fold.advance(end_ms + later_s * 1_000, "tick")
        if later_s % 60 == 0:
            fold = restarted(fold, saved, rules)
        levels = [(each.level, each.since_ms) for each in straight.rooms["r1"].urgencies.values()]
        assert levels == [(each.level, each.since_ms) for each in fold.rooms["r1"].urgencies.values()]
        seen |= {level for level, _ in levels}
    once = new_fold(rules)
    once.fold(5, [Rec(msgspec.json.encode(opening), b"r1", 0, T0_MS)])
    for topic, records in pieces(log, Random(seed)):
        once.advance(records[-1].timestamp, "tick")
        once.fold(topic, records)
    once.advance(end_ms + 198_000, "tick")  # in one leap
    assert levels == [(each.level, each.since_ms) for each in once.rooms["r1"].urgencies.values()]
    # Long after everything else has gone quiet.
    assert {level for level, _ in levels} <= {"calm", "sold_out", "unknown"}
    assert seen & {"warming", "brisk"}
