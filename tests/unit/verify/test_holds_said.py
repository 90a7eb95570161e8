from __future__ import annotations

import pytest
from msgspec import structs

from stream.contract.overlay import SIGNALS_EDITION
from stream.verify.assumptions import Assumptions
from stream.verify.room_count import RoomCount
from tests.support.events import at, line, opened, order

HOUR_S = 3_600
RULES = Assumptions(signals_edition=SIGNALS_EDITION, contract_edition=2, remember_orders_ms=6 * HOUR_S * 1_000)


def counted(*events: object, rules: Assumptions = RULES) -> RoomCount:
    room = RoomCount("r1", rules)
    for event in events:
        room.apply(event, event.event_time_ms, rules)  # type: ignore[arg-type, attr-defined]
    return room


def held_at(room: RoomCount, s: float) -> int:
    (sale,) = [sale for key, sale in room.figures(at(s)).sales.items() if key.sku_id == "k1"]
    return sale.held


def test_an_order_on_delivery_is_known_until_long_after_its_hold() -> None:
    room = counted(opened(10), structs.replace(order(units=2), payment_terms="cash_on_delivery"))
    assert (held_at(room, 5 * HOUR_S - 1), held_at(room, 5 * HOUR_S)) == (2, 0)
    room.settle(at(10 * HOUR_S))  # it ran out 5 hours before
    assert room.hold_ms("o1") == 5 * HOUR_S * 1_000
    room.settle(at(13 * HOUR_S))
    assert room.hold_ms("o1") is None


@pytest.mark.parametrize(("said_ms", "held"), [(None, 0), (20_000, 0), (200_000, 2)])
def test_the_longest_of_what_its_sales_say_counts(said_ms: int | None, held: int) -> None:
    other = structs.replace(opened(10, sku="k2"), hold_ms=said_ms)
    both = order(lines=[line(2), line(1, sku="k2")], s=1)
    for events in ([opened(10), other, both], [both, opened(10), other]):
        assert held_at(counted(*events), 100) == held
        assert held_at(counted(*events), 60) == 2


def test_the_first_edition_of_signals_heard_nothing_of_it() -> None:
    first = structs.replace(RULES, signals_edition=1)
    events = [structs.replace(opened(10), hold_ms=200_000), structs.replace(order(units=2), payment_terms="deposit")]
    assert held_at(counted(*events, rules=first), 100) == 0
