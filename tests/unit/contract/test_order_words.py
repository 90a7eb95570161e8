from __future__ import annotations

from typing import Any

import msgspec
import pytest

from stream.contract.decode import Decoder, Limits
from stream.contract.events import LATER_STATUSES, NEED_LINES, TOPIC_NAMES, Order, OrderStatus
from stream.contract.examples import full_record
from stream.contract.order_words import is_odd, odd_order
from stream.contract.refusal import DeadLetter
from tests.support.rooms import Rec

FULL = full_record("order")
LATER = [each.value for each in LATER_STATUSES]
ORDERS = TOPIC_NAMES.index("orders")


def read(edition: int, *left_out: str, **changes: Any) -> Order | DeadLetter:
    """The record by both ways of decoding, which agree."""
    record = {name: value for name, value in {**FULL, **changes}.items() if name not in left_out}
    value, key, at_ms = msgspec.json.encode(record), record["room_id"].encode(), record["event_time_ms"]
    decoder = Decoder(ORDERS, Limits(signals_edition=edition))
    event = decoder.decode(value, key, at_ms)
    together = decoder.decode_all([Rec(value, key, 0, at_ms)])
    assert (together is None) == isinstance(event, DeadLetter)
    assert isinstance(event, Order | DeadLetter)
    if isinstance(event, Order):
        second = edition == 2
        assert odd_order(event, value, second_signals=second) is None
        assert not is_odd(event, second_signals=second)
    return event


def told(answer: Order | DeadLetter) -> tuple[str, str | None, str]:
    assert isinstance(answer, DeadLetter)
    return answer.reason.value, answer.pointer, answer.detail


@pytest.mark.parametrize("status", LATER)
def test_a_later_status_is_known_to_the_second_edition_and_refused_by_the_first_in_its_words(status: str) -> None:
    event = read(2, status=status)
    assert isinstance(event, Order)
    assert event.status is OrderStatus(status)
    expected = ("schema_violation", "/status", f"Invalid enum value '{status}'")
    assert told(read(1, status=status)) == expected
    assert told(read(1, "lines", status=status)) == expected


@pytest.mark.parametrize("status", [each.value for each in OrderStatus])
def test_only_placed_and_paid_need_lines(status: str) -> None:
    answer = read(2, "lines", status=status)
    if OrderStatus(status) in NEED_LINES:
        assert told(answer) == ("schema_violation", "/lines", "Object missing required field `lines`")
    else:
        assert isinstance(answer, Order)
        assert answer.lines == ()


@pytest.mark.parametrize("status", ["placed", "paid", "cancelled", "refunded"])
def test_the_first_edition_takes_no_order_without_lines(status: str) -> None:
    assert told(read(1, "lines", status=status)) == (
        "schema_violation",
        "/lines",
        "Object missing required field `lines`",
    )
    assert isinstance(read(1, status=status), Order)


def test_lines_that_are_said_to_be_none_are_left_out() -> None:
    event = read(2, lines=[], status="cancelled")
    assert isinstance(event, Order)
    assert event.lines == ()
    refused = ("schema_violation", "/lines", "Expected `array` of length >= 1")
    assert told(read(2, lines=[], status="paid")) == refused
    assert told(read(1, lines=[], status="paid")) == refused
    assert told(read(1, lines=[], status="cancelled")) == refused


# -- parts ------------------------------------------------------------------------------------------------------------
PART = {"part_id": "p1", "part_lines": [{"sku_id": "sku-881", "quantity": 0, "amount_minor": 5}]}


@pytest.mark.parametrize("status", [each.value for each in OrderStatus])
def test_only_a_cancel_or_refund_may_be_about_a_part(status: str) -> None:
    answer = read(2, "lines", status=status, **PART)
    if status in ("cancelled", "refunded"):
        assert isinstance(answer, Order)
        assert (answer.part_id, answer.part_lines[0].quantity, answer.part_lines[0].sale_id) == ("p1", 0, None)
    else:
        assert told(answer) == (
            "schema_violation",
            "/status",
            f"a part of an order is cancelled or refunded, and this is {status}",
        )


@pytest.mark.parametrize(
    ("left_out", "pointer", "detail"),
    [
        ("part_id", "/part_id", "Object missing required field `part_id`"),
        ("part_lines", "/part_lines", "Expected `array` of length >= 1"),
    ],
)
def test_a_part_needs_its_id_and_its_lines(left_out: str, pointer: str, detail: str) -> None:
    assert told(read(2, left_out, status="refunded", **PART)) == ("schema_violation", pointer, detail)


def test_the_first_edition_does_not_ask_for_parts() -> None:
    answer = read(1, "part_lines", status="paid", **PART)
    assert isinstance(answer, Order)


def test_an_order_without_a_part_is_written_without_the_fields_of_one() -> None:
    event = read(2)
    assert b"part" not in msgspec.json.encode(event)
