"""Every claim of random rooms follows from the log, as code has it that shares nothing with what publishes them."""

from __future__ import annotations

import pytest
from msgspec import structs

from stream.core.rules import Rules
from stream.settings import load_settings
from tests.support.order_laws import claims_follow
from tests.support.rooms import random_log


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("edition", [1, 2])
def test_every_claim_of_a_random_room_follows_from_its_log(seed: int, *, words: bool, edition: int) -> None:
    rules = load_settings().rules() if edition > 1 else Rules()
    # So few are enough that rooms of thirty people say something; and holds run out.
    rules = structs.replace(rules, watching_min=2, in_carts_min=1, bought_min_orders=1, stock_left_share_max=0.6)
    rules = structs.replace(rules, signals_edition=edition, hold_ms=20_000)
    log = random_log(seed, events=700, duration_ms=300_000, words=words)
    claims_follow(log, rules)
