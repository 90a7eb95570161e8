"""Parts of orders, cancelled or refunded by themselves, among everything else that shops send.

The fold is the recount; a restart changes nothing; what orders come to is a function of the set of what was said.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.commands.replay_claims import check_recording
from stream.verify.claim_check import NOT_RECOUNTED, RIGHT, WRONG
from tests.property.test_order_words_laws import SHORT, as_shops_send, expected_of
from tests.property.test_suspicion_laws import END_MS, Saved, records_of
from tests.support.rooms import (
    ORDERS,
    Log,
    Rec,
    all_figures,
    fold_merged,
    fold_plainly,
    new_fold,
    recording_of,
    restarted,
    slices,
)

if TYPE_CHECKING:
    from stream.core.rules import Rules
    from stream.verify.figures import RoomFigures

# So few that some orders have more.
FEW = msgspec.structs.replace(SHORT, order_parts_max=2)


def with_parts(seed: int, share: float = 0.5) -> Log:
    """`as_shops_send`, in which some records of orders are about a part: of one line, of all, of too much, of none."""
    log = as_shops_send(seed)
    ordered: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in log[ORDERS]:
        event = msgspec.json.decode(record.value or b"")
        ordered.setdefault((event["room_id"], event["order_id"]), event.get("lines") or [])
    for place, record in enumerate(log[ORDERS]):
        event = msgspec.json.decode(record.value or b"")
        random = Random(f"parts {seed} {event['event_id']}")  # the same when it is sent again
        lines = ordered[event["room_id"], event["order_id"]]
        if not lines or random.random() > share:
            continue
        event["status"] = random.choice(["cancelled", "refunded"])
        event["part_id"] = f"p{random.randrange(4)}"
        event["restock"] = random.choice([None, None, False, True])
        event["part_lines"] = [
            {**line, "quantity": random.randrange(line["quantity"] + 1), "amount_minor": random.randrange(4_000)}
            for line in random.sample(lines, random.randrange(1, len(lines) + 1))
        ]
        if random.random() < 0.1:
            event["part_lines"].append({"sku_id": "k-unknown", "sale_id": "s0", "quantity": 2, "amount_minor": 1})
        if random.random() < 0.4:
            event.pop("lines", None)
        log[ORDERS][place] = record._replace(value=msgspec.json.encode(event))
    return log


@pytest.mark.parametrize("rules", [SHORT, FEW], ids=["all-parts", "few-parts"])
@pytest.mark.parametrize("seed", range(4))
def test_the_fold_is_the_recount(seed: int, rules: Rules) -> None:
    log = with_parts(seed)
    expected = expected_of(log, rules)
    assert all_figures(fold_plainly(slices(log, Random(seed)), END_MS, rules)) == expected
    assert all_figures(fold_merged(log, Random(seed + 1), END_MS, rules)) == expected
    for figures in expected.values():
        assert figures.orders["partly_undone"] > 0
        for sale in figures.sales.values():
            if sale.offered is not None:
                ours = sale.offered + sale.restocked + sale.oversold
                assert ours == (sale.available or 0) + sale.held + sale.sold + sale.gone


@pytest.mark.parametrize("seed", range(4))
def test_restarts_change_nothing(seed: int) -> None:
    random, log = Random(seed), with_parts(seed)
    straight, fold, saved = new_fold(FEW), new_fold(FEW), Saved()
    in_order = sorted(
        ((topic, record) for topic, records in enumerate(log) for record in records), key=lambda each: each[1].timestamp
    )
    for topic, record in in_order:
        for each in (straight, fold):
            each.fold(topic, [record])
            each.advance(record.timestamp, "tick")
        if random.random() < 0.08:
            fold = restarted(fold, saved, FEW)
    for each in (straight, fold):
        each.advance(END_MS, "tick")
        for room_id, room in each.rooms.items():
            room.rev = straight.rooms[room_id].rev
    assert {room_id: fold.overlay(room_id) for room_id in fold.rooms} == {
        room_id: straight.overlay(room_id) for room_id in straight.rooms
    }
    assert records_of(fold) == records_of(straight)


@pytest.mark.parametrize("rules", [SHORT, FEW], ids=["all-parts", "few-parts"])
@pytest.mark.parametrize("seed", range(2))
def test_what_orders_come_to_is_a_function_of_the_set_of_what_was_said(seed: int, rules: Rules) -> None:
    """The same records of orders at one moment, in another order, and some of them again."""
    random = Random(seed)
    one_moment = [
        record._replace(
            value=msgspec.json.encode({**msgspec.json.decode(record.value or b""), "event_time_ms": END_MS})
        )
        for record in with_parts(seed)[ORDERS]
    ]
    found = []
    for _ in range(3):
        shuffled = random.sample(one_moment, len(one_moment)) + random.sample(one_moment, 20)
        records = [Rec(record.value, record.key, offset, END_MS) for offset, record in enumerate(shuffled)]
        fold = fold_plainly([(ORDERS, records)], END_MS, rules)
        assert not fold.counters.dead_letters
        found.append({room_id: _told(figures) for room_id, figures in all_figures(fold).items()})
    assert found[0] == found[1] == found[2]


def _told(figures: RoomFigures) -> Any:
    sales = {
        key: (sale.held, sale.sold, sale.released, sale.gone, sale.suspicions) for key, sale in figures.sales.items()
    }
    return figures.orders, figures.money, figures.rates, sales


@pytest.mark.parametrize("seed", range(2))
def test_claims_follow_from_the_log(seed: int) -> None:
    easy = {"watching_min": 2, "in_carts_min": 1, "bought_min_orders": 1, "stock_left_share_max": 0.6}
    rules = msgspec.structs.replace(FEW, **easy)
    tally = check_recording(recording_of(with_parts(seed, share=0.35)), rules, "live", every_ms=370)
    assert tally.told == []
    assert (tally.of(WRONG), tally.of(NOT_RECOUNTED)) == (0, 0)
    assert tally.of(RIGHT) > 1_000
