"""Beyond the bounds on sales, orders and rooms a restored partition still is the one that never stopped."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec import structs

from stream.commands.replay_claims import check_recording
from stream.contract.events import TOPIC_NAMES
from stream.contract.reading import read_overlay
from stream.contract.recording import RecordedRecord
from stream.core.rules import Rules
from stream.verify.claim_check import BEYOND_BOUND, DISPLACED, FORGOTTEN, RIGHT
from tests.property.test_restore_laws import EPOCH, Saved, documents
from tests.support.order_laws import in_append_order
from tests.support.rooms import (
    INTERACTIONS,
    ORDERS,
    SALES,
    T0_MS,
    TOPICS,
    Log,
    Rec,
    new_fold,
    recording_of,
    restarted,
)

if TYPE_CHECKING:
    from stream.contract.overlay import Overlay
    from stream.core.partition import PartitionFold

RULES = Rules(
    signals_edition=2,
    contract_edition=2,
    remember_ids_ms=60_000,
    remember_orders_ms=90_000,
    remember_orders_max=12,
    remember_sales_ms=3_600_000,
    sales_per_room_max=2,
    room_idle_ms=100_000,
)
ROOMS = 3


class Draft:
    """Records of a room, as they are written."""

    def __init__(self) -> None:
        self.log: Log = [[] for _ in TOPICS]

    def add(self, topic: int, at_ms: int, kind: str, room_id: str = "r", **fields: Any) -> None:
        number = sum(map(len, self.log))
        event = {"type": kind, "event_id": f"e{number}", "room_id": room_id, "event_time_ms": T0_MS + at_ms, **fields}
        self.log[topic].append(Rec(msgspec.json.encode(event), room_id.encode(), len(self.log[topic]), T0_MS + at_ms))

    def order(self, at_ms: int, order_id: str, user_id: str, status: str, sale_id: str, **fields: Any) -> None:
        line = {"sku_id": "k", "quantity": 1, "amount_minor": 100, "sale_id": sale_id}
        of_order = {"order_id": order_id, "user_id": user_id, "status": status, "lines": [line], "currency": "CNY"}
        self.add(ORDERS, at_ms, "order", **of_order | fields)


def dense(seed: int) -> Log:
    """Five people and two devices order, cancel and pay of more short sales than there is a place for."""
    random, draft = Random(f"dense {seed}"), Draft()
    duration_ms = random.choice([20_000, 120_000, 600_000])
    for number in range(250):
        at_ms, where, sale_id = duration_ms * number // 250, random.random(), f"s{random.randrange(5)}"
        room_id, sku_id = f"room-{random.randrange(ROOMS)}", f"k{random.randrange(2)}"
        if where < 0.65:
            of_order = Random(f"{seed} {(order := random.randrange(120))}")
            fields: dict[str, Any] = {"room_id": room_id}
            if of_order.random() < 0.4:
                fields["device_id"] = f"d{of_order.randrange(2)}"
            status = random.choice(["placed", "placed", "paid", "cancelled", "refunded"])
            user_id, of_sale = f"u{of_order.randrange(5)}", f"s{of_order.randrange(5)}"
            if status in ("cancelled", "refunded") and random.random() < 0.5:
                part = {"sku_id": "k", "quantity": 1, "amount_minor": 100, "sale_id": of_sale}
                fields |= {"part_id": f"p{random.randrange(3)}", "part_lines": [part]}
            draft.order(at_ms, f"o{order}", user_id, status, of_sale, **fields)
        elif where < 0.85:
            terms = {"starts_at_ms": T0_MS + at_ms, "ends_at_ms": T0_MS + at_ms + random.randrange(4_000, 24_000)}
            terms |= {"offered": random.randrange(50), "per_user_limit": random.randrange(1, 4)}
            draft.add(SALES, at_ms, "sale_opened", room_id, sale_id=sale_id, sku_id=sku_id, **terms)
        elif where < 0.92:
            draft.add(SALES, at_ms, "sale_restocked", room_id, sale_id=sale_id, sku_id=sku_id, quantity=3)
        else:
            draft.add(INTERACTIONS, at_ms, "room_opened", room_id, show_id=f"show-{random.randrange(3)}")
    return draft.log


def overlays(fold: PartitionFold, wall_ms: int) -> list[Overlay]:
    """Those of sessions that go on: a new owner writes the last ones of others again."""
    found = [read_overlay(document) for _, _, document in documents(fold, wall_ms)]
    return [each for each in found if each.session is None or each.session.ended_at_ms is None]


def said(fold: PartitionFold, wall_ms: int) -> list[Overlay]:
    """The same without revisions: what silent refreshes use up is not saved, and a new owner has a greater epoch."""
    return [
        structs.replace(each, rev=0, claims=[structs.replace(claim, id="") for claim in each.claims])
        for each in overlays(fold, wall_ms)
    ]


@pytest.mark.parametrize(
    "bounds",
    [{}, {"sales_per_room_max": 1}, {"remember_orders_max": 5}, {"rooms_max": 2}],
    ids=["all", "sales", "orders", "rooms"],
)
@pytest.mark.parametrize("seed", [0, 6, 12])
def test_a_restart_changes_nothing_that_is_said_beyond_a_bound(seed: int, bounds: dict[str, int]) -> None:
    random, rules = Random(seed), structs.replace(RULES, **bounds)
    straight, fold, saved = new_fold(rules), new_fold(rules), Saved()
    wall_ms = T0_MS
    for topic, record in in_append_order(dense(seed)):
        wall_ms = record.timestamp + 40
        for each in (straight, fold):
            each.advance(record.timestamp, "tick")
            each.fold(topic, [record])
        if random.random() < 0.06:
            straight.cut(EPOCH)
            fold = restarted(fold, saved, rules)
            fold.advance(record.timestamp, "tick")
            assert said(fold, wall_ms) == said(straight, wall_ms)
    for each in (straight, fold):
        each.advance(wall_ms + 7_000, "tick")
    assert said(fold, wall_ms + 7_000) == said(straight, wall_ms + 7_000)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_sale_that_finds_a_place_in_a_later_session_counts_what_its_orders_hold(*, restarts: bool) -> None:
    """Six were bought of it while there was none. A restart found them again, and whoever went on did not."""
    rules, draft = structs.replace(RULES, sales_per_room_max=1, remember_orders_max=500), Draft()
    sale: dict[str, Any] = {"sku_id": "k", "offered": 50, "per_user_limit": 1}
    draft.add(SALES, 0, "sale_opened", sale_id="a", starts_at_ms=T0_MS, ends_at_ms=T0_MS + 5_000, **sale)
    for number in range(6):
        draft.order(1_000, f"o{number}", "u", "paid", "b")
    draft.add(INTERACTIONS, 6_000, "room_opened", show_id="x")
    draft.add(SALES, 7_000, "sale_opened", sale_id="b", starts_at_ms=T0_MS, **sale)
    draft.order(8_000, "p", "v", "paid", "b")
    draft.order(9_000, "q", "u", "placed", "b")
    fold, saved = new_fold(rules), Saved()
    for topic, record in in_append_order(draft.log):
        fold.advance(record.timestamp, "tick")
        fold.fold(topic, [record])
        fold.advance(record.timestamp, "tick")
        if restarts:
            fold = restarted(fold, saved, rules)
    (overlay,) = overlays(fold, T0_MS + 9_000)
    (shown,) = overlay.sales
    assert (shown.sale_id, shown.held, shown.sold, shown.over_limit, shown.suspect_units) == ("b", 1, 7, 6, 7)
    assert overlay.sales_refused == 6, "the room's, not the session's: what was refused then is in no figure now"


def forgotten_orders() -> Log:
    """Eight orders are paid; when others have displaced them, their shop says of some again what became of them."""
    draft = Draft()
    draft.add(SALES, 0, "sale_opened", sale_id="s", sku_id="k", offered=30, starts_at_ms=T0_MS, ends_at_ms=None)
    for number in range(8):
        draft.order(1_000 * number, f"o{number}", f"u{number}", "paid", "s")
    for number in range(8):
        draft.order(9_000 + 1_000 * number, f"p{number}", f"v{number}", "paid", "s", room_id="q")
    for number in range(4):
        draft.order(18_000 + 1_000 * number, f"o{number}", f"u{number}", ("paid", "refunded")[number % 2], "s")
    return draft.log


LARGE = {"remember_orders_max": 500, "sales_per_room_max": 50, "rooms_max": 50, "stock_left_share_max": 1.0}


@pytest.mark.parametrize(
    ("log", "bounds", "why"),
    [
        (forgotten_orders(), {"remember_orders_max": 5}, DISPLACED),
        (dense(6), {"rooms_max": 2}, FORGOTTEN),
    ],
    ids=["orders", "rooms"],
)
def test_what_was_forgotten_makes_no_claim_wrong(log: Log, bounds: dict[str, int], why: str) -> None:
    """The log has all of it. So each of these claims was wrong of which the workers knew less."""
    rules = structs.replace(RULES, **LARGE | bounds)
    tally = check_recording(recording_of(log), rules, "live", every_ms=1_000)
    assert tally.told == []
    assert {reason for _, reason in tally.unknown} == {why}
    assert tally.of(RIGHT) > 0
    within = check_recording(recording_of(log), structs.replace(rules, **LARGE), "live", every_ms=1_000)
    assert (within.told, within.unknown) == ([], {})


def test_claims_of_such_a_room_are_not_recounted_and_none_is_wrong() -> None:
    """In the session after the one in which sales were refused documents did not say so, and true claims were wrong."""
    rules, draft = structs.replace(RULES, sales_per_room_max=1, remember_orders_max=500), Draft()
    sale: dict[str, Any] = {"sku_id": "k", "offered": 12, "per_user_limit": 1}
    draft.add(SALES, 0, "sale_opened", sale_id="a", starts_at_ms=T0_MS, ends_at_ms=T0_MS + 5_000, **sale)
    draft.add(SALES, 500, "sale_restocked", sale_id="b", sku_id="k", quantity=4)
    for number in range(10):
        draft.order(1_000, f"o{number}", f"u{number}", "paid", "b")
    draft.add(INTERACTIONS, 6_000, "room_opened", show_id="x")
    draft.add(SALES, 7_000, "sale_opened", sale_id="b", starts_at_ms=T0_MS, **sale)
    draft.order(8_000, "p", "v", "paid", "b")
    draft.order(19_000, "q", "w", "placed", "b")
    records = [
        RecordedRecord(
            topic=TOPIC_NAMES[topic],
            timestamp=record.timestamp,
            value=record.value,
            key=record.key,
            partition=0,
            offset=record.offset,
        )
        for topic, record in in_append_order(draft.log)
    ]
    tally = check_recording(records, rules, "live", every_ms=1_000)
    assert tally.told == []
    assert {why for kind, why in tally.unknown if kind == "stock_left"} == {BEYOND_BOUND}
    assert tally.of(RIGHT) > 0
