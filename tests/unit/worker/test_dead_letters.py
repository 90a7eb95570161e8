"""A refused record is kept whole, and says why and from where."""

from __future__ import annotations

from typing import NamedTuple

from stream.contract.refusal import Reason, refuse
from stream.core.partition import Refused
from stream.worker.dead_letters import KEPT_HEADER_BYTES, dead_letter


class Fetched(NamedTuple):
    offset: int = 41
    timestamp: int = 1_700_000_000_123
    key: bytes | None = b"room-1"
    value: bytes | None = b"\xff not json"
    headers: tuple[tuple[str, bytes | None], ...] = (("source", b"shop"), ("empty", None))


def headers_of(record: Fetched, pointer: str | None = None) -> dict[str, bytes]:
    refused = Refused(3, record.offset, record, refuse(Reason.NOT_UTF8, "bad byte", pointer))  # type: ignore[arg-type]
    message = dead_letter(refused, "live.orders", 7)
    assert (message.key, message.value) == (record.key, record.value)
    return dict(message.headers)


def test_a_dead_letter_is_the_record_with_its_reason_and_its_place() -> None:
    assert headers_of(Fetched(), "/lines/0") == {
        "source": b"shop",
        "empty": b"",
        "dl-reason": b"not_utf8",
        "dl-detail": b"bad byte",
        "dl-pointer": b"/lines/0",
        "dl-topic": b"live.orders",
        "dl-partition": b"7",
        "dl-offset": b"41",
        "dl-append-time-ms": b"1700000000123",
    }


def test_without_a_pointer_there_is_no_such_header() -> None:
    assert "dl-pointer" not in headers_of(Fetched())


def test_a_producer_cannot_pretend_to_be_the_dead_letter_queue() -> None:
    assert headers_of(Fetched(headers=(("dl-topic", b"live.sales"),)))["dl-topic"] == b"live.orders"


def test_the_producers_headers_are_kept_up_to_a_bound() -> None:
    kept = headers_of(Fetched(headers=(("a", b"1"), ("b", b"x" * KEPT_HEADER_BYTES), ("c", b"2"))))
    assert kept["a"] == b"1"
    assert "b" not in kept
    assert "c" not in kept
