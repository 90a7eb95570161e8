"""Parts of orders, cancelled or refunded by themselves, among everything else that shops send.

The fold is the recount; a restart changes nothing; what orders come to is a function of the set of what was said.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.property.test_order_words_laws import SHORT, as_shops_send, expected_of
from tests.property.test_suspicion_laws import END_MS
from tests.support.order_laws import EASY, claims_follow, ledgers_balance, orders_are_a_set, restarts_change_nothing
from tests.support.rooms import (
    ORDERS,
    Log,
    all_figures,
    fold_merged,
    fold_plainly,
    slices,
)

if TYPE_CHECKING:
    from stream.core.rules import Rules

# So few that some orders have more.
FEW = msgspec.structs.replace(SHORT, order_parts_max=2)


def with_parts(seed: int, share: float = 0.5, orders: int = 90) -> Log:
    """`as_shops_send`, in which some records of orders are about a part: of one line, of all, of too much, of none."""
    log = as_shops_send(seed, orders)
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
    ledgers_balance(expected)


@pytest.mark.parametrize("seed", range(4))
def test_restarts_change_nothing(seed: int) -> None:
    restarts_change_nothing(with_parts(seed), FEW, seed, END_MS)


@pytest.mark.parametrize("rules", [SHORT, FEW], ids=["all-parts", "few-parts"])
@pytest.mark.parametrize("seed", range(2))
def test_what_orders_come_to_is_a_function_of_the_set_of_what_was_said(seed: int, rules: Rules) -> None:
    orders_are_a_set(with_parts(seed), rules, seed, END_MS)


@pytest.mark.parametrize("seed", range(2))
def test_claims_follow_from_the_log(seed: int) -> None:
    claims_follow(with_parts(seed, share=0.35), msgspec.structs.replace(FEW, **EASY))
