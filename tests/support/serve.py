"""A read server in this loop, documents to put into Redis, and a reader of event streams."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec
from aiohttp import ClientSession, ClientTimeout

from stream.core.publishing import Published
from stream.serve.app import Server
from stream.settings import load_settings
from stream.worker.overlay_store import Answer, OverlayStore
from tests.support.rooms import T0_MS, fold_plainly, random_log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiohttp import ClientResponse

DEADLINE_S = 20.0
LONGEST_LINE_BYTES = 4 << 20
SECRET = "a secret for tests and for nothing else"  # noqa: S105 -- that is what it is


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@functools.cache
def _folded() -> dict[str, Any]:
    log = random_log(1, events=400, rooms=1)
    fold = fold_plainly(list(enumerate(log)), T0_MS + 120_000)
    return msgspec.json.decode(fold.publish(T0_MS + 120_000, 1, everything=True)[0].document)  # type: ignore[no-any-return]


def document(room_id: str, *, epoch: int = 1, rev: int = 1, fresh_ms: int = 60_000, **changes: Any) -> dict[str, Any]:
    """A document as of now, as the worker makes them; fresh for this long."""
    made = copy.deepcopy(_folded())
    at_ms = now_ms()
    made |= {
        "room_id": room_id,
        "epoch": epoch,
        "rev": rev,
        "as_of_ms": at_ms,
        "stale_after_ms": at_ms + fresh_ms,
        "clock": {"source": "tick", "lag_ms": 0},
    }
    return made | changes


class Writer:
    """Writes documents as the worker does: versioned, with a nudge."""

    def __init__(self, url: str, prefix: str = "live") -> None:
        self._store = OverlayStore(url, prefix, 2_000)
        self._revs: dict[str, int] = {}

    async def put(self, room_id: str, *, epoch: int = 1, ttl_ms: int = 60_000, **changes: Any) -> dict[str, Any]:
        """The next document of a room, now written."""
        rev = self._revs[room_id] = self._revs.get(room_id, 0) + 1
        made = document(room_id, epoch=epoch, rev=rev, **changes)
        answers = await self._store.write(epoch, [Published(room_id, rev, msgspec.json.encode(made), ttl_ms, -1)])
        assert answers[0] in (Answer.WRITTEN, Answer.WRITTEN_NEW)
        return made

    async def close(self) -> None:
        await self._store.close()


class Event(NamedTuple):
    """One event of a stream; of a comment only `comment` is set."""

    id: str | None = None
    event: str = ""
    data: Any = None
    comment: str = ""
    retry: int | None = None


class Events:
    """Reads an event stream, with as little of the specification as we send."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.response.close()

    async def next(self) -> Event:
        """The next event or comment; raises EOFError at the end."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(DEADLINE_S):
            while True:
                line = (await self.response.content.readline()).decode()
                if not line:
                    raise EOFError
                assert line.endswith("\n")
                line = line[:-1]
                if not line:
                    break
                name, _, value = line.partition(":")
                fields[name or "comment"] = value.removeprefix(" ")
        return Event(
            fields.get("id"),
            fields.get("event", ""),
            msgspec.json.decode(fields["data"]) if "data" in fields else None,
            fields.get("comment", ""),
            int(fields["retry"]) if "retry" in fields else None,
        )

    async def snapshot(self) -> Event:
        """The next snapshot event."""
        while True:
            event = await self.next()
            if event.event == "snapshot":
                return event

    async def until(self, wanted: Callable[[Event], bool]) -> Event:
        """The first snapshot that fits."""
        while True:
            event = await self.snapshot()
            if wanted(event):
                return event

    async def state(self, state: str) -> Event:
        """The first snapshot with this state."""
        return await self.until(lambda event: event.data["state"] == state)


class Client:
    """Asks one server."""

    def __init__(self, session: ClientSession, top: str) -> None:
        self.session = session
        self.top = top

    async def get(self, path: str, **options: Any) -> ClientResponse:
        return await self.session.get(self.top + path, **options)

    async def events(self, room_id: str, *, last_event_id: str = "", **options: Any) -> Events:
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        response = await self.get(f"/v1/rooms/{room_id}/events", headers=headers, **options)
        assert response.status == 200, await response.text()
        return Events(response)


@contextlib.asynccontextmanager
async def serving(redis_url: str, **settings: Any) -> AsyncIterator[tuple[Server, Client]]:
    """A server on a free port, and a client of it."""
    server = Server(load_settings(**{"redis_url": redis_url, "serve_port": 0, **settings}))
    stop = asyncio.Event()
    try:
        await server.start()
        waiting = asyncio.create_task(server.wait(stop))
        async with ClientSession(
            timeout=ClientTimeout(total=None, sock_read=DEADLINE_S), read_bufsize=LONGEST_LINE_BYTES
        ) as session:
            yield server, Client(session, f"http://127.0.0.1:{server.port}")
        stop.set()
        await waiting
    finally:
        await server.close()


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110 -- any condition
            await asyncio.sleep(0.01)
