"""A refused record is kept, whole if it fits, and says why and from where."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

import pytest
from structlog.testing import capture_logs

from stream.contract.kept import KEPT_KEY_BYTES, CutBytes
from stream.contract.refusal import Reason, refuse
from stream.core.publishing import Refused
from stream.core.rules import Rules
from stream.verify.recount import Refusal, digest
from stream.verify.saved import DeadLetters
from stream.worker.dead_letters import KEPT_HEADER_BYTES, dead_letter, tell_noted
from tests.support.events import Log, comment, order
from tests.support.rooms import TOPICS

if TYPE_CHECKING:
    from stream.worker.checkpoint import Message


class Fetched(NamedTuple):
    offset: int = 41
    timestamp: int = 1_700_000_000_123
    key: bytes | None = b"room-1"
    value: bytes | None = b"\xff not json"
    headers: tuple[tuple[str, bytes | None], ...] = (("source", b"shop"), ("empty", None))


def headers_of(record: Fetched, pointer: str | None = None) -> dict[str, bytes | None]:
    refused = Refused(3, record.offset, record, refuse(Reason.NOT_UTF8, "bad byte", pointer))
    message = dead_letter(refused, "live.orders", 7)
    assert (message.key, message.value) == (record.key, record.value)
    return dict(message.headers)


def test_a_dead_letter_is_the_record_with_its_reason_and_its_place() -> None:
    assert headers_of(Fetched(), "/lines/0") == {
        "source": b"shop",
        "empty": None,
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


def test_the_producers_headers_are_kept_up_to_a_bound_and_the_letter_says_how_many_are_not() -> None:
    kept = headers_of(Fetched(headers=(("a", b"1"), ("b", b"x" * KEPT_HEADER_BYTES), ("c", b"2"), ("dl-x", b"3"))))
    assert (kept["a"], kept["c"]) == (b"1", b"2")
    assert "b" not in kept
    assert kept["dl-headers-left-out"] == b"2"


def letter_of(record: Fetched, most_bytes: int) -> Message:
    refused = Refused(3, record.offset, record, refuse(Reason.TOO_LARGE, "large"))
    return dead_letter(refused, "live.orders", 7, most_bytes)


@pytest.mark.parametrize("size", [0, 1_000, 99_000, 100_000, 3_000_000])
@pytest.mark.parametrize("most_bytes", [20_000, 100_000, 1_048_588])
def test_a_letter_fits_its_topic_and_says_what_was_cut(size: int, most_bytes: int) -> None:
    letter = letter_of(Fetched(value=b"x" * size), most_bytes)
    assert letter.value is not None
    assert letter.most_bytes() <= most_bytes - 61  # the head of a batch
    whole = dict(letter.headers).get("dl-value-bytes")
    if whole is None:
        assert len(letter.value) == size
    else:
        assert int(whole) == size > len(letter.value) > most_bytes - 1_000


def test_what_was_cut_before_says_how_long_it_was_at_first() -> None:
    letter = letter_of(Fetched(key=b"k" * 100_000, value=CutBytes(b"x" * 1_000, 3_000_000)), 1_048_588)
    said = dict(letter.headers)
    assert (letter.value, said["dl-value-bytes"]) == (b"x" * 1_000, b"3000000")
    assert (letter.key, said["dl-key-bytes"]) == (b"k" * KEPT_KEY_BYTES, b"100000")


@pytest.mark.parametrize("size", [10, 16 * 1024, 16 * 1024 + 1, 900_000, 3_000_000])
def test_the_recount_knows_a_letter_for_its_record_however_much_was_cut(size: int) -> None:
    record = Fetched(key=b"k" * size, value=bytes(range(256)) * (size // 256 + 1))
    letters, other = DeadLetters(), DeadLetters()
    for found in (letters, other):
        letter = letter_of(record, 200_000)
        found.add(SimpleNamespace(key=letter.key, value=letter.value, headers=letter.headers, partition=7, offset=0))
    letters.expect(Refusal("orders", 7, record.offset, "too_large", digest(record.key, record.value)))
    assert letters.differences({}, {("orders", 7): 100}) == []
    other.expect(Refusal("orders", 7, record.offset, "too_large", digest(record.key, (record.value or b"") + b"x")))
    assert len(other.differences({}, {("orders", 7): 100})) == 2


def test_orders_with_other_lines_are_told_once_with_their_place() -> None:
    log = Log(Rules(contract_edition=2))
    log.add(order("placed", "o1", units=1), order("paid", "o1", units=2))
    with capture_logs() as lines:
        tell_noted(log.fold, TOPICS)
        tell_noted(log.fold, TOPICS)
    (line,) = lines
    assert (line["topic"], line["partition"], line["offset"], line["order"]) == ("live.orders", 3, 1, "o1")


def test_an_event_id_in_two_topics_is_told_with_the_place_of_the_second() -> None:
    log = Log(Rules(contract_edition=2, ids_by_topic=True))
    log.add(order("placed", "o1", event_id="a"), comment(), comment(event_id="a"))
    with capture_logs() as lines:
        tell_noted(log.fold, TOPICS)
    (line,) = lines
    assert (line["topic"], line["partition"], line["offset"], line["event_id"]) == ("live.comments", 3, 1, "a")
