"""Readers who are slow, too many, not allowed, or still there when the server stops; over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Self

import pytest
from aiohttp import ClientSession, ClientTimeout
from redis.asyncio import Redis

from stream.local.redis import RedisServer
from stream.local.settings import LocalSettings
from stream.serve.tokens import Tokens
from tests.support.serve import DEADLINE_S, SECRET, Client, Writer, eventually, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.integration
ROOM = "room-1"
# Far more than the buffers of one connection hold.
FAT_FEED = [{"kind": "order", "at_ms": 1, "who": "x", "sku_id": "k" * 60, "quantity": 1}] * 6_000


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"), LocalSettings())
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def writer(redis_server: RedisServer) -> AsyncIterator[Writer]:
    async with Redis.from_url(redis_server.url) as client:
        await client.flushall()
    made = Writer(redis_server.url)
    yield made
    await made.close()


class LazyReader:
    """Asks for a stream, and takes nothing from the socket until told to."""

    def __init__(self, port: int) -> None:
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self.sock.connect(("127.0.0.1", port))
        self.sock.sendall(f"GET /v1/rooms/{ROOM}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.sock.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    async def revs_until(self, wanted: int) -> list[int]:
        """Read on until that revision has come whole."""
        loop, read = asyncio.get_running_loop(), b""
        async with asyncio.timeout(DEADLINE_S):
            while f"id: 1-{wanted}\n".encode() not in read or not read.endswith(b"}\n\n\r\n"):
                piece = await loop.sock_recv(self.sock, 1 << 20)
                assert piece, "the server hung up"
                read += piece
        return [int(line[6:]) for line in read.split(b"\n") if line.startswith(b"id: 1-")]


async def test_a_slow_reader_gets_the_newest_not_a_queue(redis_server: RedisServer, writer: Writer) -> None:
    await writer.put(ROOM, feed=FAT_FEED)
    async with serving(redis_server.url) as (server, client):
        with LazyReader(server.port) as slow:
            async with await client.events(ROOM) as quick:
                await quick.snapshot()
                await eventually(lambda: len(server.fanout) == 2)
                for rev in range(2, 12):
                    await writer.put(ROOM, feed=FAT_FEED)
                    # The other reader misses nothing meanwhile.
                    await quick.until(lambda event, rev=rev: event.data["overlay"]["rev"] == rev)  # type: ignore[misc]
                assert server.metrics.coalesced._value.get() > 0
                revs = await slow.revs_until(11)
                assert len(revs) < 6
                assert revs == sorted(set(revs))
                # It has caught up, so it is as good a reader as any.
                await writer.put(ROOM, feed=FAT_FEED)
                assert await slow.revs_until(12) == [12]
    assert server.metrics.dropped["slow"]._value.get() == 0


async def test_a_reader_who_takes_nothing_is_dropped_and_nobody_else(redis_server: RedisServer, writer: Writer) -> None:
    await writer.put(ROOM, feed=FAT_FEED)
    async with serving(redis_server.url, serve_slow_client_ms=300) as (server, client):
        with LazyReader(server.port):
            async with await client.events(ROOM) as quick:
                await quick.snapshot()
                await eventually(lambda: len(server.fanout) == 2)
                await writer.put(ROOM, feed=FAT_FEED)
                await quick.snapshot()
                await eventually(lambda: server.metrics.dropped["slow"]._value.get() == 1)
                await eventually(lambda: len(server.fanout) == 1)
                await writer.put(ROOM)
                assert (await quick.snapshot()).data["overlay"]["rev"] == 3


async def test_one_address_has_so_many_streams_and_gets_places_back(redis_server: RedisServer, writer: Writer) -> None:
    del writer
    async with serving(redis_server.url, serve_streams_per_address=2) as (server, client):
        async with await client.events(ROOM), await client.events(ROOM):
            response = await client.get(f"/v1/rooms/{ROOM}/events")
            assert response.status == 429
            assert (await response.json())["type"] == "urn:snapup:problem:too_many_streams"
            assert int(response.headers["Retry-After"]) >= 1
        await eventually(lambda: server.streams.taken == 0)
        async with await client.events(ROOM) as events:
            await events.snapshot()
        assert server.metrics.refused["address_streams"]._value.get() == 1


async def test_one_process_has_so_many_streams(redis_server: RedisServer, writer: Writer) -> None:
    del writer
    async with serving(redis_server.url, serve_streams_max=1) as (_, client), await client.events(ROOM):
        response = await client.get(f"/v1/rooms/{ROOM}/events")
        assert response.status == 503
        assert (await response.json())["type"] == "urn:snapup:problem:full"


async def test_readers_behind_a_trusted_proxy_are_counted_apart(redis_server: RedisServer, writer: Writer) -> None:
    del writer
    settings = {"serve_streams_per_address": 1, "serve_trusted_proxies": "127.0.0.0/8"}
    async with serving(redis_server.url, **settings) as (_, client):
        path = f"/v1/rooms/{ROOM}/events"
        first = await client.get(path, headers={"X-Forwarded-For": "203.0.113.1"})
        second = await client.get(path, headers={"X-Forwarded-For": "203.0.113.2"})
        again = await client.get(path, headers={"X-Forwarded-For": "198.51.100.9, 203.0.113.1"})
        assert [first.status, second.status, again.status] == [200, 200, 429]
        first.close()
        second.close()


async def test_more_connections_than_allowed_are_told_so(redis_server: RedisServer, writer: Writer) -> None:
    del writer
    async with serving(redis_server.url, serve_streams_per_address=1) as (server, client):
        held = []
        try:
            for _ in range(66):  # two for each stream, and 64
                held.append(await asyncio.open_connection("127.0.0.1", server.port))  # noqa: PERF401
            reader, over = await asyncio.open_connection("127.0.0.1", server.port)
            async with asyncio.timeout(DEADLINE_S):
                answer = await reader.read()
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"application/problem+json" in head
            assert json.loads(body)["type"] == "urn:snapup:problem:full"
            over.close()
            assert server.metrics.refused["address_connections"]._value.get() == 1
        finally:
            for _, each in held:
                each.close()
        await eventually(lambda: server.metrics.connections._value.get() == 0)
        assert (await client.get("/v1/time")).status == 200


async def test_readers_who_leave_at_any_moment_leave_nothing_behind(redis_server: RedisServer, writer: Writer) -> None:
    await writer.put(ROOM)
    request = f"GET /v1/rooms/{ROOM}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    async with serving(redis_server.url) as (server, _):
        for pause in range(150):
            _, connection = await asyncio.open_connection("127.0.0.1", server.port)
            connection.write(request)
            for _ in range(pause % 15):  # turns of the loop that the server shares with us
                await asyncio.sleep(0)
            connection.transport.abort()
            if not pause % 30:
                server.follower.rooms.clear()  # as if the room were new: its first look is waited for
        await eventually(lambda: server.streams.taken == 0)
        assert len(server.fanout) == 0
        await eventually(lambda: server.metrics.connections._value.get() == 0)
        assert server.metrics.streams._value.get() == 0


# -- tokens ------------------------------------------------------------------------------------------------------------
async def test_tokens_open_their_room_and_no_other(redis_server: RedisServer, writer: Writer) -> None:
    await writer.put(ROOM)
    tokens = Tokens([SECRET])
    one, other, every, old = (
        tokens.issue(ROOM, 60, time.time()),
        tokens.issue("room-2", 60, time.time()),
        tokens.issue("*", 60, time.time()),
        tokens.issue(ROOM, 60, time.time() - 60),
    )
    async with serving(redis_server.url, token_secret=SECRET) as (_, client):
        for path in (f"/v1/rooms/{ROOM}", f"/v1/rooms/{ROOM}/events"):
            expected = {"": 401, one: 200, other: 403, every: 200, old: 401, "x": 401, f"{one}x": 401}
            for token, status in expected.items():
                async with await client.get(path, params={"token": token}) as response:
                    assert response.status == status, (path, token)
                async with await client.get(path, headers={"Authorization": f"Bearer {token}"}) as response:
                    assert response.status == status, (path, token)
        for path, of_one in (("/v1/rooms", 200), ("/metrics", 403)):
            for token, status in {"": 401, one: of_one, every: 200, old: 401}.items():
                assert (await client.get(path, params={"token": token})).status == status
        response = await client.get(f"/v1/rooms/{ROOM}")
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert (await response.json())["type"] == "urn:snapup:problem:token_missing"
        for path in ("/v1/time", "/openapi.json", "/healthz", "/readyz"):
            assert (await client.get(path)).status == 200


async def test_a_token_for_one_room_lists_this_room_alone(redis_server: RedisServer, writer: Writer) -> None:
    for room_id in (ROOM, "room-2"):
        await writer.put(room_id)
    tokens = Tokens([SECRET])
    async with serving(redis_server.url, token_secret=SECRET) as (_, client):

        async def listed(opens: str, **query: str) -> dict[str, Any]:
            asked = {"token": tokens.issue(opens, 60, time.time()), **query}
            return await (await client.get("/v1/rooms", params=asked)).json()  # type: ignore[no-any-return]

        every = await listed("*")
        assert [room["room_id"] for room in every["rooms"]] == [ROOM, "room-2"]
        assert every["only_room"] is None
        found = await listed(ROOM)
        assert [room["room_id"] for room in found["rooms"]] == [ROOM]
        assert (found["matching"], found["only_room"]) == (1, ROOM)
        assert found["totals"]["orders_placed"] * 2 == every["totals"]["orders_placed"]
        # Neither a search nor another place in the list tells of other rooms.
        for query in ({"q": "room-2"}, {"offset": "1"}):
            assert (await listed(ROOM, **query))["rooms"] == []
        assert (await listed("nobody"))["matching"] == 0


async def test_a_stream_ends_with_its_token(redis_server: RedisServer, writer: Writer) -> None:
    await writer.put(ROOM)
    token = Tokens([SECRET]).issue(ROOM, 1, time.time())
    async with serving(redis_server.url, token_secret=SECRET) as (server, client):
        async with await client.events(ROOM, params={"token": token}) as events:
            await events.snapshot()
            with pytest.raises(EOFError):
                await events.next()
        assert server.metrics.dropped["token_expired"]._value.get() == 1
        assert (await client.get(f"/v1/rooms/{ROOM}/events", params={"token": token})).status == 401


# -- the process -------------------------------------------------------------------------------------------------------
class Process:
    """`snapup serve`, as it is run."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self.text = ""

    async def line(self, event: str) -> dict[str, Any]:
        """The next log line of that event."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            while line := await self.process.stdout.readline():
                self.text += line.decode()
                self.lines.append(json.loads(line))
                if self.lines[-1]["event"] == event:
                    return self.lines[-1]
        raise EOFError(self.text)

    async def rest(self) -> int:
        """What it still says, and its exit code."""
        async with asyncio.timeout(DEADLINE_S):
            out, _ = await self.process.communicate()
        self.text += out.decode()
        return self.process.returncode or 0


@contextlib.asynccontextmanager
async def process(**environment: str) -> AsyncIterator[Process]:
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", "from stream.cli import main; main()", "serve", "--port", "0"),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Process(started)
    finally:
        if started.returncode is None:
            started.kill()
            await started.communicate()


async def test_sigterm_ends_streams_in_order_and_the_log_holds_no_token(
    redis_server: RedisServer, writer: Writer
) -> None:
    await writer.put(ROOM)
    token = Tokens([SECRET]).issue(ROOM, 60, time.time())
    async with (
        process(SNAPUP_REDIS_URL=redis_server.url, SNAPUP_TOKEN_SECRET=SECRET) as server,
        ClientSession(timeout=ClientTimeout(total=DEADLINE_S)) as session,
    ):
        client = Client(session, f"http://127.0.0.1:{(await server.line('listening'))['port']}")
        assert (await client.get(f"/v1/rooms/{ROOM}", params={"token": token})).status == 200
        assert (await client.get("/nothing", params={"token": token})).status == 404
        assert (await client.get(f"/v1/rooms/{ROOM}", params={"token": token[:-1]})).status == 401
        # Not even where it cannot be parsed.
        reader, raw = await asyncio.open_connection("127.0.0.1", int(client.top.rsplit(":", 1)[1]))
        raw.write(f"GET /v1/rooms/{ROOM}?token={token} HTTP/9.x\r\n\r\n".encode())
        assert b"application/problem+json" in await reader.read()
        raw.close()
        events = await client.events(ROOM, params={"token": token})
        left = await client.events(ROOM, params={"token": token})
        await events.snapshot()
        left.response.close()
        assert (await server.line("reader left"))["path"] == f"/v1/rooms/{ROOM}/events"
        server.process.send_signal(signal.SIGTERM)
        last = await events.next()
        assert last.retry is not None
        assert 500 <= last.retry <= 3_000
        with pytest.raises(EOFError):
            await events.next()
        assert await server.rest() == 0
    assert token not in server.text
    assert token.partition(".")[0] not in server.text
    assert '"stopped"' in server.text
    requests = [line for line in server.lines if line["event"] == "request"]
    assert {"method", "path", "status", "ms", "bytes", "address", "agent"} <= requests[0].keys()
    assert requests[0]["path"] == f"/v1/rooms/{ROOM}"


async def test_without_a_secret_it_listens_on_loopback_only(redis_server: RedisServer) -> None:
    async with process(SNAPUP_REDIS_URL=redis_server.url, SNAPUP_SERVE_HOST="0.0.0.0") as server:  # noqa: S104
        async with asyncio.timeout(DEADLINE_S):
            _, said = await server.process.communicate()
        assert server.process.returncode == 1
        assert b"SNAPUP_TOKEN_SECRET" in said
        assert b"Traceback" not in said


async def test_a_port_in_use_is_told_in_one_line(redis_server: RedisServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        started = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", "from stream.cli import main; main()", "serve", "--port", str(port)),
            *("--redis-url", redis_server.url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(DEADLINE_S):
            _, said = await started.communicate()
    assert started.returncode == 1
    assert f"Port {port} on 127.0.0.1 is in use".encode() in said
    assert b"Traceback" not in said
