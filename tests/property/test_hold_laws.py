"""How long orders hold: on delivery, after a deposit, and as their sales say.

The fold is the recount; a restart changes nothing; what is held is a function of the set of what was said and of the
clock, also where a hold had run out by what was known then.
"""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from stream.verify.rulebook import assumptions_of_rules
from tests.property.test_order_words_laws import expected_of
from tests.property.test_part_laws import with_parts
from tests.property.test_suspicion_laws import END_MS, RULES
from tests.support.order_laws import EASY, claims_follow, holds_are_a_set, restarts_change_nothing, stock_of
from tests.support.rooms import ORDERS, SALES, Log, all_figures, fold_merged, fold_plainly, recounted, slices

SHORT = msgspec.structs.replace(RULES, hold_ms=5_000)
# So long after the log holds of days have run out as well, and orders are still known.
DAY_MS = 86_400_000


def with_holds(seed: int, orders: int = 90) -> Log:
    """`with_parts`, with orders that are paid later, said in any of their records, and sales with holds."""
    log = with_parts(seed, 0.3, orders)
    for place, record in enumerate(log[ORDERS]):
        event = msgspec.json.decode(record.value or b"")
        random = Random(f"{seed} holds {event['event_id']}")  # the same when it is sent again
        if int(event["order_id"][1:]) % 3 == 0 and random.random() < 0.6:
            event["payment_terms"] = random.choice(["cash_on_delivery", "deposit"])
        log[ORDERS][place] = record._replace(value=msgspec.json.encode(event))
    for place, record in enumerate(log[SALES]):
        event = msgspec.json.decode(record.value or b"")
        hold_ms = Random(f"{seed} holds {event['event_id']}").choice([None, 1_000, 12_000, 40_000])
        log[SALES][place] = record._replace(value=msgspec.json.encode({**event, "hold_ms": hold_ms}))
    return log


@pytest.mark.parametrize("seed", range(5))
def test_the_fold_is_the_recount(seed: int) -> None:
    log = with_holds(seed)
    expected = expected_of(log, SHORT)
    assert all_figures(fold_plainly(slices(log, Random(seed)), END_MS, SHORT)) == expected
    assert all_figures(fold_merged(log, Random(seed + 1), END_MS, SHORT)) == expected
    assert sum(sale.held for figures in expected.values() for sale in figures.sales.values())


@pytest.mark.parametrize("seed", range(4))
def test_holds_end_before_orders_are_forgotten(seed: int) -> None:
    log, rules = with_holds(seed), msgspec.structs.replace(SHORT, room_idle_ms=30 * DAY_MS)
    recount = recounted(log, assumptions_of_rules(msgspec.structs.asdict(rules)))
    fold = fold_merged(log, Random(seed), END_MS, rules)
    for days in range(1, 4):
        fold.advance(END_MS + days * DAY_MS, "tick")
        expected = {room_id: recount.room(room_id, END_MS + days * DAY_MS) for room_id in recount.room_ids()}
        assert {room: stock_of(each) for room, each in all_figures(fold).items()} == {
            room: stock_of(each) for room, each in expected.items()
        }
    assert not any(sale.held for figures in all_figures(fold).values() for sale in figures.sales.values())


@pytest.mark.parametrize("seed", range(3))
def test_restarts_change_nothing(seed: int) -> None:
    restarts_change_nothing(with_holds(seed), SHORT, seed, END_MS)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_held_is_a_function_of_the_set_of_what_was_said(seed: int) -> None:
    holds_are_a_set(with_holds(seed), SHORT, seed, END_MS + 120_000)


@pytest.mark.parametrize("seed", range(2))
def test_claims_follow_from_the_log(seed: int) -> None:
    claims_follow(with_holds(seed), msgspec.structs.replace(SHORT, **EASY))
