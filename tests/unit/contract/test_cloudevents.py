from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent

from stream.contract.cloudevents import plain_structured
from stream.contract.decode import DeadLetter, Decoder
from stream.contract.events import MAX_RECORD_BYTES, TOPIC_NAMES, Like

TIME_MS = 1_700_000_000_123
TIME = "2023-11-14T22:13:20.123Z"
HEADERS = {
    "ce_specversion": b"1.0",
    "ce_id": b"e-1",
    "ce_source": b"/app",
    "ce_type": b"snapup.like.v1",
    "ce_time": TIME.encode(),
}
BODY = {"room_id": "room-1", "user_id": "u-1", "count": 3}
EVENT = Like(event_id="e-1", room_id="room-1", event_time_ms=TIME_MS, user_id="u-1", count=3)


def decoded(
    body: dict[str, Any] | bytes = BODY, headers: dict[str, bytes] | list[tuple[str, bytes]] = HEADERS, **change: bytes
) -> Any:
    value = body if isinstance(body, bytes) else msgspec.json.encode(body)
    pairs = list((headers | change).items()) if isinstance(headers, dict) else headers
    return Decoder(TOPIC_NAMES.index("likes")).decode(value, b"room-1", TIME_MS, pairs)


def said(answer: Any) -> tuple[str, str | None]:
    assert isinstance(answer, DeadLetter)
    return str(answer.reason), answer.pointer


def without(name: str) -> dict[str, bytes]:
    return {key: value for key, value in HEADERS.items() if key != name}


def test_the_headers_of_a_cloud_event_are_its_fields() -> None:
    assert decoded() == EVENT


def test_a_bare_type_will_do() -> None:
    assert decoded(ce_type=b"like") == EVENT


def test_a_body_that_repeats_its_headers_may_not_disagree() -> None:
    full = msgspec.to_builtins(EVENT)
    assert decoded(full) == EVENT
    assert said(decoded({**full, "type": "comment"})) == ("schema_violation", "/type")
    assert said(decoded({**full, "event_id": "e-2"})) == ("schema_violation", "/event_id")
    assert said(decoded({**full, "event_time_ms": TIME_MS + 1})) == ("schema_violation", "/event_time_ms")
    assert said(decoded({**full, "event_id": None})) == ("schema_violation", "/event_id")


@pytest.mark.parametrize(
    ("header", "pointer"), [("ce_id", "/event_id"), ("ce_type", "/type"), ("ce_time", "/event_time_ms")]
)
def test_what_neither_header_nor_body_says_is_missing(header: str, pointer: str) -> None:
    assert said(decoded(headers=without(header))) == ("schema_violation", pointer)
    assert decoded(msgspec.to_builtins(EVENT), without(header)) == EVENT


@pytest.mark.parametrize(
    ("text", "event_time_ms"),
    [
        (b"2023-11-14T22:13:20Z", TIME_MS - 123),
        (b"2023-11-14t22:13:20.123z", TIME_MS),
        (b"2023-11-14T22:13:20.123999999Z", TIME_MS),
        (b"2023-11-14T22:13:20.1Z", TIME_MS - 23),
        (b"2023-11-15T06:13:20.123+08:00", TIME_MS),
        (b"1970-01-01T00:00:00.000-00:00", 0),
        (b"9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ],
)
def test_a_time_is_taken_to_the_millisecond(text: bytes, event_time_ms: int) -> None:
    pairs = list((HEADERS | {"ce_time": text}).items())
    event = Decoder(TOPIC_NAMES.index("likes")).decode(msgspec.json.encode(BODY), b"room-1", -1, pairs)
    assert isinstance(event, Like)
    assert event.event_time_ms == event_time_ms


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"2023-11-14",
        b"2023-11-14T22:13:20",  # whose clock?
        b"2023-11-14 22:13:20Z",
        b"20231114T221320Z",
        b"2023-13-14T22:13:20Z",
        b"2023-11-14T22:13:60Z",
        b"2023-11-14T22:13:20+24:00",
        b"0000-01-01T00:00:00Z",
        b"0001-01-01T00:00:00+14:00",
        b"1969-12-31T23:59:59Z",
        b"1700000000123",
        "２023-11-14T22:13:20Z".encode(),
        b"2023-11-14T22:13:20Z\n",
        b"\xff",
    ],
)
def test_a_time_that_is_no_moment_since_1970_is_refused(text: bytes) -> None:
    assert said(decoded(ce_time=text)) == ("schema_violation", "/event_time_ms")


def test_another_version_of_cloud_events_is_refused() -> None:
    assert said(decoded(ce_specversion=b"0.3")) == ("schema_violation", "")


@pytest.mark.parametrize(
    "name", [b"snapup.like.v2", b"snapup.gift.v1", b"com.example.like", b"snapup..v1", b"", b"\xff"]
)
def test_another_type_is_unknown(name: bytes) -> None:
    assert said(decoded(ce_type=name)) == ("unknown_type", "/type")


def test_an_id_from_a_header_must_be_an_id() -> None:
    assert said(decoded(ce_id=b"a b")) == ("schema_violation", "/event_id")
    assert said(decoded(ce_id=b"")) == ("schema_violation", "/event_id")


@pytest.mark.parametrize(
    "content_type", [b"application/json", b"Application/JSON; charset=UTF-8", b"application/vnd.acme.like+json"]
)
def test_json_by_any_name_is_read(content_type: bytes) -> None:
    assert decoded(headers=HEADERS | {"content-type": content_type}) == EVENT


@pytest.mark.parametrize("content_type", [b"text/plain", b"application/avro", b"application/x-protobuf", b"", b"json"])
def test_another_content_type_is_no_json(content_type: bytes) -> None:
    assert said(decoded(msgspec.to_builtins(EVENT), {"content-type": content_type})) == ("not_json", None)


@pytest.mark.parametrize("content_type", [b"application/cloudevents+json", b"application/cloudevents-batch+json; a=b"])
def test_structured_mode_is_refused_in_words(content_type: bytes) -> None:
    answer = decoded(headers={"Content-Type": content_type})
    assert said(answer) == ("schema_violation", "")
    assert "structured mode" in answer.detail


def test_other_headers_mean_nothing() -> None:
    headers = {"traceparent": b"\xff", "ce_id": b"other", "dl-reason": b"too_old"}
    assert decoded(msgspec.to_builtins(EVENT), headers) == EVENT


def test_of_a_repeated_header_the_last_counts() -> None:
    pairs = [("ce_id", b"first"), *HEADERS.items()]
    assert decoded(headers=pairs) == EVENT


def test_a_header_without_a_value_is_no_header() -> None:
    pairs: list[Any] = [*HEADERS.items(), ("ce_id", None), ("content-type", None)]
    assert decoded(headers=pairs) == EVENT


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", ("not_json", None)),
        (b"[]", ("schema_violation", "")),
        (b"{", ("not_json", None)),
        (b'{"x":"\xff"}', ("not_utf8", None)),
        (b"[" * 65, ("nested_too_deep", None)),
        (b" " * (MAX_RECORD_BYTES + 1), ("too_large", None)),
        (b'{"room_id":"room-1","user_id":"u","count":0}', ("schema_violation", "/count")),
    ],
)
def test_the_body_of_a_cloud_event_is_judged_as_any_other(body: bytes, expected: tuple[str, str | None]) -> None:
    assert said(decoded(body)) == expected


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=8)), timezone(-timedelta(hours=3, minutes=30))])
def test_what_the_cloudevents_package_writes_is_read(zone: timezone) -> None:
    moment = datetime.fromtimestamp(TIME_MS / 1_000, zone)
    attributes = {"id": "e-1", "source": "/app", "type": "snapup.like.v1", "time": moment, "partitionkey": "room-1"}
    sent = kafka.to_binary_event(CloudEvent(attributes | {"datacontenttype": "application/json"}, BODY))
    assert isinstance(sent.key, str)
    decoder = Decoder(TOPIC_NAMES.index("likes"))
    assert decoder.decode(sent.value, sent.key.encode(), TIME_MS, list(sent.headers.items())) == EVENT
    structured = kafka.to_structured_event(CloudEvent(attributes, BODY))
    answer = decoder.decode(structured.value, b"room-1", TIME_MS, list(structured.headers.items()))
    assert said(answer) == ("schema_violation", "")


def test_the_cloudevents_package_reads_the_same_from_our_headers() -> None:
    theirs = kafka.from_binary_event(kafka.KafkaMessage(HEADERS, b"room-1", msgspec.json.encode(BODY)))
    assert theirs.get_id() == EVENT.event_id
    assert theirs.get_type() == "snapup.like.v1"
    assert theirs.get_time() == datetime.fromtimestamp(TIME_MS / 1_000, UTC)


# -- structured mode, as the HTTP gateway reads it ---------------------------------------------------------------------
ENVELOPE = {"specversion": "1.0", "id": "e-1", "source": "/app", "type": "snapup.like.v1", "time": TIME, "data": BODY}


def structured(**changes: Any) -> Any:
    made = {name: value for name, value in (ENVELOPE | changes).items() if value is not ...}
    return plain_structured(msgspec.json.encode(made))


def test_an_envelope_is_the_record_that_its_parts_make() -> None:
    event = Decoder(TOPIC_NAMES.index("likes")).decode(structured(subject="x", extra=3), b"room-1", TIME_MS)
    assert event == EVENT
    data = base64.b64encode(msgspec.json.encode(BODY)).decode()
    assert structured(data=..., data_base64=data) == structured()
    assert structured(datacontenttype="application/vnd.shop+json") == structured()
    assert structured(time=..., data=BODY | {"event_time_ms": TIME_MS}) is not None


@pytest.mark.parametrize(
    ("changes", "reason", "pointer"),
    [
        ({"specversion": ...}, "schema_violation", "/specversion"),
        ({"specversion": "0.3"}, "schema_violation", "/specversion"),
        ({"source": ...}, "schema_violation", "/source"),
        ({"data": ...}, "schema_violation", "/data"),
        ({"data": ..., "data_base64": "!"}, "schema_violation", "/data_base64"),
        ({"data": ..., "data_base64": "/w=="}, "not_utf8", None),
        ({"data": "x"}, "schema_violation", ""),
        ({"data": BODY | {"event_id": "e-2"}}, "schema_violation", "/event_id"),
        ({"datacontenttype": "text/xml"}, "not_json", None),
        ({"time": "2023-11-14"}, "schema_violation", "/event_time_ms"),
        ({"data": {"x": "a" * 40_000}}, "too_large", None),
    ],
)
def test_a_wrong_envelope_is_refused(changes: dict[str, Any], reason: str, pointer: str | None) -> None:
    found = structured(**changes)
    assert isinstance(found, DeadLetter)
    assert (found.reason, found.pointer) == (reason, pointer)


@pytest.mark.parametrize(("raw", "reason"), [(b"\xff", "not_utf8"), (b"{", "not_json"), (b"[" * 99, "nested_too_deep")])
def test_bytes_that_are_no_envelope_have_a_reason(raw: bytes, reason: str) -> None:
    found = plain_structured(raw)
    assert isinstance(found, DeadLetter)
    assert found.reason == reason
