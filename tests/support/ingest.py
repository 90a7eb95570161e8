"""A gateway in this loop, with or without a Kafka behind it, and bodies to send to it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import ClientSession, ClientTimeout

from stream.ingest.app import Gateway
from stream.ingest.publisher import AwayError
from stream.mechanics.kinds import CATALOGUE
from stream.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from aiohttp import ClientResponse

    from stream.ingest.intake import Accepted

DEADLINE_S = 60.0
_numbers = itertools.count(1)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def like(room_id: str = "room-1", **changes: Any) -> dict[str, Any]:
    """A good event of now, with an id of its own."""
    made = {
        "type": "like",
        "event_id": f"e-{next(_numbers)}",
        "room_id": room_id,
        "event_time_ms": now_ms(),
        "user_id": "u-1",
        "count": 3,
    }
    return made | changes


def cloudevent(**changes: Any) -> dict[str, Any]:
    """The same as a CloudEvent in structured mode."""
    plain = like()
    made = {
        "specversion": "1.0",
        "id": plain.pop("event_id"),
        "source": "/shop",
        "type": f"snapup.{plain.pop('type')}.v1",
        "data": plain,
    }
    return made | changes


class Taking:
    """In the place of Kafka: takes all events, and keeps them; away when told so."""

    problem: str | None = None

    def __init__(self) -> None:
        self.events: list[Accepted] = []
        self.away = False
        self.lost = False
        self.waits = asyncio.Event()
        self.waits.set()

    def is_away(self) -> bool:
        return self.away

    async def publish(self, events: Sequence[Accepted], settled: Callable[[], None]) -> None:
        await self.waits.wait()
        settled()
        if self.lost:
            raise AwayError
        self.events += events


class Sender:
    """Sends to one gateway."""

    def __init__(self, session: ClientSession, gateway: Gateway) -> None:
        self.session = session
        self.top = f"http://127.0.0.1:{gateway.port}"
        self.gateway = gateway
        self.key = ""

    async def send(
        self, body: Any, content_type: str = "application/json", headers: dict[str, str] | None = None
    ) -> ClientResponse:
        """The answer; a body that is no bytes is sent as JSON."""
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        said = {"Content-Type": content_type, **({"Authorization": f"Bearer {self.key}"} if self.key else {})}
        return await self.session.post(f"{self.top}/v1/events", data=data, headers=said | (headers or {}))

    async def problem(self, *words: Any, **options: Any) -> dict[str, Any]:
        """The problem that the answer must be, with its headers."""
        answer = await self.send(*words, **options)
        assert answer.content_type == "application/problem+json", (answer.status, await answer.text())
        found: dict[str, Any] = await answer.json()
        assert found["status"] == answer.status
        assert answer.headers["X-Request-Id"]
        found["retry_after"] = answer.headers.get("Retry-After")
        found["kind"] = found["type"].rpartition(":")[2]
        return found


@contextlib.asynccontextmanager
async def ingesting(**settings: Any) -> AsyncIterator[Sender]:
    """A gateway, and who sends to it."""
    chosen = {"ingest_port": 0, "ingest_metrics_port": 0, "bootstrap_servers": "127.0.0.1:1", **settings}
    gateway = Gateway(load_settings(**chosen), CATALOGUE)
    await gateway.start()
    try:
        async with ClientSession(timeout=ClientTimeout(DEADLINE_S), auto_decompress=False) as session:
            yield Sender(session, gateway)
    finally:
        await gateway.close()


@contextlib.asynccontextmanager
async def taking(**settings: Any) -> AsyncIterator[tuple[Sender, Taking]]:
    """A gateway without Kafka: what it hands over is kept."""
    async with ingesting(**settings) as sender:
        kept: Any = Taking()
        sender.gateway.receiver.publisher = kept
        yield sender, kept


async def eventually(condition: Callable[[], Any], what: str) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 -- any condition
            await asyncio.sleep(0.01)
    assert condition(), what
