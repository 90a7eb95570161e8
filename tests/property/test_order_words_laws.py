"""Orders as shops send them: shipped, delivered, completed, not paid for, and cancelled without their lines.

The fold is the recount; a restart changes nothing; what orders come to is a function of the set of what was said.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.contract.events import LATER_STATUSES
from stream.verify.rulebook import assumptions_of_rules
from tests.property.test_suspicion_laws import END_MS, RULES, attacked
from tests.support.order_laws import EASY, claims_follow, orders_are_a_set, restarts_change_nothing
from tests.support.rooms import (
    ORDERS,
    Log,
    all_figures,
    fold_merged,
    fold_plainly,
    recounted,
    slices,
)

if TYPE_CHECKING:
    from stream.core.rules import Rules
    from stream.verify.figures import RoomFigures

LATER = [each.value for each in LATER_STATUSES]
SHORT = msgspec.structs.replace(RULES, hold_ms=20_000)


def as_shops_send(seed: int, orders: int = 90) -> Log:
    """`attacked`, with later statuses among the orders, and records that leave out lines and device."""
    log = attacked(seed, events=320, orders=orders)
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
    restarts_change_nothing(as_shops_send(seed), SHORT, seed, END_MS)


@pytest.mark.parametrize("seed", range(8))
def test_what_orders_come_to_is_a_function_of_the_set_of_what_was_said(seed: int) -> None:
    orders_are_a_set(as_shops_send(seed), SHORT, seed, END_MS)


@pytest.mark.parametrize("seed", range(3))
def test_claims_follow_from_the_log(seed: int) -> None:
    claims_follow(as_shops_send(seed), msgspec.structs.replace(SHORT, **EASY))
