"""Orders as shops send them: shipped, delivered, completed, not paid for, and cancelled without their lines.

The fold is the recount; a restart changes nothing; what orders come to is a function of the set of what was said.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.commands.replay_claims import check_recording
from stream.contract.events import LATER_STATUSES
from stream.verify.claim_check import NOT_RECOUNTED, RIGHT, WRONG
from stream.verify.rulebook import assumptions_of_rules
from tests.property.test_suspicion_laws import END_MS, RULES, Saved, attacked, records_of
from tests.support.rooms import (
    ORDERS,
    Log,
    Rec,
    all_figures,
    fold_merged,
    fold_plainly,
    new_fold,
    recording_of,
    recounted,
    restarted,
    slices,
)

if TYPE_CHECKING:
    from stream.core.rules import Rules
    from stream.verify.figures import RoomFigures

LATER = [each.value for each in LATER_STATUSES]
SHORT = msgspec.structs.replace(RULES, hold_ms=20_000)


def as_shops_send(seed: int) -> Log:
    """`attacked`, with later statuses among the orders, and records that leave out lines and device."""
    log = attacked(seed, events=320)
    for place, record in enumerate(log[ORDERS]):
        event = msgspec.json.decode(record.value or b"")
        random = Random(f"{seed} {event['event_id']}")  # the same when it is sent again
        if random.random() < 0.35:
            event["status"] = random.choice(LATER)
        if event["status"] not in ("placed", "paid") and random.random() < 0.6:
            del event["lines"]
            if random.random() < 0.5:
                event["device_id"] = None
        if event["status"] in ("cancelled", "refunded"):
            event["restock"] = random.choice([None, None, False, True])
        log[ORDERS][place] = record._replace(value=msgspec.json.encode(event))
    return log


def expected_of(log: Log, rules: Rules) -> dict[str, RoomFigures]:
    recount = recounted(log, assumptions_of_rules(msgspec.structs.asdict(rules)))
    return {room_id: recount.room(room_id, END_MS) for room_id in recount.room_ids()}


@pytest.mark.parametrize("rules", [RULES, SHORT], ids=["long-hold", "short-hold"])
@pytest.mark.parametrize("seed", range(8))
def test_the_fold_is_the_recount(seed: int, rules: Rules) -> None:
    log = as_shops_send(seed)
    expected = expected_of(log, rules)
    assert all_figures(fold_plainly(slices(log, Random(seed)), END_MS, rules)) == expected
    assert all_figures(fold_merged(log, Random(seed + 1), END_MS, rules)) == expected
    later = [figures.orders[status] for figures in expected.values() for status in LATER]
    assert min(later) > 0


@pytest.mark.parametrize("seed", range(6))
def test_restarts_change_nothing(seed: int) -> None:
    random, log = Random(seed), as_shops_send(seed)
    straight, fold, saved = new_fold(SHORT), new_fold(SHORT), Saved()
    in_order = sorted(
        ((topic, record) for topic, records in enumerate(log) for record in records), key=lambda each: each[1].timestamp
    )
    for topic, record in in_order:
        for each in (straight, fold):
            each.fold(topic, [record])
            each.advance(record.timestamp, "tick")
        if random.random() < 0.08:
            fold = restarted(fold, saved, SHORT)
    for each in (straight, fold):
        each.advance(END_MS, "tick")
        for room_id, room in each.rooms.items():
            room.rev = straight.rooms[room_id].rev
    assert {room_id: fold.overlay(room_id) for room_id in fold.rooms} == {
        room_id: straight.overlay(room_id) for room_id in straight.rooms
    }
    assert records_of(fold) == records_of(straight)


@pytest.mark.parametrize("seed", range(8))
def test_what_orders_come_to_is_a_function_of_the_set_of_what_was_said(seed: int) -> None:
    """The same records of orders at one moment, in another order, and some of them again."""
    random = Random(seed)
    one_moment = [
        record._replace(
            value=msgspec.json.encode({**msgspec.json.decode(record.value or b""), "event_time_ms": END_MS})
        )
        for record in as_shops_send(seed)[ORDERS]
    ]
    found = []
    for _ in range(3):
        shuffled = random.sample(one_moment, len(one_moment)) + random.sample(one_moment, 20)
        records = [Rec(record.value, record.key, offset, END_MS) for offset, record in enumerate(shuffled)]
        fold = fold_plainly([(ORDERS, records)], END_MS, SHORT)
        assert not fold.counters.dead_letters
        found.append({room_id: _told(figures) for room_id, figures in all_figures(fold).items()})
    assert found[0] == found[1] == found[2]


def _told(figures: RoomFigures) -> Any:
    sales = {
        key: (sale.held, sale.sold, sale.released, sale.gone, sale.suspicions) for key, sale in figures.sales.items()
    }
    return figures.orders, figures.money, figures.rates, sales


@pytest.mark.parametrize("seed", range(3))
def test_claims_follow_from_the_log(seed: int) -> None:
    easy = {"watching_min": 2, "in_carts_min": 1, "bought_min_orders": 1, "stock_left_share_max": 0.6}
    rules = msgspec.structs.replace(SHORT, **easy)
    tally = check_recording(recording_of(as_shops_send(seed)), rules, "live", every_ms=370)
    assert tally.told == []
    assert (tally.of(WRONG), tally.of(NOT_RECOUNTED)) == (0, 0)
    assert tally.of(RIGHT) > 1_000
