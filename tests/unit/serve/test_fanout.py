"""What is known goes to every stream: the newest only, at once, and nobody waits for anybody."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from stream.serve import fanout as module
from stream.serve.cut import WHOLE, Cut
from stream.serve.events import Stream, retry_frame
from stream.serve.fanout import Fanout
from stream.serve.metrics import Metrics
from tests.support.serve import document, eventually
from tests.support.sixty import documents, with_products
from tests.unit.serve.twins import FollowerTwin, TransportTwin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from stream.serve.room_follower import FollowedRoom


@pytest.fixture
def follower() -> FollowerTwin:
    return FollowerTwin()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def fanout(follower: FollowerTwin, metrics: Metrics) -> AsyncIterator[Fanout]:
    made = Fanout(cast("Any", follower), metrics, ping_ms=60_000, slow_ms=60_000)
    running = asyncio.create_task(made.run())
    yield made
    running.cancel()


def opened(
    fanout: Fanout, room: FollowedRoom, last_event_id: str = "", expires_s: float | None = None
) -> TransportTwin:
    transport = TransportTwin()
    stream = Stream(transport, room, chunked=False, expires_s=expires_s)
    stream.write(retry_frame(1), time.monotonic())
    fanout.open(stream, last_event_id)
    transport.written.clear() if last_event_id else transport.written.pop(0)
    return transport


async def test_a_stream_gets_what_is_known_and_then_each_change(fanout: Fanout, follower: FollowerTwin) -> None:
    room = follower.room("room-1")
    follower.say(room, 1)
    transport = opened(fanout, room)
    assert transport.revs() == [1]
    follower.say(room, 2)
    await eventually(lambda: transport.revs() == [1, 2])


async def test_what_was_sent_is_not_sent_again(fanout: Fanout, follower: FollowerTwin) -> None:
    room, other = follower.room("room-1"), follower.room("room-2")
    follower.say(room, 1, as_of_ms=5, stale_after_ms=2**50)
    transport, marker = opened(fanout, room), opened(fanout, other)
    follower.say(room, 1, as_of_ms=5, stale_after_ms=2**50)
    follower.say(other, 1)
    await eventually(lambda: marker.revs() == [1])
    assert len(transport.written) == 1


async def test_streams_of_other_rooms_hear_nothing(fanout: Fanout, follower: FollowerTwin) -> None:
    room, other = follower.room("room-1"), follower.room("room-2")
    follower.say(room, 1)
    follower.say(other, 1)
    transport, others = opened(fanout, room), opened(fanout, other)
    follower.say(room, 2)
    await eventually(lambda: transport.revs() == [1, 2])
    assert others.revs() == [1]


async def test_a_slow_stream_skips_to_the_newest_and_the_others_miss_nothing(
    fanout: Fanout, follower: FollowerTwin, metrics: Metrics
) -> None:
    room = follower.room("room-1")
    follower.say(room, 1)
    slow, quick = opened(fanout, room), opened(fanout, room)
    slow.stop_taking()
    for rev in range(2, 8):
        follower.say(room, rev)
        await eventually(lambda rev=rev: quick.revs()[-1] == rev)  # type: ignore[misc]
    assert quick.revs() == [1, 2, 3, 4, 5, 6, 7]
    assert slow.revs() == [1, 2]
    slow.take_all()
    await eventually(lambda: slow.revs() == [1, 2, 7])
    assert metrics.coalesced._value.get() >= 5


async def test_a_stream_that_takes_nothing_is_dropped_after_the_bound_and_no_other(
    follower: FollowerTwin, metrics: Metrics
) -> None:
    fanout = Fanout(cast("Any", follower), metrics, ping_ms=60_000, slow_ms=100)
    running = asyncio.create_task(fanout.run())
    room = follower.room("room-1")
    follower.say(room, 1)
    slow, quick = opened(fanout, room), opened(fanout, room)
    slow.stop_taking()
    follower.say(room, 2)
    await eventually(lambda: slow.revs() == [1, 2])
    follower.say(room, 3)
    await eventually(lambda: slow.closed)
    assert not quick.closed
    assert metrics.dropped["slow"]._value.get() == 1
    running.cancel()


async def test_a_stream_that_takes_nothing_is_found_by_its_ping_in_a_silent_room(
    follower: FollowerTwin, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TEND_EVERY_S", 0.01)
    fanout = Fanout(cast("Any", follower), metrics, ping_ms=100, slow_ms=100)
    running = asyncio.create_task(fanout.run())
    room = follower.room("room-1")
    follower.say(room, None)
    silent = opened(fanout, room)
    await eventually(lambda: silent.written.count(b": ping\n\n") >= 2)
    silent.stop_taking()
    await eventually(lambda: silent.closed)
    running.cancel()


async def test_who_has_the_newest_is_told_nothing_and_who_has_not_is(fanout: Fanout, follower: FollowerTwin) -> None:
    room = follower.room("room-1")
    follower.say(room, 5)
    has, has_not = opened(fanout, room, "1-5"), opened(fanout, room, "1-4")
    assert has.written == []
    follower.say(room, 6)
    await eventually(lambda: has.revs() == [6])
    await eventually(lambda: has_not.revs()[-1] == 6)


async def test_who_comes_back_while_redis_is_away_is_told(fanout: Fanout, follower: FollowerTwin) -> None:
    room = follower.room("room-1")
    follower.say(room, 5)
    follower.away = True
    stream = Stream(transport := TransportTwin(), room, chunked=False, expires_s=None)
    fanout.open(stream, "1-5")
    assert b'"redis_away"' in transport.written[0]


async def test_a_document_grows_stale_by_itself(
    fanout: Fanout, follower: FollowerTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TEND_EVERY_S", 0.01)
    room = follower.room("room-1")
    follower.say(room, 1, fresh_ms=100)
    transport = opened(fanout, room)
    await eventually(lambda: b'"state":"stale"' in transport.written[-1])
    follower.say(room, 2)
    await eventually(lambda: b'"state":"live"' in transport.written[-1])


async def test_a_stream_ends_with_its_token(
    fanout: Fanout, follower: FollowerTwin, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TEND_EVERY_S", 0.01)
    room = follower.room("room-1")
    follower.say(room, 1)
    expired = Stream(TransportTwin(), room, chunked=False, expires_s=time.time() - 1)
    valid = Stream(TransportTwin(), room, chunked=False, expires_s=time.time() + 1_000)
    fanout.open(expired, "")
    fanout.open(valid, "")
    await eventually(expired.done.is_set)
    assert not valid.done.is_set()
    await eventually(lambda: metrics.dropped["token_expired"]._value.get() == 1)


async def test_a_closed_stream_leaves_nothing_behind(fanout: Fanout, follower: FollowerTwin, metrics: Metrics) -> None:
    room = follower.room("room-1")
    follower.say(room, 1)
    transport = TransportTwin()
    stream = Stream(transport, room, chunked=False, expires_s=None)
    transport.stop_taking()
    fanout.open(stream, "")
    follower.say(room, 2)
    await eventually(lambda: stream in fanout._behind)
    assert len(fanout) == 1
    fanout.close(stream)
    fanout.close(stream)
    assert len(fanout) == 0
    assert metrics.streams._value.get() == 0
    follower.say(room, 3)
    other = follower.room("room-2")
    follower.say(other, 1)
    marker = opened(fanout, other)
    follower.say(other, 2)
    await eventually(lambda: marker.revs()[-1] == 2)
    tables = (fanout._channels, fanout._shown, fanout._changed)
    assert all(room not in table for table in tables)
    assert stream not in fanout._behind


async def test_at_the_end_everybody_is_told_to_come_back_at_different_times(
    fanout: Fanout, follower: FollowerTwin, metrics: Metrics
) -> None:
    room = follower.room("room-1")
    follower.say(room, 1)
    streams = [Stream(TransportTwin(), room, chunked=False, expires_s=None) for _ in range(30)]
    for stream in streams:
        fanout.open(stream, "")
    await fanout.stop()
    assert all(stream.done.is_set() for stream in streams)
    said = [cast("TransportTwin", stream._transport).written[-1] for stream in streams]
    waits_ms = [int(text.removeprefix(b"retry: ")) for text in said]
    assert min(waits_ms) >= 500
    assert max(waits_ms) <= 3_000
    assert len(set(waits_ms)) > 10
    assert metrics.dropped["server_stopping"]._value.get() == 30


async def test_the_clock_in_a_frame_is_that_of_its_sending(
    fanout: Fanout, follower: FollowerTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = follower.room("room-1")
    follower.say(room, 1)
    now = [1_000_000]
    monkeypatch.setattr(module, "_now_ms", lambda: now[0])
    assert b'"server_time_ms":1000000,' in opened(fanout, room).written[0]
    now[0] += 5_000
    assert b'"server_time_ms":1005000,' in opened(fanout, room).written[0]


async def test_what_follows_a_stale_document_was_not_waited_for(
    fanout: Fanout, follower: FollowerTwin, metrics: Metrics
) -> None:
    room = follower.room("room-1")
    follower.say(room, 1, fresh_ms=-1)
    transport = opened(fanout, room)
    await eventually(lambda: room in fanout._shown)
    follower.say(room, 2, as_of_ms=1)
    await eventually(lambda: transport.revs() == [2] and fanout._shown[room].rev == 2)
    assert metrics.delivery_s._sum.get() == 0


async def test_only_what_replaced_a_live_document_counts_as_delivered(
    fanout: Fanout, follower: FollowerTwin, metrics: Metrics
) -> None:
    room = follower.room("room-1")
    follower.say(room, 1, as_of_ms=1)
    transport = opened(fanout, room)

    def observed() -> float:
        return float(metrics.delivery_s._sum.get())

    await eventually(lambda: room in fanout._shown)
    assert observed() == 0
    at_ms = module._now_ms()
    follower.say(room, 2, as_of_ms=at_ms - 300, clock={"source": "tick", "lag_ms": 100})
    await eventually(lambda: transport.revs() == [1, 2])
    await eventually(lambda: observed() > 0)
    assert 0.2 <= observed() < 10


# -- a subject, parts, and compressed ----------------------------------------------------------------------------------
def sent(transport: TransportTwin) -> bytes:
    """What a reader of a compressed stream reads."""
    return zlib.decompressobj(31).decompress(b"".join(transport.written))


def packed_stream(fanout: Fanout, room: FollowedRoom, cut: Cut) -> tuple[Stream, TransportTwin]:
    transport = TransportTwin()
    stream = Stream(transport, room, chunked=False, expires_s=None, cut=cut, packed=True)
    stream.write(retry_frame(1), time.monotonic())
    fanout.open(stream, "")
    return stream, transport


async def test_one_product_of_sixty_on_sale_and_of_two_hundred_takes_less_than_100_kbit_a_second(
    fanout: Fanout, follower: FollowerTwin
) -> None:
    """Ten documents a second are the most that a room has."""
    room = follower.room("r1")
    overlay = ("claims", "feed")
    cuts = (Cut("s7", "", overlay), Cut(sku="sku-007"), Cut(sku="sku-150"), Cut(parts=overlay), WHOLE)
    raws = list(with_products(documents(11), 200))
    follower.say_raw(room, raws[0])
    streams = [packed_stream(fanout, room, cut)[1] for cut in cuts]
    before = [sum(map(len, transport.written)) for transport in streams]
    for raw in raws[1:]:
        follower.say_raw(room, raw)
        rev = b'"rev":%d,' % msgspec.json.decode(raw)["rev"]
        await eventually(lambda rev=rev: all(rev in sent(transport) for transport in streams))  # type: ignore[misc]
    took = [sum(map(len, each.written)) - begun for each, begun in zip(streams, before, strict=True)]
    kbit_s = [bytes_ * 8 / 1000 for bytes_ in took]
    assert kbit_s[0] < 25
    assert kbit_s[1] < 50
    assert kbit_s[2] < 50  # not on sale, but sold
    assert kbit_s[3] < 450  # an overlay that names no product has all sales, and no product beyond them
    assert kbit_s[4] < 1_500  # not cut: compressed only
    assert sum(map(len, raws[1:])) * 8 / 1000 > 10_000  # what it was
    assert [b'"products":[' in sent(transport) for transport in streams] == [False, True, True, False, True]


async def test_a_cut_document_that_says_the_same_is_freshened_and_whoever_comes_gets_it_whole(
    fanout: Fanout, follower: FollowerTwin
) -> None:
    room, cut = follower.room("room-1"), Cut(sale="s0", parts=("claims",))
    follower.say(room, 1, as_of_ms=1_000)
    (_, first), (whole, _) = packed_stream(fanout, room, cut), packed_stream(fanout, room, WHOLE)
    follower.say(room, 2, as_of_ms=1_100)
    await eventually(lambda: sent(first).count(b"event: fresh\nid: 1-2\n") == 1)
    assert sent(first).count(b"event: snapshot") == 1
    assert b'"fresh":{"epoch":1,"as_of_ms":1100,' in sent(first)
    assert whole.view is not None
    assert whole.view.rev == 2
    _, late = packed_stream(fanout, room, cut)
    assert b"event: snapshot\nid: 1-2\n" in sent(late)
    follower.say(room, 3, as_of_ms=1_200)
    await eventually(lambda: b"event: fresh\nid: 1-3\n" in sent(first) and b"event: fresh\nid: 1-3\n" in sent(late))
    totals = document("x")["totals"] | {"likes": 10**6}
    follower.say(room, 4, as_of_ms=1_300, totals=totals)
    await eventually(lambda: b"event: snapshot\nid: 1-4\n" in sent(first))
    # Another state is always told with the document.
    follower.away = True
    follower.on_news(room)
    await eventually(lambda: b'"redis_away"' in sent(first))
    assert sent(first).count(b"event: snapshot") == 3


class NewsOnWrite(TransportTwin):
    """A connection in whose midst, time and again, something newer becomes known."""

    def __init__(self, say: Callable[[], None]) -> None:
        super().__init__()
        self._say = say

    def write(self, data: Any) -> None:
        super().write(data)
        self._say()


async def test_all_streams_of_a_channel_get_the_same_small_frames_however_long_a_pass_takes(
    fanout: Fanout, follower: FollowerTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One room with thousands of streams: a pass takes longer than a frame is young, and documents come meanwhile."""
    room, cut, last = follower.room("room-1"), Cut(sale="s0", parts=("claims",)), 12
    follower.say(room, 1, as_of_ms=1_000)
    monkeypatch.setattr(module, "TURN_STREAMS", 1)
    now, rev = [module._now_ms()], [1]

    def tick() -> int:
        now[0] += 13
        return now[0]

    monkeypatch.setattr(module, "_now_ms", tick)

    def say_another() -> None:
        if rev[0] < last:
            rev[0] += 1
            follower.say(room, rev[0], as_of_ms=1_000 + 100 * rev[0], totals=totals)

    streams = [packed_stream(fanout, room, cut)[1] for _ in range(6)]
    totals = document("x")["totals"] | {"likes": 10**6}
    say_another()
    await eventually(lambda: all(b"event: snapshot\nid: 1-2\n" in sent(transport) for transport in streams))
    begun = len(streams[0].written)
    teller = Stream(NewsOnWrite(say_another), room, chunked=False, expires_s=None, cut=cut, packed=True)
    fanout.open(teller, "")
    final = b"event: fresh\nid: 1-%d\n" % last
    await eventually(lambda: all(final in sent(transport) for transport in streams))
    told = [transport.written[begun:] for transport in streams]
    assert all(each == told[0] for each in told)
    assert len(told[0]) >= 3
    assert max(map(len, told[0])) < 100  # 150 if each is packed for itself
    assert all(sent(transport).count(b"event: snapshot") == 2 for transport in streams)


async def test_the_subjects_of_one_room_are_bounded(
    fanout: Fanout, follower: FollowerTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CUTS_A_ROOM", 2)
    room = follower.room("room-1")
    follower.say(room, 1)
    stream, _ = packed_stream(fanout, room, Cut(sale="s0"))
    packed_stream(fanout, room, Cut(sale="s1"))
    assert fanout.takes(room, Cut(sale="s1"))
    assert not fanout.takes(room, Cut(sale="s2"))
    assert fanout.takes(follower.room("room-2"), Cut(sale="s2"))
    fanout.close(stream)
    assert fanout.takes(room, Cut(sale="s2"))


async def test_a_compressed_stream_that_ends_in_order_is_a_whole_gzip_file(
    fanout: Fanout, follower: FollowerTwin
) -> None:
    room = follower.room("room-1")
    follower.say(room, 1)
    stream, transport = packed_stream(fanout, room, WHOLE)
    await fanout.stop()
    stream.end()
    stream.end()
    assert gzip.decompress(b"".join(transport.written)).count(b"retry: ") == 2
