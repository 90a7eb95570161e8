"""What is taken for a document, what is not, and what is said of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.contract.sight import State, Unreadable
from stream.serve.documents import MAX_DOCUMENT_BYTES, NOTHING, Document, DocumentSight, read_document
from tests.support.serve import document

ROOM = "room-1"


def encoded(**changes: Any) -> bytes:
    return msgspec.json.encode(document(ROOM, **changes))


def readable(raw: bytes) -> Document:
    found = read_document(ROOM, raw)
    assert isinstance(found, Document), found
    return found


def test_a_document_is_passed_on_byte_for_byte() -> None:
    raw = encoded(epoch=7, rev=12, as_of_ms=1_000, stale_after_ms=2_000, clock={"source": "tick", "lag_ms": 40})
    found = readable(raw)
    assert found.raw is raw
    assert (found.etag, found.as_of_ms, found.stale_after_ms, found.published_ms) == ("7-12", 1_000, 2_000, 1_040)


def test_the_document_of_another_room_is_none_of_this_room() -> None:
    found = read_document("room-2", encoded())
    assert isinstance(found, Unreadable)
    assert "another room" in found.detail


def test_what_a_later_worker_adds_does_not_matter() -> None:
    urgency = document(ROOM)["urgency"] | {"level": "feverish", "new": 1}
    assert readable(encoded(urgency=urgency, extra={"a": [1]})).summary(0).level == "feverish"


@pytest.mark.parametrize(
    "missing", ["rev", "epoch", "as_of_ms", "stale_after_ms", "totals", "sales", "urgency", "claims"]
)
def test_a_document_that_lacks_what_is_relied_on_is_none(missing: str) -> None:
    made = document(ROOM)
    del made[missing]
    assert isinstance(read_document(ROOM, msgspec.json.encode(made)), Unreadable)


def test_bytes_that_a_browser_could_not_read_make_it_unreadable_wherever_they_stand() -> None:
    raw = encoded(feed=[{"who": "MARK"}])
    assert isinstance(read_document(ROOM, raw.replace(b"MARK", b"\xff")), Unreadable)


def test_line_breaks_would_end_an_event_so_they_go() -> None:
    made = document(ROOM, feed=[{"who": "a\nb"}])
    pretty = msgspec.json.format(msgspec.json.encode(made), indent=2).replace(b"\n", b"\r\n")
    found = readable(pretty)
    assert b"\n" not in found.raw
    assert b"\r" not in found.raw
    assert msgspec.json.decode(found.raw) == made


def test_a_bare_line_break_inside_a_string_is_no_json() -> None:
    raw = encoded(feed=[{"who": "MARK"}]).replace(b"MARK", b"x\n\ndata: evil\n\n")
    assert isinstance(read_document(ROOM, raw), Unreadable)


def test_what_is_far_too_long_is_not_looked_at() -> None:
    found = read_document(ROOM, b" " * (MAX_DOCUMENT_BYTES + 1))
    assert isinstance(found, Unreadable)
    assert "bytes" in found.detail


def test_the_reason_is_short_and_does_not_repeat_the_document() -> None:
    found = read_document(ROOM, encoded(schema="x" * 10_000))
    assert isinstance(found, Unreadable)
    assert len(found.detail) < 200


@given(st.one_of(st.binary(max_size=300), st.recursive(st.none() | st.text(), st.lists).map(msgspec.json.encode)))
def test_any_bytes_have_an_answer(raw: bytes) -> None:
    assert isinstance(read_document(ROOM, raw), Unreadable)


@given(at=st.integers(0, 100_000), put=st.binary(min_size=1, max_size=3))
def test_a_document_with_a_few_bytes_changed_has_an_answer_of_one_line(at: int, put: bytes) -> None:
    raw = encoded()
    at %= len(raw)
    found = read_document(ROOM, raw[:at] + put + raw[at + len(put) :])
    if isinstance(found, Document):
        assert b"\n" not in found.raw
        found.raw.decode()


def test_deep_nesting_has_an_answer() -> None:
    deep = b"[" * 200_000 + b"]" * 200_000
    assert isinstance(read_document(ROOM, b'{"new":' + deep + b"," + encoded()[1:]), Unreadable)


def test_a_document_is_live_up_to_its_bound_and_stale_after_it() -> None:
    sight = DocumentSight(read_document(ROOM, encoded(stale_after_ms=1_000)))
    assert sight.state(1_000) is State.LIVE
    assert sight.state(1_001) is State.STALE
    assert NOTHING.state(0) is State.MISSING
    assert DocumentSight(Unreadable("x")).state(0) is State.UNREADABLE
    assert DocumentSight(Unreadable("x")).document is None


def test_a_summary_has_the_figures_of_the_document() -> None:
    made = document(ROOM, stale_after_ms=1_000)
    made["sales"][0]["oversold"], made["sales"][1]["oversold"] = 2, 3
    summary = readable(msgspec.json.encode(made)).summary(1_001)
    totals = made["totals"]
    assert summary.state is State.STALE
    assert (summary.oversold, summary.sales) == (5, len(made["sales"]))
    assert (summary.claims, summary.withheld) == (len(made["claims"]), len(made["withheld"]))
    assert (summary.viewers, summary.watching_now) == (totals["viewers"]["value"], totals["watching_now"])
    assert (summary.orders_placed, summary.orders_paid) == (totals["orders"]["placed"], totals["orders"]["paid"])
    assert (summary.level, summary.level_since_ms) == (made["urgency"]["level"], made["urgency"]["since_ms"])
