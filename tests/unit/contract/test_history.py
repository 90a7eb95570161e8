"""The codec of histories: what was written comes back, in any chunking, and what readers get is absolute."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from jsonschema import Draft202012Validator

from stream.contract.history import (
    CHUNK_MS,
    COLUMNS,
    HISTORY_SCHEMA,
    SEVERITIES,
    HistoryHead,
    MarkKind,
    MarkRow,
    Point,
    RoomHistory,
    SessionRow,
    chunks_key,
    decode_chunk,
    decode_head,
    encode_chunk,
    encode_chunks,
    encode_head,
    history_key,
    history_of,
)
from stream.contract.levels import LEVELS
from stream.contract.schema import history_schema

T0_MS = 1_767_960_000_000


@pytest.mark.parametrize("count", [0, 1, 2, 59])
def test_points_come_back_as_they_were(count: int) -> None:
    random = Random(count)

    def amount() -> int:
        return random.randrange(1 << random.randrange(54))

    made = [
        Point(
            T0_MS + 10_000 * place,
            tuple(amount() for _ in COLUMNS),
            {currency: amount() for currency in ("CNY", "EUR") if random.random() < 0.5},
        )
        for place in range(count)
    ]
    chunk = decode_chunk(encode_chunk(T0_MS, made, [MarkRow(T0_MS, "sold_out", "s", "k")], 3))
    assert (chunk.from_ms, chunk.left_out) == (T0_MS, 3)
    assert chunk.marks == [MarkRow(T0_MS, "sold_out", "s", "k")]
    assert [(each.at_ms, each.values) for each in chunk.points] == [(each.at_ms, each.values) for each in made]
    for before, after in zip(made, chunk.points, strict=True):
        assert {currency: minor for currency, minor in after.money.items() if minor} == {
            currency: minor for currency, minor in before.money.items() if minor
        }


def point(at_ms: int, money: dict[str, int] | None = None, **values: int) -> Point:
    return Point(at_ms, tuple(values.get(name, 0) for name in COLUMNS), money or {})


def head_with(open_chunk: bytes, money: dict[str, int], session_ms: int = T0_MS) -> HistoryHead:
    sessions = [
        SessionRow(T0_MS - 90_000_000, T0_MS - 90_000_000, T0_MS - 80_000_000, "show-0", 3, {"CNY": 900}),
        SessionRow(session_ms, session_ms, -1, None, 2, money),
    ]
    return decode_head(encode_head(HistoryHead(HISTORY_SCHEMA, "room-1", 10_000, sessions, open_chunk)))


def test_readers_get_absolute_columns_and_the_last_word_of_each_mark() -> None:
    first = encode_chunk(
        T0_MS,
        [point(T0_MS + 10_000, {"CNY": 100}, orders=1, payers=1, clickers=4, level=LEVELS.index("rush"))],
        [MarkRow(T0_MS + 5_000, "oversold", "s", "k", 2), MarkRow(T0_MS + 5_000, "level", "s", "k", 0)],
        1,
    )
    second = encode_chunk(
        T0_MS + CHUNK_MS,
        [point(T0_MS + CHUNK_MS, {"CNY": 250, "EUR": 7}, orders=2, level=len(LEVELS))],
        [MarkRow(T0_MS + 5_000, "oversold", "s", "k", 12, T0_MS + CHUNK_MS)],
        0,
    )
    head = head_with(second, {"CNY": 250, "EUR": 7})
    found = history_of(head, head.sessions[-1], encode_chunks([first]))
    assert found.points.at_ms == [T0_MS + 10_000, T0_MS + CHUNK_MS]
    assert (found.currency, found.points.gmv_minor, found.other_gmv_minor) == ("CNY", [100, 250], {"EUR": [0, 7]})
    assert (found.points.orders, found.points.level) == ([1, 2], ["rush", None])
    assert found.points.conversion == [0.25, None]
    assert [(each.kind, each.severity, each.value, each.until_ms) for each in found.marks] == [
        ("level", "info", LEVELS[0], None),
        ("oversold", "alert", 12, T0_MS + CHUNK_MS),
    ]
    assert (found.to_ms, found.marks_left_out, found.ended_ms) == (T0_MS + CHUNK_MS, 1, None)
    assert [(each.session_ms, each.gmv_minor, each.show_id) for each in found.sessions] == [
        (T0_MS - 90_000_000, 900, "show-0"),
        (T0_MS, 250, None),
    ]
    Draft202012Validator(history_schema()).validate(msgspec.to_builtins(found))
    later = history_of(head, head.sessions[-1], encode_chunks([first]), since_ms=T0_MS + 10_000)
    assert (later.points.at_ms, later.to_ms) == ([T0_MS + CHUNK_MS], found.to_ms)


def test_a_chunk_that_closed_between_two_reads_is_there_once() -> None:
    chunk = encode_chunk(T0_MS, [point(T0_MS + 10_000)], [], 0)
    head = head_with(chunk, {})
    found = history_of(head, head.sessions[-1], encode_chunks([chunk]))
    assert found.points.at_ms == [T0_MS + 10_000]
    assert found.currency is None


def test_the_session_before_has_nothing_of_the_open_chunk() -> None:
    head = head_with(encode_chunk(T0_MS, [point(T0_MS + 10_000)], [], 0), {})
    assert history_of(head, head.sessions[0], None).points.at_ms == []


def test_a_newer_snapup_may_have_more_columns_and_an_older_one_fewer() -> None:
    raw = msgspec.msgpack.decode(encode_chunk(T0_MS, [point(T0_MS, orders=5)], [], 0))
    raw[2].append([1])
    assert decode_chunk(msgspec.msgpack.encode(raw)).points == [point(T0_MS, orders=5)]
    raw[2] = raw[2][: COLUMNS.index("orders") + 1]
    assert decode_chunk(msgspec.msgpack.encode(raw)).points == [point(T0_MS, orders=5)]


@pytest.mark.parametrize("raw", [b"", b"\xff", b"\x93\x01\x02\x03", msgspec.msgpack.encode([1, [1], [[1, 2]], {}, []])])
def test_bytes_that_are_no_chunk_are_refused(raw: bytes) -> None:
    with pytest.raises((msgspec.MsgspecError, ValueError)):
        decode_chunk(raw)


def test_keys_lie_beside_the_document() -> None:
    assert history_key("live", "r") == "live:v1:{room:r}:history"
    assert chunks_key("live", "r", 7) == "live:v1:{room:r}:history:7"


def test_each_severity_is_of_a_kind() -> None:
    assert SEVERITIES.keys() <= set(MarkKind.__args__)  # type: ignore[attr-defined]
    assert RoomHistory.__doc__
