"""Orders that are edited before they are paid, among everything else that shops send.

The fold is the recount; a restart changes nothing; what orders come to is a function of the set of what was said: the
lines are those of the greatest revision, or of the one that was paid.
"""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from tests.property.test_hold_laws import SHORT, with_holds
from tests.property.test_order_words_laws import expected_of
from tests.property.test_suspicion_laws import END_MS
from tests.support.order_laws import (
    EASY,
    claims_follow,
    holds_are_a_set,
    ledgers_balance,
    orders_are_a_set,
    restarts_change_nothing,
)
from tests.support.rooms import ORDERS, Log, all_figures, fold_merged, fold_plainly, slices

REVISIONS = 4


def with_edits(seed: int) -> Log:
    """`with_holds`, with fewer orders, of which most are edited: also to have nothing of any sale, or at last some."""
    log = with_holds(seed, orders=40)
    for place, record in enumerate(log[ORDERS]):
        event = msgspec.json.decode(record.value or b"")
        if not event.get("lines") or int(event["order_id"][1:]) % 5 == 0:
            continue
        order = f"{seed} {event['room_id']} {event['order_id']}"
        random = Random(f"edits {event['event_id']}")  # the same when it is sent again
        said = order if event["status"] == "paid" else event["event_id"]  # all that say `paid` say what was paid
        revision = Random(f"edits {said}").randrange(REVISIONS)
        if revision or random.random() < 0.5:
            event["revision"] = revision
        if revision:
            event["lines"] = _lines_of(Random(f"lines {order} {revision}"))
        log[ORDERS][place] = record._replace(value=msgspec.json.encode(event))
    return log


def _lines_of(random: Random) -> list[dict[str, object]]:
    return [
        {
            "sku_id": f"k{random.randrange(3)}",
            "quantity": random.randrange(1, 4),
            "amount_minor": random.randrange(9),
            **({"sale_id": f"s{random.randrange(2)}"} if random.random() < 0.7 else {}),
        }
        for _ in range(random.randrange(1, 4))
    ]


@pytest.mark.parametrize("seed", range(4))
def test_the_fold_is_the_recount(seed: int) -> None:
    log = with_edits(seed)
    expected = expected_of(log, SHORT)
    assert all_figures(fold_plainly(slices(log, Random(seed)), END_MS, SHORT)) == expected
    assert all_figures(fold_merged(log, Random(seed + 1), END_MS, SHORT)) == expected
    ledgers_balance(expected)


@pytest.mark.parametrize("seed", range(3))
def test_restarts_change_nothing(seed: int) -> None:
    restarts_change_nothing(with_edits(seed), SHORT, seed, END_MS)


@pytest.mark.parametrize("seed", range(3))
def test_what_orders_come_to_is_a_function_of_the_set_of_what_was_said(seed: int) -> None:
    orders_are_a_set(with_edits(seed), SHORT, seed, END_MS)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_held_is_a_function_of_the_set_of_what_was_said(seed: int) -> None:
    holds_are_a_set(with_edits(seed), SHORT, seed, END_MS + 120_000)


@pytest.mark.parametrize("seed", range(2))
def test_claims_follow_from_the_log(seed: int) -> None:
    claims_follow(with_edits(seed), msgspec.structs.replace(SHORT, **EASY))
