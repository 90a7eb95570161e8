"""Packed records are a sequence like any other, and their columns say what the events say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from stream.contract.decode import Decoder
from stream.contract.events import MAX_RECORD_BYTES, TOPIC_NAMES, Like
from stream.core.batch import Apart, Batch, ColumnBatch
from stream.core.time import effective_time_ms
from stream.kernel.packed import PackedRecords, Packer
from stream.records.batch import ReadRecord
from tests.support.kernels import kernel

NOW_MS = 1_700_000_000_000
LATENESS_MS = 60_000
LIKES, CARTS, COMMENTS, VISITS = (TOPIC_NAMES.index(name) for name in ("likes", "cart-adds", "comments", "visits"))


def record(value: Any, *, offset: int = 0, key: bytes | None = b"r1", at_ms: int = NOW_MS) -> ReadRecord:
    raw = value if isinstance(value, bytes | None) else msgspec.json.encode(value)
    return ReadRecord(offset, at_ms, key, raw, (), 0)


def like(number: int, room: str = "r1", at_ms: int = NOW_MS, **fields: Any) -> ReadRecord:
    event = {"type": "like", "event_id": f"e{number}", "room_id": room, "event_time_ms": at_ms, "user_id": "u1"}
    return record(event | {"count": 1 + number} | fields, offset=number, key=room.encode())


def pack(*records: ReadRecord) -> PackedRecords:
    packed = PackedRecords.of(kernel(), records)
    assert packed is not None
    return packed


def taken(topic: int, *records: ReadRecord) -> bool:
    return Decoder(topic).in_columns(pack(*records), LATENESS_MS) is not None


def test_they_are_the_records_that_were_packed() -> None:
    records = [like(number, f"r{number % 3}") for number in range(10)]
    packed = pack(*records)
    assert list(packed) == records
    assert [packed[place] for place in range(-10, 10)] == records + records
    assert list(packed[3:7]) == list(packed[2:][1:5]) == records[3:7]
    assert list(packed[::2]) == records[::2]
    assert [len(packed[7:]), len(packed[7:3]), len(packed)] == [3, 0, 10]
    with pytest.raises(IndexError):
        packed[10]


def test_pieces_joined_are_one_and_hold_only_their_own_text() -> None:
    records = [like(number) for number in range(100)]
    whole = pack(*records)
    packer = Packer(kernel())
    joined = packer.join([whole[90:], pack(*records[:5]), whole[10:20]])
    assert joined is not None
    assert list(joined) == records[90:] + records[:5] + records[10:20]
    assert len(joined._text) == sum(len(each.value or b"") + len(each.key or b"") for each in joined)
    assert packer.join([whole, records]) is None
    assert packer.join([whole]) is whole


@pytest.mark.parametrize("odd", [{"key": None}, {"value": None}, {"headers": (("a", b"b"),)}, {"timestamp": -1}])
def test_what_is_unusual_is_not_packed(odd: dict[str, Any]) -> None:
    assert PackedRecords.of(kernel(), [like(1), like(2)._replace(**odd)]) is None


def test_columns_are_room_by_room_in_the_order_of_the_log() -> None:
    late, early = NOW_MS - LATENESS_MS - 5, NOW_MS + 7
    records = [like(0, "b"), like(1, "a", late), like(2, "b", early), like(3, "a")]
    columns = Decoder(LIKES).in_columns(pack(*records), LATENESS_MS)
    assert columns is not None
    b, a = columns.rooms
    assert [(part.room_id, part.first_place, part.retimed) for part in (b, a)] == [("b", 0, 1), ("a", 1, 1)]
    assert [columns.places(part) for part in (b, a)] == [[0, 2], [1, 3]]
    assert [columns.column(part, "event_id") for part in (b, a)] == [["e0", "e2"], ["e1", "e3"]]
    assert [columns.column(part, "count") for part in (b, a)] == [[1, 3], [2, 4]]
    assert [columns.at_ms(part) for part in (b, a)] == [[NOW_MS, NOW_MS], [NOW_MS - LATENESS_MS, NOW_MS]]
    assert [columns.column(part, "event_time_ms") for part in (b, a)] == [[NOW_MS, early], [late, NOW_MS]]


def test_a_few_odd_records_are_in_no_column_and_many_leave_none() -> None:
    records = [like(number, f"r{number % 2}") for number in range(40)]
    for number in (3, 4, 17):
        records[number] = records[number]._replace(value=(records[number].value or b"").replace(b"e", b"\\u0065", 1))
    records[39] = record(b"{", offset=39)
    columns = Decoder(LIKES).in_columns(pack(*records), LATENESS_MS)
    assert columns is not None
    assert columns.odd == [3, 4, 17, 39]
    places = sorted(place for part in columns.rooms for place in columns.places(part))
    assert places == [place for place in range(40) if place not in columns.odd]
    assert [columns.column(part, "event_id")[-1] for part in columns.rooms] == ["e38", "e37"]
    records[20:22] = records[3:5]
    assert Decoder(LIKES).in_columns(pack(*records), LATENESS_MS) is None


@pytest.mark.parametrize("apart", [(0,), (3,), (5,), (0, 1, 4, 5)])
def test_events_apart_take_their_places_among_columns(apart: tuple[int, ...]) -> None:
    """A batch of columns and events says what a batch of events says."""
    decoder = Decoder(LIKES)
    times = [NOW_MS + number - 5_000 * (number == 3) for number in range(6)]
    records = [like(number, at_ms=at_ms)._replace(timestamp=NOW_MS) for number, at_ms in enumerate(times)]
    events: list[Any] = [decoder.event_in_columns(each.value or b"") for each in records]
    at_ms = [effective_time_ms(each, NOW_MS, LATENESS_MS) for each in times]
    usual = [place for place in range(6) if place not in apart]
    columns = decoder.in_columns(pack(*(records[place] for place in usual)), LATENESS_MS)
    assert columns is not None
    of_usual = SimpleNamespace(
        places=lambda part: [usual[place] for place in columns.places(part)],
        at_ms=columns.at_ms,
        kinds=columns.kinds,
        column=columns.column,
    )
    more = [Apart(place, events[place], at_ms[place], NOW_MS) for place in apart]
    (part,) = columns.rooms
    part = part._replace(first_place=usual[0])
    batch = ColumnBatch(of_usual, part, events.__getitem__, decoder.kinds_in_columns, more)
    whole = Batch(events, at_ms, [each // 1_000 for each in at_ms])
    assert (batch.size, batch.places, batch.part.first_place) == (6, [*range(6)], 0)
    assert (batch.events, batch.at_ms, batch.seconds) == (whole.events, whole.at_ms, whole.seconds)
    assert (batch.retimed(), batch.are(Like)) == (whole.retimed(), whole.are(Like))
    for name in ("event_id", "user_id", "count"):
        assert batch.column(name) == whole.column(name)


CART = {"type": "cart_add", "event_id": "e1", "room_id": "r1", "event_time_ms": NOW_MS, "user_id": "u1", "sku_id": "k"}


def test_what_may_be_left_out_is_none_in_its_column() -> None:
    carts = [CART | {"quantity": 2}, CART | {"quantity": 3, "sale_id": "s"}, CART | {"quantity": 4, "sale_id": None}]
    removed = {name: value for name, value in CART.items() if name != "quantity"} | {"type": "cart_remove"}
    columns = Decoder(CARTS).in_columns(pack(*map(record, [*carts, removed])), LATENESS_MS)
    assert columns is not None
    (part,) = columns.rooms
    assert columns.column(part, "sale_id") == [None, "s", None, None]
    assert columns.column(part, "quantity") == [2, 3, 4, 0]
    assert [*columns.kinds(part)] == [0, 0, 0, 1]


def test_of_several_kinds_each_says_what_it_knows() -> None:
    common = {name: CART[name] for name in ("event_id", "room_id", "event_time_ms", "user_id")}
    visits = [
        common | {"type": "enter", "source": "feed", "session_id": "x", "sku_id": "nothing-it-knows"},
        common | {"type": "leave", "session_id": None},
        common | {"type": "product_click", "sku_id": "k"},
        common | {"type": "enter"},
    ]
    columns = Decoder(VISITS).in_columns(pack(*map(record, visits)), LATENESS_MS)
    assert columns is not None
    (part,) = columns.rooms
    assert [*columns.kinds(part)] == [0, 1, 2, 0]
    assert columns.column(part, "source") == ["feed", None, None, None]
    assert columns.column(part, "session_id") == ["x", None, None, None]
    assert columns.column(part, "sku_id") == [None, None, "k", None]


USUAL = [
    b'{"type":"comment","event_id":"e","room_id":"r1","event_time_ms":%d,"user_id":"u","text":%s}' % (NOW_MS, text)
    for text in (b'""', '"还有货吗 😀"'.encode(), rb'"\ud83d\ude00 \"\\\/\b\f\n\r\t\u0000"', b'"' + b"a" * 500 + b'"')
] + [
    b' {\n"text":"a" , "user_id":"u","event_time_ms":%d,"room_id":"r1","event_id":"e","type":"comment"}\t' % NOW_MS,
    b'{"type":"comment","event_id":"e","room_id":"r1","event_time_ms":%d,"user_id":"u","text":"a","client":"ios 9.1",'
    b'"build":91,"beta":true,"old":false,"ref":null}' % NOW_MS,
]


@pytest.mark.parametrize("value", USUAL)
def test_usual_records_are_taken(value: bytes) -> None:
    assert taken(COMMENTS, record(value))


ODD = [
    b"",
    b"{}",
    b"null",
    USUAL[0][:-1],
    USUAL[0] + b"}",
    USUAL[0].replace(b'"e"', b'"e\\u0065"'),
    USUAL[0].replace(b'"e"', b'""'),
    USUAL[0].replace(b'"e"', b'"%s"' % (b"e" * 65)),
    USUAL[0].replace(b'"u"', b'"u u"'),
    USUAL[0].replace(b'"u"', b"null"),
    USUAL[0].replace(b'"comment"', b'"like"'),
    USUAL[0].replace(b'"type":"comment",', b""),
    USUAL[0].replace(b'"user_id"', b'"user_id":"u","user_id"'),
    USUAL[0].replace(b"17000", b"017000"),
    USUAL[0].replace(b"17000", b"1.7000"),
    USUAL[0].replace(b"1700000000000", b"1700000000000.0"),
    USUAL[0].replace(b"1700000000000", b"-1700000000000"),
    USUAL[0].replace(b"1700000000000", b"1700000060001"),
    USUAL[0].replace(b"1700000000000", b"1699395199999"),
    USUAL[0].replace(b"1700000000000", b"1700000000000000000"),
    USUAL[0].replace(b'""', rb'"\ud83d"'),
    USUAL[0].replace(b'""', rb'"\ude00\ud83d"'),
    USUAL[0].replace(b'""', rb'"\ud83d\ue000"'),
    USUAL[0].replace(b'""', rb'"\x"'),
    USUAL[0].replace(b'""', b'"\n"'),
    USUAL[0].replace(b'""', b'"\xed\xa0\x80"'),
    USUAL[0].replace(b'""', b'"\xc0\xaf"'),
    USUAL[0].replace(b'""', b'"\xf4\x90\x80\x80"'),
    USUAL[0].replace(b'""', b'"\xe4\xbd"'),
    USUAL[0].replace(b'""', b'"%s"' % (b"a" * 501)),
    USUAL[0].replace(b'""', b'"","more":[]'),
    USUAL[0].replace(b'""', b'"","more":{}'),
    USUAL[0].replace(b'""', b'"","more":1.5'),
    USUAL[0].replace(b'""', b'"","more":"\xc3\xa9"'),
    USUAL[0].replace(b'""', b'"","pad":"%s"' % (b"a" * MAX_RECORD_BYTES)),
]


@pytest.mark.parametrize("value", ODD)
def test_unusual_records_are_left_to_python(value: bytes) -> None:
    assert value != USUAL[0]
    assert not taken(COMMENTS, record(value))
    assert not taken(COMMENTS, record(USUAL[0]), record(value))


@pytest.mark.parametrize("key", [b"", b"r2", b"r", b"r11"])
def test_another_key_than_the_room_is_left_to_python(key: bytes) -> None:
    assert not taken(COMMENTS, record(USUAL[0], key=key))


def test_many_rooms_are_told_apart() -> None:
    records = [like(number, f"room-{number % 700}") for number in range(2_000)]
    columns = Decoder(LIKES).in_columns(pack(*records), LATENESS_MS)
    assert columns is not None
    assert [part.room_id for part in columns.rooms] == [f"room-{number}" for number in range(700)]
    assert sum(len(columns.places(part)) for part in columns.rooms) == 2_000
