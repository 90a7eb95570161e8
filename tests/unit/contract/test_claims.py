"""The keys of `live.claims`: one for each claim and second, and one for each room and second."""

from __future__ import annotations

import json

from stream.contract.claims import claim_key, room_key_of


def test_a_key_names_room_claim_product_and_second() -> None:
    assert json.loads(claim_key("r1", "stock_left", "s1", "k1", 7)) == ["r1", "stock_left", "s1", "k1", 7]
    assert json.loads(claim_key("r1", "watching_now", None, None, 7)) == ["r1", "watching_now", None, None, 7]
    assert json.loads(room_key_of("r1", 7)) == ["r1", 7]


def test_no_two_claims_share_a_key_whatever_their_names() -> None:
    names = [("r", "a:b", "c"), ("r", "a", "b:c"), ("r:a", "b", "c")]
    assert len({claim_key(room, "stock_left", sale, sku, 1) for room, sale, sku in names}) == len(names)
