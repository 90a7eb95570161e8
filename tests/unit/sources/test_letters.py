"""Dead letters read back: what the worker wrote is understood, whatever lies in the topic is survived."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec
import pytest

from stream.contract.decode import Decoder
from stream.contract.kept import CutBytes
from stream.contract.recording import decode_record
from stream.contract.refusal import DeadLetter, Reason
from stream.core.publishing import Refused
from stream.sources.letters import NO_REASON, RESENT, Judge, Letter, letter_of
from stream.worker.dead_letters import dead_letter

NOW_MS = 1_795_780_000_000
LIKE = {"type": "like", "event_id": "e", "room_id": "r", "event_time_ms": NOW_MS, "user_id": "u", "count": 1}


class Rec(NamedTuple):
    value: bytes | None
    key: bytes | None
    offset: int
    timestamp: int
    headers: tuple[tuple[str, bytes | None], ...] = ()
    partition: int = 0


def refused(value: bytes | None, key: bytes | None = b"r", headers: Any = (), topic: str = "live.likes") -> Letter:
    """Through the worker's own hands."""
    record = Rec(value, key, 17, NOW_MS, headers)
    said = Decoder(1).decode(value, key, NOW_MS, headers)
    letter = said if isinstance(said, DeadLetter) else DeadLetter(Reason.TOO_OLD, "said by a test", None)
    message = dead_letter(Refused(1, 17, record, letter), topic, 3)
    return letter_of(Rec(message.value, message.key, 4, NOW_MS + 5, tuple(message.headers), 3))


def test_a_letter_of_which_we_keep_less_than_it_holds_is_cut_too() -> None:
    headers = (("dl-reason", b"too_large"), ("dl-topic", b"live.likes"), ("dl-partition", b"3"), ("dl-offset", b"17"))
    letter = letter_of(Rec(CutBytes(b"x" * 50, 70), b"r", 4, NOW_MS, headers, 3))
    assert letter.cut == ("50 of 70 bytes of the value",)


def test_a_record_that_nobody_could_read_is_not_sent() -> None:
    headers = (("dl-reason", b"unreadable_record"), ("dl-detail", b"why"), ("dl-topic", b"live.likes"))
    obstacle = Judge("live").obstacle(letter_of(Rec(b"x", b"r", 4, NOW_MS, headers, 3)), NOW_MS)
    assert obstacle is not None
    assert obstacle.why.startswith("could not be read (why)")
    assert not obstacle.refused


def like(**fields: Any) -> bytes:
    return msgspec.json.encode(LIKE | fields)


def test_a_letter_says_why_and_where_from() -> None:
    letter = refused(like(count=0), headers=(("trace", b"\xff\x00"),))
    assert (letter.reason, letter.pointer) == ("schema_violation", "/count")
    assert letter.source == "live.likes/3@17"
    assert (letter.letter_partition, letter.letter_offset, letter.append_time_ms) == (3, 4, NOW_MS)
    assert (letter.headers, letter.cut, letter.resent) == ((("trace", b"\xff\x00"),), (), 0)
    assert letter.room_ids() == {"r"}


@pytest.mark.parametrize("value", [None, b"", b"\xff\xfe\x00", b'{"a":\n1}', b"[[[", "好".encode("gb18030")])
@pytest.mark.parametrize("key", [None, b"", b"\xff"])
def test_values_of_any_bytes_are_kept_and_written_as_a_line_of_a_recording(
    value: bytes | None, key: bytes | None
) -> None:
    letter = refused(value, key, headers=(("h", b"\xff"),))
    told = msgspec.json.decode(letter.as_json())
    again = decode_record(msgspec.json.encode(told["record"]))
    assert (again.value, again.key, again.headers, again.topic) == (value, key, (("h", b"\xff"),), "likes")
    assert (again.partition, again.offset, again.timestamp) == (3, 17, NOW_MS)
    assert told["letter"] == {"partition": 3, "offset": 4, "timestamp_ms": NOW_MS + 5}


def test_what_is_no_letter_is_told_as_such() -> None:
    letter = letter_of(Rec(b"x", None, 0, NOW_MS, (("dl-offset", b"many"), ("dl-partition", "９".encode()))))
    assert (letter.reason, letter.topic, letter.offset, letter.partition) == (NO_REASON, "", -1, -1)
    obstacle = Judge("live").obstacle(letter, NOW_MS)
    assert obstacle is not None
    assert "did not come from one of our topics" in obstacle.why
    assert not obstacle.refused


def test_what_would_be_taken_now_has_nothing_in_its_way() -> None:
    ahead = refused(like(event_time_ms=NOW_MS + 600_000))
    assert ahead.reason == "ahead_of_clock"
    still = Judge("live").obstacle(ahead, NOW_MS)
    assert still is not None
    assert still.refused
    assert "ahead_of_clock" in still.why
    assert Judge("live").obstacle(ahead, NOW_MS + 600_000) is None
    # A topic that keeps the producer's time gives it the same time again.
    assert Judge("live", ["likes"]).obstacle(ahead, NOW_MS + 600_000) is not None


@pytest.mark.parametrize(
    ("letter", "why"),
    [
        (refused(like(count=0)), "would be refused again: schema_violation"),
        (refused(like(), b"other"), "would be refused again: key_mismatch"),
        (refused(None), "would be refused again: "),
        (refused(None, None), "has neither a key nor a value"),
        (refused(like(), topic="dev.likes"), r"did not come from one of our topics \(dev.likes\)"),
        (refused(like(), topic="live.signals"), "did not come from one of our topics"),
    ],
)
def test_why_it_would_be_of_no_use_is_said(letter: Letter, why: str) -> None:
    obstacle = Judge("live").obstacle(letter, NOW_MS)
    assert obstacle is not None
    assert re.match(why, obstacle.why)


def test_a_cut_record_says_where_the_whole_one_is() -> None:
    headers = (("dl-reason", b"too_large"), ("dl-topic", b"live.likes"), ("dl-partition", b"3"), ("dl-offset", b"17"))
    cut = (("dl-value-bytes", b"3000000"), ("dl-headers-left-out", b"2"))
    letter = letter_of(Rec(b"x" * 50, b"r", 4, NOW_MS, headers + cut, 3))
    assert letter.cut == ("50 of 3000000 bytes of the value", "2 headers left out")
    obstacle = Judge("live").obstacle(letter, NOW_MS)
    assert obstacle is not None
    assert "the whole record is at live.likes/3@17" in obstacle.why
    assert not obstacle.refused


def test_a_second_refusal_is_seen_as_one() -> None:
    letter = refused(like(count=0), headers=((RESENT, b"live.dead-letters/3@4"),))
    assert letter.resent == 1
    assert letter.headers == ((RESENT, b"live.dead-letters/3@4"),)
