"""The event stream, byte by byte, and what one connection lets through."""

from __future__ import annotations

import msgspec
import pytest

from stream.contract.heartbeat import Pipeline
from stream.contract.sight import State, Unreadable
from stream.serve.documents import Document, DocumentSight, read_document
from stream.serve.events import PING, Stream, View, retry_frame, snapshot_text, view_of
from stream.serve.frames import Frame
from stream.serve.room_follower import FollowedRoom
from tests.support.serve import document
from tests.unit.serve.twins import TransportTwin

RAW = msgspec.json.encode(document("room-1", epoch=3, rev=9, as_of_ms=500))


@pytest.fixture
def sight() -> DocumentSight:
    return DocumentSight(read_document("room-1", RAW))


def raw_of(sight: DocumentSight) -> bytes | None:
    return None if sight.document is None else sight.document.raw


def stream_to(transport: TransportTwin, *, chunked: bool = False) -> Stream:
    return Stream(transport, FollowedRoom("room-1"), chunked=chunked, expires_s=None)


def test_a_live_snapshot_has_an_id_and_the_document_as_it_is(sight: DocumentSight) -> None:
    frame = snapshot_text(view_of(State.LIVE, sight), raw_of(sight), 1_234)
    head, _, data = frame.partition(b"data: ")
    assert head == b"event: snapshot\nid: 3-9\n"
    assert data == b'{"server_time_ms":1234,"state":"live","overlay":' + RAW + b"}\n\n"


@pytest.mark.parametrize("state", [State.STALE, State.REDIS_AWAY])
def test_what_is_not_live_has_the_document_but_no_id(sight: DocumentSight, state: State) -> None:
    frame = snapshot_text(view_of(state, sight), raw_of(sight), 1)
    assert b"\nid: \n" in frame
    assert RAW in frame


def test_where_nothing_is_known_the_overlay_is_null() -> None:
    frame = snapshot_text(view_of(State.REDIS_AWAY, None), None, 1)
    assert frame == (b'event: snapshot\nid: \ndata: {"server_time_ms":1,"state":"redis_away","overlay":null}\n\n')


def test_the_reason_of_what_is_unreadable_cannot_break_out_of_its_line() -> None:
    sight = DocumentSight(Unreadable('"\n\ndata: evil'))
    frame = snapshot_text(view_of(State.UNREADABLE, sight), raw_of(sight), 1)
    assert frame.count(b"\n") == 4
    data = msgspec.json.decode(frame.split(b"data: ", 1)[1])
    assert data == {"server_time_ms": 1, "state": "unreadable", "detail": '"\n\ndata: evil', "overlay": None}


def test_a_chunk_says_its_length_in_hexadecimal() -> None:
    assert Frame(b"x" * 26).chunk == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert PING.plain == b": ping\n\n"
    assert retry_frame(1_000).plain == b"retry: 1000\n\n"


def test_views_differ_in_revision_time_and_state(sight: DocumentSight) -> None:
    found = sight.document
    assert found is not None
    live = view_of(State.LIVE, sight)
    assert live == View(State.LIVE, 3, 9, 500)
    assert live != view_of(State.STALE, sight)
    later = read_document("room-1", msgspec.json.encode(document("room-1", epoch=3, rev=9, as_of_ms=501)))
    assert isinstance(later, Document)
    assert live != view_of(State.LIVE, DocumentSight(later))


def test_a_stream_writes_chunks_or_plain_text() -> None:
    chunked, plain = TransportTwin(), TransportTwin()
    assert stream_to(chunked, chunked=True).write(PING, 1.0)
    assert stream_to(plain).write(PING, 1.0)
    assert chunked.written == [PING.chunk]
    assert plain.written == [PING.plain]


def test_nothing_is_written_while_something_waits_and_the_time_of_that_is_kept() -> None:
    transport = TransportTwin()
    stream = stream_to(transport)
    transport.stop_taking()
    assert stream.write(PING, 1.0)
    assert not stream.write(PING, 2.0)
    assert not stream.write(PING, 3.0)
    assert len(transport.written) == 1
    assert stream.behind_since == 2.0
    transport.take_all()
    assert stream.write(PING, 4.0)
    after = stream
    assert after.behind_since is None
    assert after.wrote_at == 4.0


def test_a_connection_that_closes_takes_everything_and_gets_nothing() -> None:
    transport = TransportTwin()
    stream = stream_to(transport)
    transport.closed = True
    assert stream.write(PING, 1.0)
    assert transport.written == []


def test_a_snapshot_tells_of_the_workers_unless_nothing_is_known_of_them(sight: DocumentSight) -> None:
    up, down = Pipeline(2, 900, 6, 6), Pipeline(0, 900, 6)
    told = snapshot_text(view_of(State.LIVE, sight, up.state), raw_of(sight), 1_234, up)
    assert told.startswith(
        b'event: snapshot\nid: 3-9\ndata: {"server_time_ms":1234,"state":"live",'
        b'"pipeline":{"workers":2,"heard_ms":900,"partitions":6,"folded":6},"overlay":'
    )
    # Whoever comes back must hear that they are down, whatever he has.
    assert b"\nid: \n" in snapshot_text(view_of(State.LIVE, sight, down.state), raw_of(sight), 1, down)
    # Without Redis nothing is known of workers either.
    assert b"pipeline" not in snapshot_text(view_of(State.REDIS_AWAY, sight, up.state), raw_of(sight), 1, up)
    assert view_of(State.STALE, sight, up.state) != view_of(State.STALE, sight, down.state)
