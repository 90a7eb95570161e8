"""Trends from histories: what lies in Redis may be anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.contract.history import COLUMNS, HISTORY_SCHEMA, HistoryHead, Point, encode_chunk, encode_head
from stream.serve.trends import Trend, trend_of

T0_MS = 1_795_780_000_000


def head(room_id: str = "room-1", schema: str = HISTORY_SCHEMA, *, chunk: bytes | None = None) -> bytes:
    values = [dict.fromkeys(COLUMNS, 7) | {"watching": watching} for watching in (100, 90, 140)]
    points = [Point(T0_MS + 10_000 * place, tuple(each.values()), {}) for place, each in enumerate(values)]
    open_chunk = encode_chunk(T0_MS, points, [], 0) if chunk is None else chunk
    return encode_head(HistoryHead(schema, room_id, 10_000, [], open_chunk))


def test_the_people_of_the_open_chunk_with_their_moments() -> None:
    assert trend_of("room-1", head()) == Trend([T0_MS, T0_MS + 10_000, T0_MS + 20_000], [100, 90, 140])


@pytest.mark.parametrize(
    "raw",
    [None, b"", b"\xff", head("room-2"), head(schema="snapup.history.v9"), head(chunk=b""), head(chunk=b"\x01"), 7],
)
def test_what_is_no_history_of_the_room_has_no_trend(raw: object) -> None:
    assert trend_of("room-1", raw) is None


@given(st.binary(max_size=200), st.integers(0, 60))
def test_any_bytes_have_an_answer(noise: bytes, cut: int) -> None:
    for raw in (noise, head(chunk=noise), head()[: -cut or None]):
        found = trend_of("room-1", raw)
        assert found is None or len(found.at_ms) == len(found.watching)
