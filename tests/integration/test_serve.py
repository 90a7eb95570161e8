"""The read server over a real Redis and real HTTP: snapshots, streams, and what it says when Redis is away or empty."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiohttp import ClientSession
from redis.asyncio import Redis

from stream.contract.heartbeat import heartbeat_key
from stream.contract.history import (
    CHUNK_MS,
    HISTORY_SCHEMA,
    HistoryHead,
    Point,
    SessionRow,
    chunks_key,
    encode_chunk,
    encode_chunks,
    encode_head,
    history_key,
)
from stream.local.redis import RedisServer
from stream.local.settings import LocalSettings
from stream.worker.overlay_store import OverlayStore
from tests.support.serve import DEADLINE_S, Client, Events, Writer, document, eventually, now_ms, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from stream.serve.app import Server
    from tests.support.serve import Event

pytestmark = pytest.mark.integration
ROOM = "room-1"
KEY = "live:v1:{room:room-1}:overlay"


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis of this module's own, which its tests may stop and start."""
    server = RedisServer(tmp_path_factory.mktemp("redis"), LocalSettings())
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_server.url) as client:
        await client.flushall()
        yield client


@pytest.fixture
async def writer(redis: Redis, redis_server: RedisServer) -> AsyncIterator[Writer]:
    del redis  # is empty now
    made = Writer(redis_server.url)
    yield made
    await made.close()


@pytest.fixture
async def served(redis: Redis, redis_server: RedisServer) -> AsyncIterator[tuple[Server, Client]]:
    del redis
    async with serving(redis_server.url) as both:
        yield both


@pytest.fixture
def client(served: tuple[Server, Client]) -> Client:
    return served[1]


async def problem(client: Client, path: str, **options: Any) -> dict[str, Any]:
    response = await client.get(path, **options)
    assert response.content_type == "application/problem+json"
    found = await response.json()
    assert found["status"] == response.status
    return found  # type: ignore[no-any-return]


# -- snapshots ---------------------------------------------------------------------------------------------------------
async def test_a_snapshot_is_the_document_as_redis_has_it(client: Client, writer: Writer, redis: Redis) -> None:
    await writer.put(ROOM, epoch=7)
    before_ms = now_ms()
    response = await client.get(f"/v1/rooms/{ROOM}")
    assert response.status == 200
    assert response.content_type == "application/json"
    assert await response.read() == await redis.get(KEY)
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.headers["ETag"] == 'W/"7-1"'
    plain = await client.get(f"/v1/rooms/{ROOM}", headers={"Accept-Encoding": "identity"})
    assert (plain.headers["ETag"], plain.headers.get("Content-Encoding")) == ('"7-1"', None)
    assert {plain.headers["Vary"], response.headers["Vary"]} == {"Accept-Encoding"}
    assert await plain.read() == await redis.get(KEY)
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["Snapup-State"] == "live"
    assert before_ms <= int(response.headers["Snapup-Time-Ms"]) <= now_ms()


async def test_who_has_the_revision_gets_304_and_who_has_an_older_one_the_document(
    client: Client, writer: Writer
) -> None:
    await writer.put(ROOM)
    for held in ('"1-1"', 'W/"1-1"', '"0-9", "1-1"', "*"):
        response = await client.get(f"/v1/rooms/{ROOM}", headers={"If-None-Match": held})
        assert response.status == 304, held
        assert response.headers["ETag"] == 'W/"1-1"'
        assert await response.read() == b""
    await writer.put(ROOM)
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        while (response := await client.get(f"/v1/rooms/{ROOM}", headers={"If-None-Match": '"1-1"'})).status == 304:
            pass
    assert (await response.json())["rev"] == 2


async def test_a_room_that_nobody_publishes_is_a_404(client: Client) -> None:
    found = await problem(client, f"/v1/rooms/{ROOM}")
    assert (found["status"], found["type"]) == (404, "urn:snapup:problem:room_missing")


async def test_a_stale_document_is_given_and_called_stale(client: Client, writer: Writer) -> None:
    await writer.put(ROOM, fresh_ms=-1)
    assert (await client.get(f"/v1/rooms/{ROOM}")).headers["Snapup-State"] == "stale"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"schema":', "not a document"),
        (b"\xff\xfe", "not a document"),
        (b"[1,2]", "not a document"),
        (msgspec.json.encode(document(ROOM) | {"schema": "snapup.overlay.v2"}), "'snapup.overlay.v2'"),
        (msgspec.json.encode(document("room-2")), "another room"),
        (msgspec.json.encode(document(ROOM) | {"rev": "x"}), "not a document"),
    ],
)
async def test_what_is_no_document_is_told_by_snapshot_and_stream_and_mends_itself(
    client: Client, redis: Redis, writer: Writer, raw: bytes, said: str
) -> None:
    await redis.set(KEY, raw)
    found = await problem(client, f"/v1/rooms/{ROOM}")
    assert (found["status"], found["type"]) == (502, "urn:snapup:problem:document_unreadable")
    assert said in found["detail"]
    async with await client.events(ROOM) as events:
        event = await events.snapshot()
        assert event.id == ""
        assert event.data["state"] == "unreadable"
        assert event.data["overlay"] is None
        assert said in event.data["detail"]
        await writer.put(ROOM)
        assert (await events.snapshot()).data["state"] == "live"


async def test_a_key_of_another_type_is_told(client: Client, redis: Redis) -> None:
    await redis.lpush(KEY, "x")
    assert "else than a string" in (await problem(client, f"/v1/rooms/{ROOM}"))["detail"]


# -- streams -----------------------------------------------------------------------------------------------------------
async def test_a_stream_begins_with_the_snapshot_and_then_tells_each_change(client: Client, writer: Writer) -> None:
    first = await writer.put(ROOM, epoch=3)
    async with await client.events(ROOM) as events:
        assert events.response.content_type == "text/event-stream"
        assert events.response.headers["Cache-Control"] == "no-store"
        assert (await events.next()).retry == 1_000
        before_ms = now_ms() - 1_000
        event = await events.next()
        assert (event.event, event.id) == ("snapshot", "3-1")
        assert event.data["overlay"] == first
        assert event.data["state"] == "live"
        assert before_ms < event.data["server_time_ms"] <= now_ms()
        second = await writer.put(ROOM, epoch=3)
        event = await events.next()
        assert (event.id, event.data["overlay"]) == ("3-2", second)


async def test_a_reader_of_old_http_gets_the_same_without_chunks(served: tuple[Server, Client], writer: Writer) -> None:
    made = await writer.put(ROOM)
    reader, connection = await asyncio.open_connection("127.0.0.1", served[0].port)
    connection.write(f"GET /v1/rooms/{ROOM}/events HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
    async with asyncio.timeout(DEADLINE_S):
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readuntil(b"}\n\n")
    connection.close()
    assert b"chunked" not in head
    assert body.startswith(b"retry: 1000\n\nevent: snapshot\nid: 1-1\ndata: ")
    assert msgspec.json.decode(body.split(b"data: ", 1)[1])["overlay"] == made


async def test_a_room_that_comes_later_appears_in_a_stream_opened_before(client: Client, writer: Writer) -> None:
    async with await client.events(ROOM) as events:
        event = await events.snapshot()
        assert (event.id, event.data["state"], event.data["overlay"]) == ("", "missing", None)
        await writer.put(ROOM)
        assert (await events.snapshot()).data["state"] == "live"


async def test_a_reader_who_comes_back_is_told_nothing_until_something_changes(client: Client, writer: Writer) -> None:
    await writer.put(ROOM)
    async with await client.events(ROOM, last_event_id="1-1") as events:
        assert (await events.next()).retry is not None
        second = await writer.put(ROOM)
        assert (await events.next()).data["overlay"] == second
    async with await client.events(ROOM, last_event_id="1-1") as events:
        assert (await events.snapshot()).id == "1-2"


async def test_a_reader_who_comes_back_to_something_stale_is_told(client: Client, writer: Writer) -> None:
    await writer.put(ROOM, fresh_ms=-1)
    async with await client.events(ROOM, last_event_id="1-1") as events:
        event = await events.snapshot()
        assert (event.id, event.data["state"]) == ("", "stale")


async def test_a_document_that_grows_stale_is_told_without_any_change_in_redis(client: Client, writer: Writer) -> None:
    await writer.put(ROOM, fresh_ms=300)
    async with await client.events(ROOM) as events:
        stale = await events.state("stale")
        assert stale.data["overlay"]["rev"] == 1
        assert stale.data["server_time_ms"] > stale.data["overlay"]["stale_after_ms"]


async def test_a_document_that_runs_out_is_told_without_a_nudge(client: Client, writer: Writer, redis: Redis) -> None:
    await writer.put(ROOM)
    async with await client.events(ROOM) as events:
        await events.state("live")
        await redis.delete(KEY)
        event = await events.snapshot()
        assert (event.id, event.data["state"], event.data["overlay"]) == ("", "missing", None)


async def test_a_lost_nudge_is_made_up_for(client: Client, writer: Writer, redis: Redis) -> None:
    await writer.put(ROOM)
    async with await client.events(ROOM) as events:
        await events.state("live")
        await redis.set(KEY, msgspec.json.encode(document(ROOM, rev=9)))
        assert (await events.snapshot()).id == "1-9"


async def test_a_silent_stream_gets_a_comment(redis: Redis, redis_server: RedisServer) -> None:
    del redis
    async with serving(redis_server.url, serve_ping_ms=100) as (_, client), await client.events(ROOM) as events:
        await events.snapshot()
        assert (await events.next()).comment == "ping"
        assert (await events.next()).comment == "ping"


async def test_many_readers_of_many_rooms_are_one_subscription(client: Client, writer: Writer, redis: Redis) -> None:
    rooms = [f"room-{number}" for number in range(5)]
    streams = [await client.events(rooms[number % 5]) for number in range(40)]
    for stream in streams:
        await stream.snapshot()
    subscribers = [each for each in await redis.client_list() if int(each["sub"]) + int(each["psub"])]
    assert len(subscribers) == 1
    assert dict(await redis.pubsub_numsub(*(f"live:v1:{{room:{room}}}:rev" for room in rooms))) == {
        f"live:v1:{{room:{room}}}:rev".encode(): 1 for room in rooms
    }
    for room in rooms:
        await writer.put(room)
    for number, stream in enumerate(streams):
        assert (await stream.state("live")).data["overlay"]["room_id"] == rooms[number % 5]
        stream.response.close()


async def test_a_room_that_nobody_watches_any_more_is_let_go(
    served: tuple[Server, Client], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.serve.room_follower.LINGER_S", 0.05)
    server, client = served
    async with await client.events(ROOM) as events:
        await events.snapshot()
        assert ROOM in server.follower.rooms
    await eventually(lambda: not server.follower.rooms)
    assert len(server.fanout) == 0
    async with asyncio.timeout(5):
        while (await redis.pubsub_numsub(f"live:v1:{{room:{ROOM}}}:rev"))[0][1]:
            pass


async def test_changes_come_at_most_ten_times_a_second_and_the_last_one_always(client: Client, writer: Writer) -> None:
    await writer.put(ROOM)
    async with await client.events(ROOM) as events:
        await events.state("live")
        last = [await writer.put(ROOM) for _ in range(100)][-1]
        seen = [await events.snapshot()]
        while seen[-1].data["overlay"]["rev"] != last["rev"]:
            seen.append(await events.snapshot())
        sent = [event.data["server_time_ms"] for event in seen]
        # A loop that was held up sends one late and the next in time: the number holds, not each gap.
        assert len(sent) <= 2 + (sent[-1] - sent[0]) / 100
        revs = [event.data["overlay"]["rev"] for event in seen]
        assert revs == sorted(set(revs))


# -- the list ----------------------------------------------------------------------------------------------------------
async def test_rooms_are_listed_searched_and_sorted(client: Client, writer: Writer, redis: Redis) -> None:
    totals = document("x")["totals"]
    for room_id, watching, level in (("alpha", 5, "calm"), ("Beta", 50, "rush"), ("beta-2", 7, "snap_up")):
        urgency = document("x")["urgency"] | {"level": level}
        await writer.put(room_id, totals=totals | {"watching_now": watching}, urgency=urgency)
    await redis.set("live:v1:{room:torn}:overlay", b"{")
    await redis.set("live:v1:{room:not an id}:overlay", b"{}")
    await redis.set("other:v1:{room:foreign}:overlay", msgspec.json.encode(document("foreign")))

    async def ids(query: str = "") -> list[str]:
        return [room["room_id"] for room in (await (await client.get(f"/v1/rooms?{query}")).json())["rooms"]]

    assert await ids() == ["Beta", "beta-2", "alpha"]
    assert await ids("q=BETA") == ["Beta", "beta-2"]
    assert await ids("sort=room_id") == ["Beta", "alpha", "beta-2"]
    assert await ids("sort=level&limit=1") == ["beta-2"]
    assert await ids("q=nothing") == []
    found = await (await client.get("/v1/rooms?q=beta&limit=1")).json()
    assert (found["matching"], found["complete"], len(found["rooms"])) == (2, True, 1)
    assert await ids("sort=room_id&limit=2&offset=1") == ["alpha", "beta-2"]
    assert await ids("offset=3") == []
    assert found["totals"]["orders_placed"] == 2 * totals["orders"]["placed"]
    room = found["rooms"][0]
    assert (room["watching_now"], room["level"], room["state"]) == (50, "rush", "live")
    assert room["orders_placed"] == totals["orders"]["placed"]


async def test_a_room_that_comes_later_is_in_the_list_within_its_period(
    client: Client, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.serve.rooms.REFRESH_S", 0.05)
    assert (await (await client.get("/v1/rooms")).json())["rooms"] == []
    await writer.put(ROOM)
    async with asyncio.timeout(10):
        while not (await (await client.get("/v1/rooms")).json())["rooms"]:  # noqa: ASYNC110 — nobody tells us
            await asyncio.sleep(0.025)  # as often as the server lets one address ask


async def test_a_list_that_does_not_fit_says_so(
    client: Client, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.serve.rooms.MAX_ROOMS", 2)
    for number in range(4):
        await writer.put(f"room-{number}")
    found = await (await client.get("/v1/rooms")).json()
    assert (found["matching"], found["complete"]) == (2, False)


# -- a subject, parts, and compressed ----------------------------------------------------------------------------------
async def test_a_room_is_cut_to_a_subject_and_parts(client: Client, writer: Writer) -> None:
    full = await writer.put(ROOM)
    sale = full["sales"][0]["sale_id"]
    query = f"sale={sale}&parts=claims"
    found = await (await client.get(f"/v1/rooms/{ROOM}?{query}")).json()
    assert {each["sale_id"] for each in found["sales"]} == {sale}
    assert (found["rates"], found["feed"], found["totals"]) == ([], [], full["totals"])
    response = await client.get(f"/v1/rooms/{ROOM}/events?{query}")
    async with Events(response) as events:
        first = await events.snapshot()
        assert first.data["overlay"] == found
        assert first.data["cut"] == {"sale": sale, "sku": "", "parts": ["claims"]}
        later = await writer.put(ROOM)
        event = await events.next()
        assert (event.event, event.id) == ("fresh", f"1-{later['rev']}")
        assert event.data["fresh"]["as_of_ms"] == later["as_of_ms"]
        await writer.put(ROOM, totals=full["totals"] | {"likes": 10**6})
        assert (await events.next()).event == "snapshot"


@pytest.mark.parametrize("path", [f"/v1/rooms/{ROOM}", f"/v1/rooms/{ROOM}/events"])
@pytest.mark.parametrize(("query", "parameter"), [("parts=everything", "parts"), ("sale=a%20b", "sale")])
async def test_what_cannot_be_cut_is_a_problem(client: Client, path: str, query: str, parameter: str) -> None:
    found = await problem(client, f"{path}?{query}")
    assert (found["status"], found["parameter"]) == (400, parameter)
    assert parameter != "parts" or "claims" in found["detail"]


@pytest.mark.parametrize("coding", ["identity", "gzip;q=0", "br", ""])
async def test_a_stream_is_not_compressed_for_who_does_not_take_it(client: Client, writer: Writer, coding: str) -> None:
    await writer.put(ROOM)
    response = await client.get(f"/v1/rooms/{ROOM}/events", headers={"Accept-Encoding": coding})
    assert ("Content-Encoding" in response.headers, response.headers["Vary"]) == (False, "Accept-Encoding")
    async with Events(response) as events:
        assert (await events.snapshot()).data["state"] == "live"


async def test_a_compressed_stream_flushes_each_event_and_ends_as_a_whole_gzip_file(
    redis_server: RedisServer, writer: Writer
) -> None:
    await writer.put(ROOM)
    async with serving(redis_server.url) as (server, client), ClientSession(auto_decompress=False) as session:
        url, headers = f"{client.top}/v1/rooms/{ROOM}/events", {"Accept-Encoding": "gzip"}
        response = await session.get(url, headers=headers)
        assert response.headers["Content-Encoding"] == "gzip"
        packed, reader, text = b"", zlib.decompressobj(31), b""
        async with asyncio.timeout(DEADLINE_S):
            for rev in range(1, 5):
                while b"id: 1-%d\n" % rev not in text:
                    packed += (more := await response.content.readany())
                    text += reader.decompress(more)
                await writer.put(ROOM)
            await server.fanout.stop()
            packed += await response.content.read()
        assert gzip.decompress(packed).startswith(text)


# -- workers -----------------------------------------------------------------------------------------------------------
@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats are looked for more often, and count for less long."""
    monkeypatch.setattr("stream.serve.heartbeats.HEARTBEAT_EVERY_S", 0.1)
    monkeypatch.setattr("stream.serve.heartbeats.SCAN_EVERY_S", 0.1)
    monkeypatch.setattr("stream.serve.heartbeats.SCAN_SOON_S", 0.1)
    monkeypatch.setattr("stream.serve.heartbeats.SCAN_REST", 0)
    monkeypatch.setattr("stream.serve.heartbeats.COMING_BACK_S", 0.2)


async def test_workers_that_go_and_come_are_told_although_no_document_changes(
    soon: None, redis: Redis, redis_server: RedisServer, writer: Writer
) -> None:
    del soon
    store = OverlayStore(redis_server.url, "live", 2_000)

    def workers(count: int, folded: int) -> Callable[[Event], bool]:
        wanted = {"workers": count, "partitions": 2, "folded": folded}
        return lambda event: wanted.items() <= (event.data.get("pipeline") or {}).items()

    async with serving(redis_server.url) as (server, client):
        await writer.put(ROOM)
        events, empty = await client.events(ROOM), await client.events("room-2")
        await events.until(lambda event: event.data.get("pipeline", {}).get("workers") == 0)
        await store.beat("a", b'{"at_ms":1,"folds":[0],"of":2}')
        first = await events.until(workers(1, 1))
        assert (first.id, first.data["state"]) == ("", "live")
        await store.beat("b", b'{"at_ms":1,"folds":[1],"of":2}')
        both = await events.until(workers(2, 2))
        assert both.id == f"1-{both.data['overlay']['rev']}"
        assert abs(both.data["pipeline"]["heard_ms"] - now_ms()) < 60_000
        await empty.until(workers(2, 2))  # also where there is no document
        answer = await client.get(f"/v1/rooms/{ROOM}")
        assert msgspec.json.decode(answer.headers["Snapup-Pipeline"])["workers"] == 2
        missing = await client.get("/v1/rooms/room-2")
        assert (missing.status, "Snapup-Pipeline" in missing.headers) == (404, True)
        # What runs out in Redis is gone here too, and the server remembers how many partitions there are.
        await redis.delete(heartbeat_key("live", "a"), heartbeat_key("live", "b"))
        for heard in server.heartbeats._heard.values():
            heard.at_s -= 60
        assert (await events.until(workers(0, 0))).data["overlay"] == both.data["overlay"]
        await store.beat("c", b'{"at_ms":1,"folds":[0,1],"of":2}')
        await events.until(workers(1, 2))
        await events.__aexit__()
        await empty.__aexit__()
    await store.close()


# -- Redis away, back, wiped -------------------------------------------------------------------------------------------
async def test_redis_away_is_told_and_it_recovers_by_itself(
    served: tuple[Server, Client], writer: Writer, redis_server: RedisServer
) -> None:
    _, client = served
    await writer.put(ROOM)
    async with await client.events(ROOM) as events, await client.events("room-2") as others:
        await events.state("live")
        await others.state("missing")
        redis_server.kill()
        try:
            away = await events.state("redis_away")
            assert (away.id, away.data["overlay"]["rev"]) == ("", 1)
            assert (await others.state("redis_away")).data["overlay"] is None
            found = await problem(client, f"/v1/rooms/{ROOM}")
            assert (found["status"], found["type"]) == (503, "urn:snapup:problem:redis_away")
            assert (await client.get("/readyz")).status == 503
            assert (await client.get("/healthz")).status == 200
            async with await client.events("room-3") as late:
                assert (await late.snapshot()).data["state"] == "redis_away"
        finally:
            redis_server.start()
        # It came back empty: what was known is not shown again as if it were still there.
        assert (await events.snapshot()).data["state"] == "missing"
        assert (await others.snapshot()).data["state"] == "missing"
        assert (await client.get("/readyz")).status == 200
        again = Writer(redis_server.url)
        await again.put(ROOM)
        assert (await events.snapshot()).data["state"] == "live"
        await again.close()


async def test_a_redis_that_hangs_is_away_and_nudges_are_heard_again_after_it(
    served: tuple[Server, Client], writer: Writer, redis_server: RedisServer
) -> None:
    server, client = served
    await writer.put(ROOM)
    async with await client.events(ROOM) as events:
        await events.state("live")
        redis_server.pause()
        try:
            await events.state("redis_away")
        finally:
            redis_server.resume()
        await events.state("live")
        # The connections were made anew, the one with the subscription too.
        heard = server.metrics.nudges._value.get()
        async with asyncio.timeout(DEADLINE_S):
            while server.metrics.nudges._value.get() == heard:
                rev = (await writer.put(ROOM))["rev"]
                while (await events.snapshot()).data["overlay"]["rev"] < rev:
                    pass


async def test_a_wiped_redis_blanks_and_comes_back(client: Client, writer: Writer, redis: Redis) -> None:
    await writer.put(ROOM)
    async with await client.events(ROOM) as events:
        await events.state("live")
        await redis.flushall()
        assert (await events.snapshot()).data["state"] == "missing"
        await writer.put(ROOM)
        assert (await events.snapshot()).data["state"] == "live"


async def test_a_subscription_that_died_is_made_again(
    served: tuple[Server, Client], writer: Writer, redis: Redis
) -> None:
    server, client = served
    await writer.put(ROOM)
    async with await client.events(ROOM) as events:
        await events.state("live")
        assert await redis.client_kill_filter(_type="pubsub")
        heard = server.metrics.nudges._value.get()

        async def nudged() -> bool:
            await writer.put(ROOM)
            await events.snapshot()
            return bool(server.metrics.nudges._value.get() > heard)

        async with asyncio.timeout(20):
            while not await nudged():
                pass


async def test_pages_may_be_opened_before_redis_is_there(tmp_path: Path) -> None:
    redis_server = RedisServer(tmp_path, LocalSettings())
    redis_server.start()
    redis_server.stop()
    async with serving(redis_server.url) as (_, client), await client.events(ROOM) as events:
        assert (await events.snapshot()).data["state"] == "redis_away"
        assert (await client.get("/v1/rooms")).status == 503
        redis_server.start()
        try:
            assert (await events.snapshot()).data["state"] == "missing"
            writer = Writer(redis_server.url)
            await writer.put(ROOM)
            assert (await events.snapshot()).data["state"] == "live"
            await writer.close()
        finally:
            redis_server.stop()


async def test_a_subscription_that_closes_while_a_room_is_added_to_it_is_made_anew(redis_server: RedisServer) -> None:
    room_id = "room-added"  # the server is shared with the tests before
    async with serving(redis_server.url) as (server, client):
        follower = server.follower
        await eventually(lambda: follower._nudges is not None)
        adding = asyncio.create_task(follower._subscribe([room_id]))
        await asyncio.sleep(0)  # it is about to write
        await follower._nudges.connection.disconnect(nowait=True)
        await adding
        writer = Writer(redis_server.url)
        await writer.put(room_id)
        async with await client.events(room_id) as events:
            assert (await events.snapshot()).data["state"] == "live"
            await writer.put(room_id)
            assert (await events.snapshot()).data["state"] == "live"
        await writer.close()


# -- history -----------------------------------------------------------------------------------------------------------
async def test_a_history_is_there_when_no_document_is_any_more(client: Client, redis: Redis) -> None:
    from_ms = 1_767_960_000_000
    chunks = [
        encode_chunk(
            from_ms + place * CHUNK_MS, [Point(from_ms + place * CHUNK_MS + 10_000, (1,) * 12, {"CNY": 5})], [], 0
        )
        for place in range(2)
    ]
    session = SessionRow(from_ms, from_ms, from_ms + CHUNK_MS + 10_000, "show", 1, {"CNY": 5})
    head = HistoryHead(HISTORY_SCHEMA, ROOM, 10_000, [session], chunks[1])
    assert (await problem(client, f"/v1/rooms/{ROOM}/history"))["type"] == "urn:snapup:problem:history_missing"
    await redis.set(history_key("live", ROOM), encode_head(head))
    await redis.set(chunks_key("live", ROOM, from_ms), encode_chunks(chunks[:1]))
    found = await (await client.get(f"/v1/rooms/{ROOM}/history")).json()
    assert found["points"]["at_ms"] == [from_ms + 10_000, from_ms + CHUNK_MS + 10_000]
    assert found["points"]["gmv_minor"] == [5, 5]
    later = await (await client.get(f"/v1/rooms/{ROOM}/history?session={from_ms}&since_ms={from_ms + 10_000}")).json()
    assert later["points"]["at_ms"] == [from_ms + CHUNK_MS + 10_000]
    other = await problem(client, f"/v1/rooms/{ROOM}/history?session=5")
    assert (other["type"], str(from_ms) in other["detail"]) == ("urn:snapup:problem:history_missing", True)
    for wrong in (b"no history", encode_head(HistoryHead("snapup.history.v9", ROOM, 1, [session], b""))):
        await redis.set(history_key("live", ROOM), wrong)
        assert (await problem(client, f"/v1/rooms/{ROOM}/history"))["status"] == 502
