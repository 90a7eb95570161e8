"""How near the bounds are, and what is said when one is reached."""

from __future__ import annotations

import msgspec
import pytest

from stream.contract.overlay import Overlay
from stream.core.bounds import BOUNDS
from stream.core.rules import Rules
from tests.support.events import Log, at, like, opened, order
from tests.support.rooms import T0_MS


def test_each_bound_says_how_much_of_it_is_used() -> None:
    rules = Rules(sales_per_room_max=4, remember_orders_max=10, remember_ids_max=20, rooms_max=8)
    log = Log(rules)
    assert log.fold.bounds_used() == dict.fromkeys(BOUNDS, 0)
    log.add(opened(), opened(sku="k2"), order(), like(room="r2"), like(room="r2"))
    assert log.fold.bounds_used() == {"sales": 0.5, "orders": 0.1, "event_ids": 0.5, "rooms": 0.25}


@pytest.mark.parametrize(("edition", "said"), [(2, 20), (1, None)])
def test_the_sale_for_which_there_is_no_place_is_said_in_the_document(edition: int, said: int | None) -> None:
    log = Log(Rules(contract_edition=edition))
    log.add(*(opened(sku=f"k{number}") for number in range(500)))
    log.tick(1)
    (before,) = log.fold.publish(at(1), 1)
    log.add(*(opened(sku=f"k{number}", s=2) for number in range(500, 520)))
    log.tick(3)
    (after,) = log.fold.publish(at(3), 1)
    assert b"sales_refused" not in before.document
    overlay = msgspec.json.decode(after.document, type=Overlay)
    assert (len(overlay.sales), overlay.sales_refused) == (500, said)
    assert overlay.as_of_ms == T0_MS + 3_000
    assert log.fold.shared.sales_refused == 20
    assert log.fold.bounds_used()["sales"] == 1
