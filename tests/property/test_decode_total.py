"""Decode is total, and what it lets in is what the published schemas allow: no more, no less."""

from __future__ import annotations

import json
import os
from typing import Any, cast

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream.contract import examples
from stream.contract.catalogue import BUILT_IN
from stream.contract.decode import DeadLetter, Decoder, Reason
from stream.contract.events import (
    INPUT_TOPICS,
    MAX_AGE_MS,
    MAX_AHEAD_MS,
    MAX_RECORD_BYTES,
    MAX_SAFE_INTEGER,
    TOPIC_NAMES,
    RoomEvent,
)
from stream.contract.refusal import MAX_DETAIL_CHARS
from stream.contract.schema import event_schema
from tests.support.rooms import Rec
from tests.support.schemas import validator

# DECODE_FUZZ=100 looks a hundred times as long: worth it after a change to the decoder or a new msgspec.
THOROUGH = int(os.environ.get("DECODE_FUZZ", "1"))
NOW_MS = examples.NOW_MS
VALIDATORS = {name: validator(event_schema(name)) for name in BUILT_IN.types}
KEY = examples.ROOM.encode()
GOOD = [msgspec.json.encode(record) for record in examples.valid().values()]

TOPICS = st.integers(0, len(TOPIC_NAMES) - 1)
KEYS = st.sampled_from([None, b"", examples.ROOM.encode(), b"a", b"\xff"]) | st.binary(max_size=8)
TIMES = st.sampled_from([-1, 0, NOW_MS, NOW_MS - MAX_AHEAD_MS, NOW_MS + MAX_AGE_MS]) | st.integers(-(2**63), 2**63 - 1)
HEADER_NAMES = [
    "content-type",
    "Content-Type",
    "ce_specversion",
    "ce_id",
    "ce_type",
    "ce_time",
    "CE_ID",
    "dl-reason",
    "",
]
HEADER_VALUES = [b"1.0", b"application/json", b"application/cloudevents+json", b"like", b"snapup.order.v1", b"e-1"]
HEADER_VALUES += [b"2017-10-10T12:00:00.123Z", b"9999-12-31T23:59:59-23:59", b"0001-01-01T00:00:00+23:59", b"\xff", b""]
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(HEADER_NAMES) | st.text(max_size=5),
        st.sampled_from(HEADER_VALUES) | st.binary(max_size=12) | st.none(),
    ),
    max_size=5,
)
# What a broken producer, or a hostile one, would put into the middle of a record.
PIECES = [
    b"[",
    b"]",
    b"{",
    b"}",
    b'"',
    b",",
    b":",
    b"\\",
    rb"\u0000",
    rb"\ud800",
    rb"\udc00",
    rb"\ud83d\ude00",
    b"\xff",
]
PIECES += [b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xc3\xa9", b"\x00", b"\n", b" ", b"null", b"NaN", b"1e999", b"-0", b".0"]
PIECES += [b"9" * 400, b"[" * 70, b'{"":' * 70, b',"type":"like"', b',"x":', b'"count":1.0,', b"\\n", b"\\u000a"]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good record with a few bytes flipped, cut, doubled or put in."""
    value = bytearray(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(value)))
        until = draw(st.integers(at, min(len(value), at + 12)))
        match draw(st.sampled_from(["flip", "cut", "truncate", "insert", "repeat"])):
            case "flip" if at < len(value):
                value[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del value[at:until]
            case "truncate":
                del value[at:]
            case "insert":
                value[at:at] = draw(st.sampled_from(PIECES) | st.binary(max_size=4))
            case _:
                value[at:at] = value[at:until]
    return bytes(value)


def check_answer(value: bytes | None, key: bytes | None, append_time_ms: int, answer: Any, topic_index: int) -> None:
    """What is true of every answer, whatever was asked."""
    if isinstance(answer, DeadLetter):
        assert answer.reason in Reason
        assert answer.detail
        assert len(answer.detail) <= MAX_DETAIL_CHARS
        assert answer.detail.isprintable()
        assert answer.detail.encode()
        assert not answer.pointer or answer.pointer.startswith("/")
        return
    assert isinstance(answer, INPUT_TOPICS[topic_index][1])
    assert value is not None
    assert len(value) <= MAX_RECORD_BYTES
    assert key == answer.room_id.encode()
    assert append_time_ms < 0 or -MAX_AGE_MS <= answer.event_time_ms - append_time_ms <= MAX_AHEAD_MS
    again = msgspec.json.encode(answer)
    assert again.decode()
    VALIDATORS[str(answer.__struct_config__.tag)].validate(json.loads(again))
    assert msgspec.json.decode(again, type=cast("Any", RoomEvent)) == answer


@settings(max_examples=200 * THOROUGH, deadline=None)
@given(TOPICS, st.none() | st.binary(max_size=300), KEYS, TIMES, HEADERS)
def test_any_bytes_have_an_answer(
    topic_index: int, value: bytes | None, key: bytes | None, append_time_ms: int, headers: list[tuple[str, bytes]]
) -> None:
    answer = Decoder(topic_index).decode(value, key, append_time_ms, headers)
    check_answer(value, key, append_time_ms, answer, topic_index)


@settings(max_examples=500 * THOROUGH, deadline=None)
@given(TOPICS, mutated(), KEYS, TIMES, HEADERS)
def test_any_damaged_record_has_an_answer_and_what_is_let_in_fits_its_schema(
    topic_index: int, value: bytes, key: bytes | None, append_time_ms: int, headers: list[tuple[str, bytes]]
) -> None:
    answer = Decoder(topic_index).decode(value, key, append_time_ms, headers)
    check_answer(value, key, append_time_ms, answer, topic_index)


@settings(max_examples=500 * THOROUGH, deadline=None)
@given(mutated())
def test_a_damaged_record_is_let_in_exactly_if_its_schema_allows_it(value: bytes) -> None:
    """On its own topic, under its own key, without a time: then only bytes and schema are asked."""
    record = parsed(value)
    if record is REPEATED:
        return  # a name twice in one object: its values are checked one by one, a schema sees the last only
    topic_index, key = home(record)
    answer = Decoder(topic_index).decode(value, key, -1)
    assert is_outside_the_schema(answer) == (not fits(record)), answer


@settings(max_examples=150 * THOROUGH, deadline=None)
@given(st.lists(st.tuples(mutated(), KEYS, TIMES), max_size=6), TOPICS)
def test_an_answer_does_not_depend_on_what_was_asked_before(
    records: list[tuple[bytes, bytes | None, int]], topic_index: int
) -> None:
    used = Decoder(topic_index)
    for value, key, append_time_ms in [*records, *reversed(records)]:
        fresh = Decoder(topic_index)
        assert used.decode(value, key, append_time_ms) == fresh.decode(value, key, append_time_ms)


@settings(max_examples=300 * THOROUGH, deadline=None)
@given(
    TOPICS,
    st.lists(
        st.tuples(mutated() | st.sampled_from(GOOD), st.just(NOW_MS) | TIMES, HEADERS, st.just(KEY) | KEYS), max_size=3
    ),
    st.booleans(),
)
def test_many_at_once_are_what_each_is_by_itself(
    topic_index: int,
    drawn: list[tuple[bytes, int, list[tuple[str, bytes]], bytes | None]],
    knows_rooms: bool,  # noqa: FBT001 — drawn
) -> None:
    """Among good ones, so that the columns are looked at: whatever it lets through, `decode` lets through the same."""
    decoder = Decoder(topic_index)
    good = [value for value in GOOD if not isinstance(decoder.decode(value, KEY, NOW_MS), DeadLetter)]
    records = [Rec(value, KEY, 0, NOW_MS) for value in good]
    assert decoder.decode_all(records) is not None
    for value, append_time_ms, headers, key in drawn:
        records.insert(len(records) // 2, Rec(value, key, 0, append_time_ms, tuple(headers)))
    answers = [decoder.decode(each.value, each.key, each.timestamp, each.headers) for each in records]
    decoded = (decoder if knows_rooms else Decoder(topic_index)).decode_all(records)
    plain = not any(headers for _, _, headers, _ in drawn) and all(append_ms >= 0 for _, append_ms, _, _ in drawn)
    if decoded is None:
        assert not plain or any(isinstance(answer, DeadLetter) for answer in answers)
    else:
        assert decoded.events == answers


# --- records made from the schemas: near every bound, on either side ------------------------------------------------

IDS = ["", "a", "a\n", "a b", "é", "x" * 64, "x" * 65, "A-z.0_9:"]
TEXTS = ["", "x" * 500, "x" * 501, "\N{FIRE}" * 500, "\N{FIRE}" * 501, "\x00", "CNY", "cny", "CN\n", "paid", "lost"]
NUMBERS = [-1, 0, 1, 2, 10_000, 10_001, 1_000_000_000, 1_000_000_001, 90_000_000_000_000, 90_000_000_000_001]
NUMBERS += [MAX_SAFE_INTEGER, MAX_SAFE_INTEGER + 1, 2**63, 2**64, -(2**63) - 1, 10**30]
ODD: list[Any] = [None, True, False, 1.0, 0.5, 1e300, [], {}, [None], {"": {}}]
ANYTHING = st.sampled_from([*IDS, *TEXTS, *NUMBERS, *ODD])


@st.composite
def near_the_schema(draw: st.DrawFn) -> dict[str, Any]:
    """A full example in which some fields hold something else, or are gone, and unknown ones are added."""
    name = draw(st.sampled_from(list(BUILT_IN.types)))
    record = {"type": name, **msgspec.to_builtins(examples.FULL[name])}
    places = [record, *(line for line in record.get("lines", []))]
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from(places))
        if not place:
            continue
        field = draw(st.sampled_from(sorted(place)))
        if draw(st.booleans()):
            place[field] = draw(ANYTHING)
        else:
            del place[field]
    if draw(st.booleans()):
        record[draw(st.text(st.characters(codec="utf-8"), max_size=5).filter(lambda text: text not in record))] = draw(
            ANYTHING
        )
    return record


@settings(max_examples=500 * THOROUGH, deadline=None)
@given(near_the_schema())
@example({"type": "like", **examples.FULL["like"], "user_id": "a\n"})
@example({"type": "like", **examples.FULL["like"], "count": 1.0})
@example({"type": "order", **examples.FULL["order"], "currency": "CN\n"})
@example({"type": "sale_opened", **examples.FULL["sale_opened"], "ends_at_ms": None})
def test_a_record_is_let_in_exactly_if_its_schema_allows_it(record: dict[str, Any]) -> None:
    value = json.dumps(record).encode()
    topic_index, key = home(record)
    answer = Decoder(topic_index).decode(value, key, -1)
    assert is_outside_the_schema(answer) == (not fits(record)), answer


@settings(max_examples=150 * THOROUGH, deadline=None)
@given(near_the_schema())
def test_in_headers_or_in_the_body_a_field_is_the_same(record: dict[str, Any]) -> None:
    """The answer is that of the plain record; where several fields are wrong, another one may be named."""
    if not isinstance(record.get("type"), str) or not isinstance(record.get("event_id"), str):
        return
    topic_index, key = home(record)
    body = {name: value for name, value in record.items() if name not in {"type", "event_id"}}
    headers = [("ce_specversion", b"1.0"), ("ce_type", record["type"].encode()), ("ce_id", record["event_id"].encode())]
    # Not in escapes, which are long: with the headers' fields in its body a record could be too large.
    plain = Decoder(topic_index).decode(json.dumps(record, ensure_ascii=False).encode(), key, -1)
    answer = Decoder(topic_index).decode(json.dumps(body, ensure_ascii=False).encode(), key, -1, headers)
    if isinstance(plain, DeadLetter):
        assert isinstance(answer, DeadLetter)
        assert answer.reason == plain.reason
    else:
        assert answer == plain


@pytest.mark.parametrize("value", [b'{"count":"x","count":2}', b'{"count":2,"count":"x"}'])
def test_of_a_repeated_name_every_value_must_be_right(value: bytes) -> None:
    like = msgspec.json.encode({"type": "like", **examples.FULL["like"]}).replace(b'"count":12', value[1:-1])
    answer = Decoder(TOPIC_NAMES.index("likes")).decode(like, examples.ROOM.encode(), -1)
    assert isinstance(answer, DeadLetter)
    assert answer.pointer == "/count"


# What is parsed of a record with a name twice in one object, and of bytes that are no JSON text in UTF-8.
REPEATED, BROKEN = object(), object()


def parsed(value: bytes) -> Any:
    """By Python's own parser, with what RFC 8259 and UTF-8 forbid refused."""
    repeated = []

    def pairs(items: list[tuple[str, Any]]) -> Any:
        repeated.append(len(dict(items)) < len(items))
        return dict(items)

    def refuse(_: str) -> Any:
        raise ValueError

    try:
        record = json.loads(value.decode(), object_pairs_hook=pairs, parse_constant=refuse)
        json.dumps(record, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return BROKEN
    return REPEATED if any(repeated) else record


def depth(record: Any) -> int:
    if isinstance(record, dict | list):
        inner = record.values() if isinstance(record, dict) else record
        return 1 + max(map(depth, inner), default=0)
    return 0


def fits(record: Any) -> bool:
    """Whether the schema of its type allows a record; limits beside it are its depth, and whether lines may lack."""
    if not isinstance(record, dict) or not isinstance(record.get("type"), str):
        return False
    lacks_lines = record["type"] == "order" and record.get("status") in ("placed", "paid") and not record.get("lines")
    is_valid = record["type"] in VALIDATORS and VALIDATORS[record["type"]].is_valid(record)
    return is_valid and not lacks_lines and depth(record) <= 64


def is_outside_the_schema(answer: object) -> bool:
    """Whether a record was refused for what a schema can say: it cannot compare one time with another."""
    return isinstance(answer, DeadLetter) and answer.reason is not Reason.IMPOSSIBLE_TIME


def home(record: Any) -> tuple[int, bytes | None]:
    """The topic that a record belongs on, and its key; any, if it says none."""
    if not isinstance(record, dict):
        return 0, None
    kind, room_id = record.get("type"), record.get("room_id")
    known = BUILT_IN.types.get(kind) if isinstance(kind, str) else None
    return TOPIC_NAMES.index(known[0]) if known else 0, room_id.encode() if isinstance(room_id, str) else None
