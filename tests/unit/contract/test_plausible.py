"""Times of a sale that cannot be are refused, with advice; whatever a shop may mean is taken."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from stream.contract.decode import DeadLetter, Decoder, Limits
from stream.contract.events import MAX_SAFE_INTEGER, MAX_SALE_AWAY_MS, TOPIC_NAMES
from stream.contract.refusal import Reason

NOW_MS = 1_795_780_000_000
OPENED: dict[str, Any] = {"offered": 10, "sku_id": "k1", "starts_at_ms": NOW_MS, "ends_at_ms": NOW_MS + 60_000}


def answer(kind: str, edition: int = 2, **fields: Any) -> object:
    event = {"type": kind, "event_id": "e1", "room_id": "r1", "event_time_ms": NOW_MS, "sale_id": "s1", **fields}
    decoder = Decoder(TOPIC_NAMES.index("sales"), Limits(edition=edition))
    value = msgspec.json.encode(event)
    found = decoder.decode(value, b"r1", NOW_MS)
    together = decoder.decode_all([_Record(value)])
    assert (together is None) == isinstance(found, DeadLetter)  # many at once: no more, no less
    return found


class _Record:
    key, offset, timestamp, headers = b"r1", 0, NOW_MS, ()

    def __init__(self, value: bytes) -> None:
        self.value = value


@pytest.mark.parametrize("ends_at_ms", [NOW_MS, NOW_MS + 1, NOW_MS + MAX_SALE_AWAY_MS, None])
def test_an_end_that_a_shop_may_mean_is_taken(ends_at_ms: int | None) -> None:
    assert not isinstance(answer("sale_opened", **OPENED | {"ends_at_ms": ends_at_ms}), DeadLetter)


@pytest.mark.parametrize(
    ("field", "value", "advice"),
    [
        ("ends_at_ms", NOW_MS // 1_000 + 60, "looks like seconds: send milliseconds"),
        ("starts_at_ms", NOW_MS // 1_000, "looks like seconds: send milliseconds"),
        ("restock_planned_at_ms", NOW_MS // 1_000 + 30, "looks like seconds: send milliseconds"),
        ("ends_at_ms", NOW_MS * 1_000, "looks like microseconds: send milliseconds"),
        ("ends_at_ms", 0, "is 0, which is 1970: leave the field out"),
        ("ends_at_ms", MAX_SAFE_INTEGER, "days from event_time_ms, the most is 3653: leave it out"),
        ("ends_at_ms", 253_402_300_799_000, "days from event_time_ms"),  # the last second of 9999
        ("ends_at_ms", NOW_MS + MAX_SALE_AWAY_MS + 1, "days from event_time_ms"),
        ("starts_at_ms", 0, "is 0, which is 1970"),
        ("ends_at_ms", NOW_MS - 1, "ends_at_ms is 1 ms before starts_at_ms"),
    ],
)
def test_a_time_that_cannot_be_is_refused_with_advice(field: str, value: int, advice: str) -> None:
    refused = answer("sale_opened", **OPENED | {field: value})
    assert isinstance(refused, DeadLetter)
    assert (refused.reason, refused.pointer) == (Reason.IMPOSSIBLE_TIME, f"/{field}")
    assert advice in refused.detail


def test_the_other_events_of_a_sale_are_held_to_it_too() -> None:
    for kind, fields in (
        ("sale_extended", {"ends_at_ms": NOW_MS // 1_000}),
        ("sale_restocked", {"sku_id": "k1", "quantity": 1, "restock_planned_at_ms": NOW_MS // 1_000}),
    ):
        refused = answer(kind, **fields)
        assert isinstance(refused, DeadLetter)
        assert refused.reason is Reason.IMPOSSIBLE_TIME


def test_what_was_written_under_the_first_edition_is_read_as_it_was_then() -> None:
    assert not isinstance(answer("sale_opened", edition=1, **OPENED | {"ends_at_ms": 0}), DeadLetter)
