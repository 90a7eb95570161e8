from __future__ import annotations

import pytest

from stream.core.cart_people import FEW_LEDGERS
from stream.core.rules import Rules
from tests.support.events import Log, cart, cart_removed, enter, leave

FIRST, SECOND = Rules(contract_edition=2), Rules(contract_edition=2, signals_edition=2)


def waiting(log: Log, place: int) -> int:
    carts = [*log.fold.rooms["r1"].ledgers.values()][place].carts
    assert carts is not None
    return carts.total


@pytest.mark.parametrize("skus", [FEW_LEDGERS, FEW_LEDGERS + 1])
def test_of_many_skus_as_of_few_it_is_known_who_carted_which(skus: int) -> None:
    log = Log(SECOND)
    log.add(*(cart(user, sku=f"k{number}", s=number) for number in range(skus) for user in ("u1", "u2")))
    log.add(leave("u1", s=20))
    assert [waiting(log, place) for place in range(skus)] == [1] * skus
    log.add(cart_removed("u2", None, "k3", s=21))
    assert [waiting(log, place) for place in range(skus)] == [0 if place == 3 else 1 for place in range(skus)]
    log.add(enter("u1", s=22))
    assert [waiting(log, place) for place in range(skus)] == [1 if place == 3 else 2 for place in range(skus)]
